"""The read path's AWS client: what it sends, when it tries again, and what its errors say."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom_service.adapters.aws_client import UNREACHABLE, AwsCallFailed, AwsClient, Operation
from strongroom_service.adapters.sigv4 import FrozenCredentials
from tests.support.scripted_aws import Answer, ScriptedAws, scripted_aws

GET = Operation(service="dynamodb", target="DynamoDB_20120810.GetItem", content_type="application/x-amz-json-1.0")


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as script:
        yield script


def test_sends_one_signed_json_request(aws: ScriptedAws) -> None:
    """The operation, the content type and a signature are headers; the body is JSON."""
    aws.script("GetItem", Answer({"Item": {"a": {"S": "b"}}}))
    assert aws.client().call(GET, {"TableName": "t"}) == {"Item": {"a": {"S": "b"}}}
    (request,) = aws.requests
    assert request.body == {"TableName": "t"}
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")


def test_keeps_its_connection(aws: ScriptedAws) -> None:
    """One call after another goes over the same connection."""
    aws.script("GetItem", Answer({}))
    client = aws.client()
    for _ in range(3):
        client.call(GET, {})
    assert len({request.connection for request in aws.requests}) == 1


def test_notices_a_connection_that_was_closed_meanwhile(aws: ScriptedAws) -> None:
    """A kept connection that the other side closed is replaced, and the call succeeds at once."""
    aws.script("GetItem", Answer({}, closes_afterwards=True))
    client = aws.client()
    for _ in range(3):
        client.call(GET, {})
    assert len(aws.requests) == 3


ONCE = replace(GET, attempts=1)


def test_a_kept_connection_that_breaks_is_no_attempt(aws: ScriptedAws) -> None:
    """After a frozen while the other side has left it: the request goes over a new one, without a pause."""
    aws.script("GetItem", Answer({}), Answer(hang_up=True), Answer({"ok": True}))
    client = aws.client()
    client.call(ONCE, {})
    assert client.call(ONCE, {}) == {"ok": True}
    first, broken, new = (request.connection for request in aws.requests)
    assert first == broken != new


def test_a_new_connection_that_breaks_too_is_the_services_failure(aws: ScriptedAws) -> None:
    aws.script("GetItem", Answer({}), Answer(hang_up=True))
    client = aws.client()
    client.call(ONCE, {})
    with pytest.raises(AwsCallFailed, match=UNREACHABLE):
        client.call(ONCE, {})
    assert len(aws.requests) == 3


def test_a_kept_connection_waits_as_long_as_its_present_operation_does(aws: ScriptedAws) -> None:
    """Not as long as the one that it was made for; and silence is not asked again."""
    aws.script("GetItem", Answer({}), Answer({}, seconds=2.0))
    client = aws.client()
    client.call(replace(ONCE, timeout=timedelta(seconds=30)), {})
    with pytest.raises(AwsCallFailed, match=UNREACHABLE):
        client.call(replace(ONCE, timeout=timedelta(milliseconds=50)), {})
    assert len(aws.requests) == 2


def test_calls_that_overlap_use_connections_of_their_own(aws: ScriptedAws) -> None:
    """A call can be begun while another is on its way; each gets its own answer."""
    aws.script("GetItem", Answer({"n": 1}), Answer({"n": 2}))
    client = aws.client()
    first = client.begin(GET, {})
    aws.wait_for_requests(1)
    second = client.begin(GET, {})
    assert second.result() == {"n": 2}
    assert first.result() == {"n": 1}


@pytest.mark.parametrize(
    "failure",
    [
        Answer(hang_up=True),
        Answer.error("InternalServerError", status=500),
        Answer.error("ProvisionedThroughputExceededException"),
        Answer(raw=b"<html>bad gateway</html>", status=502),
    ],
    ids=["hung up", "internal", "throttled", "html"],
)
def test_tries_once_more_where_that_can_help(aws: ScriptedAws, failure: Answer) -> None:
    """A lost connection, a failure of the service and throttling get a second attempt."""
    aws.script("GetItem", failure, Answer({"ok": True}))
    assert aws.client().call(GET, {}) == {"ok": True}
    assert len(aws.requests) == 2


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Answer(hang_up=True), UNREACHABLE),
        (Answer.error("InternalServerError", status=500), "InternalServerError"),
        (Answer.error("ThrottlingException"), "ThrottlingException"),
        (Answer(raw=b"", status=503), "InternalFailure"),
    ],
)
def test_gives_up_after_its_attempts(aws: ScriptedAws, failure: Answer, code: str) -> None:
    """Then the error names the code of the last one and nothing of the request."""
    aws.script("GetItem", failure)
    with pytest.raises(AwsCallFailed) as failed:
        aws.client().call(GET, {"TableName": "CANARY-REQUEST"})
    assert failed.value.code == code
    assert not failed.value.is_decision
    assert "CANARY" not in str(failed.value)
    assert len(aws.requests) == GET.attempts


def test_a_decision_of_the_service_is_final(aws: ScriptedAws) -> None:
    """A refusal is not asked again."""
    aws.script("GetItem", Answer.error("AccessDeniedException"))
    with pytest.raises(AwsCallFailed) as failed:
        aws.client().call(GET, {})
    assert failed.value.is_decision
    assert failed.value.code == "AccessDeniedException"
    assert "CANARY" not in repr(failed.value)
    assert len(aws.requests) == 1


@pytest.mark.parametrize("raw", [b"not json", b"[1]", b""])
def test_an_answer_that_is_no_object_is_a_failure(aws: ScriptedAws, raw: bytes) -> None:
    """Success without a JSON object is not taken for one."""
    aws.script("GetItem", Answer(raw=raw))
    with pytest.raises(AwsCallFailed, match="InvalidResponse"):
        aws.client().call(GET, {})


def test_an_answer_that_does_not_come_ends_with_the_time_out() -> None:
    """A service that accepts and says nothing counts as unreachable after the operation's time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = AwsClient(
            region="us-east-1",
            environment={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"},
            credentials=lambda: FrozenCredentials("a", "b", None),
            sleep=lambda _: None,
        )
        quick = Operation(
            service="dynamodb", target="X.GetItem", content_type="x", timeout=timedelta(milliseconds=20), attempts=2
        )
        with pytest.raises(AwsCallFailed, match=UNREACHABLE):
            client.call(quick, {})


def test_a_port_that_refuses_counts_as_unreachable() -> None:
    """The failure appears when the result is asked for, not when the call is begun."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = AwsClient(
        region="us-east-1",
        environment={"AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{port}", "AWS_ENDPOINT_URL": "http://wrong"},
        credentials=lambda: FrozenCredentials("a", "b", None),
        sleep=lambda _: None,
    )
    pending = client.begin(GET, {})
    with pytest.raises(AwsCallFailed, match=UNREACHABLE):
        pending.result()


def test_without_credentials_no_request_leaves(
    aws: ScriptedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """A process without credentials gets a failure, not an unsigned request."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client = AwsClient(region="us-east-1", environment={"AWS_ENDPOINT_URL": aws.url}, sleep=lambda _: None)
    with pytest.raises(AwsCallFailed, match="NoCredentials"):
        client.call(GET, {})
    assert aws.requests == []
