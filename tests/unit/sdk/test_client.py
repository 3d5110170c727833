"""What users of the client see: reads, batches, writes, memory, failover."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from strongroom import (
    AccessDenied,
    Client,
    ClientClosed,
    ConfigurationError,
    Expect,
    Generate,
    InvalidRequest,
    NotFound,
    ReplicaBehind,
    ResponseTooLarge,
    StaleExpectation,
    StrongroomError,
    Unavailable,
    ValueTooLarge,
)
from strongroom.codes import BY_CODE
from tests.unit.sdk.scripted_region import (
    CANARY,
    PATH,
    Clock,
    Received,
    Reply,
    ScriptedRegion,
    always,
    error,
    facts,
    item,
    problem,
    refusing_region,
    reply,
    value,
)

MakeClient = Callable[..., Client]
OTHER = "prod/payments/api-key"


@pytest.fixture
def client(make_client: MakeClient, east: ScriptedRegion, west: ScriptedRegion, clock: Clock) -> Client:
    """Two regions, and a clock that stands still."""
    return make_client(east, west, surroundings=clock.surroundings)


def test_a_read_is_signed_and_tells_the_facts(client: Client, east: ScriptedRegion) -> None:
    secret = client.get(PATH)
    assert (secret.reveal(), secret.version_number, secret.region) == (CANARY, 3, "us-east-1")
    [request] = east.received
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
    assert request.target == f"/v1/values/{PATH}"


def test_a_second_read_comes_from_memory_until_its_time_is_over(
    client: Client, east: ScriptedRegion, clock: Clock
) -> None:
    """Two minutes, give or take a tenth, by chance; here chance falls in the middle."""
    first = client.get(PATH)
    clock.pass_(timedelta(seconds=119))
    assert client.get(PATH) is first
    clock.pass_(timedelta(seconds=2))
    client.get(PATH)
    assert len(east.received) == 2


def test_lifetimes_differ_by_a_tenth_each_way(make_client: MakeClient, east: ScriptedRegion, clock: Clock) -> None:
    """A fleet that started together does not return together."""
    for point, lives in ((0.0, 108), (1.0, 132)):
        clock.point = point
        client = make_client(east, surroundings=clock.surroundings)
        client.get(PATH)
        asked = len(east.received)
        clock.pass_(timedelta(seconds=lives - 1))
        client.get(PATH)
        assert len(east.received) == asked
        clock.pass_(timedelta(seconds=1))
        client.get(PATH)
        assert len(east.received) == asked + 1


def test_versions_are_remembered_apart(client: Client, east: ScriptedRegion) -> None:
    for version in ("current", "previous", "v2", "previous", "current"):
        client.get(PATH, version=version)
    targets = [request.target.partition("?")[2] for request in east.received]
    assert [target.partition("&")[2] or target for target in targets] == ["", "version=previous", "version=v2"]


def test_failures_are_never_remembered(client: Client, east: ScriptedRegion) -> None:
    east.queue = [error(404, "not_found")]
    with pytest.raises(NotFound):
        client.get(PATH)
    assert client.get(PATH).reveal() == CANARY


def test_a_decision_ends_what_was_remembered(
    client: Client, east: ScriptedRegion, west: ScriptedRegion, clock: Clock
) -> None:
    """Once denied, an earlier answer is not served, not even when no region answers."""
    client.get(PATH)
    clock.pass_(timedelta(minutes=3))
    east.queue = [error(403, "access_denied")]
    with pytest.raises(AccessDenied):
        client.get(PATH)
    for region in (east, west):
        region.script = always(error(503, "store_unavailable", retryable=True))
    with pytest.raises(Unavailable):
        client.get(PATH)


def test_an_earlier_answer_serves_an_outage_within_its_limit(
    client: Client, east: ScriptedRegion, west: ScriptedRegion, clock: Clock
) -> None:
    client.get(PATH)
    for region in (east, west):
        region.script = always(error(503, "store_unavailable", retryable=True))
    clock.pass_(timedelta(minutes=11))
    stale = client.get(PATH)
    assert (stale.stale, stale.reveal()) == (True, CANARY)
    clock.pass_(timedelta(minutes=2))
    with pytest.raises(Unavailable):
        client.get(PATH)


def test_memory_ends_where_the_secret_does(client: Client, east: ScriptedRegion, clock: Clock) -> None:
    """An expiring version is not served past its moment, in an outage neither."""
    expires = int(clock.surroundings.wall_clock()) + 30
    east.script = lambda request: value(request, expiresAtUnix=expires)
    assert client.get(PATH).expires_at == datetime.fromtimestamp(expires, UTC)
    clock.pass_(timedelta(seconds=31))
    east.script = always(error(410, "version_expired"))
    with pytest.raises(StrongroomError) as caught:
        client.get(PATH)
    assert caught.value.code == "version_expired"


def test_memory_is_bounded(make_client: MakeClient, east: ScriptedRegion, clock: Clock) -> None:
    """What was used since the last look stays longer than what was not."""
    client = make_client(east, surroundings=clock.surroundings, cache_entries=2)
    client.get("prod/a")
    client.get("prod/b")
    client.get("prod/a")
    client.get("prod/c")
    asked = len(east.received)
    client.get("prod/a")
    client.get("prod/c")
    assert len(east.received) == asked
    client.get("prod/b")
    assert len(east.received) == asked + 1


def test_without_memory_each_read_asks(make_client: MakeClient, east: ScriptedRegion) -> None:
    client = make_client(east, cache_entries=0)
    client.get(PATH)
    client.get(PATH)
    assert len(east.received) == 2


def test_invalidate_forgets_one_path_or_all(client: Client, east: ScriptedRegion) -> None:
    forgetting: list[Callable[[], None]] = [lambda: client.invalidate(PATH), client.invalidate]
    for forget in forgetting:
        client.get(PATH)
        client.get(OTHER)
        asked = len(east.received)
        forget()
        client.get(PATH)
        assert len(east.received) == asked + 1
    client.get(OTHER)
    assert len(east.received) == 4 + 1


def test_of_many_that_miss_at_once_one_asks(make_client: MakeClient, east: ScriptedRegion) -> None:
    """The others share its answer, and its failure."""
    client = make_client(east, deadline=timedelta(seconds=20))
    for answer, outcome in ((reply(facts()), CANARY), (error(404, "not_found"), "NotFound")):
        client.invalidate()
        release = threading.Event()
        answer.waits = release
        east.script = always(answer)
        before = len(east.received)

        def read(_: int) -> str:
            try:
                return client.get(PATH).reveal()
            except NotFound as refused:
                return type(refused).__name__

        with ThreadPoolExecutor(8) as pool:
            reads = [pool.submit(read, index) for index in range(8)]
            while len(east.received) == before:
                pass
            release.set()
            assert {future.result() for future in reads} == {outcome}
        assert len(east.received) - before <= 2


def test_a_newer_state_is_never_left_again(client: Client, east: ScriptedRegion, west: ScriptedRegion) -> None:
    """The client names the newest state it has seen, and a region that is behind is passed over."""
    client.get(PATH)
    client.invalidate()
    client.get(PATH)
    assert "minToken=1.7" in east.received[-1].target
    east.script = lambda request: value(request, consistencyToken="1.6")
    client.invalidate()
    assert client.get(PATH).region == "us-west-2"
    assert len(west.received) == 1


def test_a_state_that_the_caller_knows_of(client: Client, east: ScriptedRegion) -> None:
    client.get(PATH)
    client.get(PATH, min_token="1.7")
    assert len(east.received) == 1
    east.script = lambda request: value(request, consistencyToken="1.10")
    assert client.get(PATH, min_token="1.8").consistency_token == "1.10"
    assert east.received[-1].target.endswith("?minToken=1.8")


def test_the_next_region_answers_for_one_that_does_not(
    make_client: MakeClient, west: ScriptedRegion, clock: Clock
) -> None:
    with refusing_region("us-east-1") as gone:
        client = make_client(gone, west, surroundings=clock.surroundings)
        assert client.get(PATH).reveal() == CANARY
        assert [request.headers["authorization"].split("/")[2] for request in west.received] == ["us-west-2"]


def test_a_replica_that_is_behind_sends_to_the_writer(
    client: Client, east: ScriptedRegion, west: ScriptedRegion
) -> None:
    east.script = always(error(425, "replica_behind", retryable=True, writerRegion="us-west-2"))
    assert client.get(PATH).reveal() == CANARY
    assert len(west.received) == 1


def test_when_all_are_behind_the_caller_is_told(client: Client, east: ScriptedRegion, west: ScriptedRegion) -> None:
    for region in (east, west):
        region.script = always(error(425, "replica_behind", retryable=True, writerRegion="us-east-1"))
    with pytest.raises(ReplicaBehind) as behind:
        client.get(PATH)
    assert behind.value.attempts


STATUS_OF = {
    "invalid_request": 400, "access_denied": 403, "not_found": 404, "conflict": 409, "stale_expectation": 409,
    "version_pending": 409, "not_writer": 409, "version_disabled": 410, "version_destroyed": 410,
    "version_expired": 410, "value_too_large": 413, "response_too_large": 413, "replica_behind": 425,
    "throttled": 429, "audit_unavailable": 500, "store_unavailable": 503, "kms_unavailable": 503,
    "region_fenced": 503,
}  # fmt: skip


@pytest.mark.parametrize("code", STATUS_OF)
def test_each_code_is_its_error(make_client: MakeClient, east: ScriptedRegion, clock: Clock, code: str) -> None:
    client = make_client(east, surroundings=clock.surroundings)
    east.script = always(error(STATUS_OF[code], code, message="why"))
    with pytest.raises(BY_CODE[code]) as caught:
        client.get(PATH)
    assert (caught.value.code, caught.value.request_id, caught.value.region) == (code, "req-9", "us-east-1")


def test_the_codes_are_all_of_the_interfaces() -> None:
    assert STATUS_OF.keys() <= BY_CODE.keys()


def test_one_deadline_holds_over_all_attempts(
    make_client: MakeClient, east: ScriptedRegion, west: ScriptedRegion
) -> None:
    for region in (east, west):
        region.script = always(Reply(hangs=True))
    client = make_client(east, west, deadline=timedelta(milliseconds=400))
    begun = datetime.now(UTC)
    with pytest.raises(Unavailable) as caught:
        client.get(PATH)
    assert datetime.now(UTC) - begun < timedelta(seconds=3)
    assert {attempt.region for attempt in caught.value.attempts} == {"us-east-1", "us-west-2"}


@pytest.mark.parametrize(
    "said", [{"path": "no-environment"}, {"path": PATH, "version": "v0"}, {"path": PATH, "min_token": "x"}]
)
def test_what_breaks_a_rule_is_not_sent(client: Client, east: ScriptedRegion, said: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        client.get(**said)
    assert east.received == []


def test_a_batch_has_each_path_once_in_the_callers_order(client: Client, east: ScriptedRegion) -> None:
    east.queue = [reply({"items": [item(PATH), {"secretPath": OTHER, "error": problem("not_found")}]})]
    batch = client.get_many([PATH, OTHER, PATH])
    assert list(batch.secrets) == [PATH]
    assert list(batch.errors) == [OTHER]
    assert batch[PATH].reveal() == CANARY
    with pytest.raises(NotFound):
        _ = batch[OTHER]
    with pytest.raises(NotFound):
        batch.require_all()
    with pytest.raises(KeyError):
        _ = batch["prod/not-asked-for"]


def test_a_batch_asks_for_what_is_not_in_memory(client: Client, east: ScriptedRegion) -> None:
    client.get(PATH)
    client.get_many([PATH, OTHER])
    assert [entry["secretPath"] for entry in east.received[-1].json["items"]] == [OTHER]
    client.get(OTHER)
    assert len(east.received) == 2


def test_more_than_fifty_go_in_several_requests(client: Client, east: ScriptedRegion) -> None:
    paths = [f"prod/path-{index}" for index in range(120)]
    batch = client.get_many(paths)
    assert list(batch.secrets) == paths
    assert [len(request.json["items"]) for request in east.received] == [50, 50, 20]


def test_what_one_region_cannot_give_the_next_is_asked_for(
    client: Client, east: ScriptedRegion, west: ScriptedRegion
) -> None:
    behind = problem("replica_behind", retryable=True, writerRegion="us-west-2")
    east.queue = [reply({"items": [item(PATH), {"secretPath": OTHER, "error": behind}]})]
    batch = client.get_many([PATH, OTHER])
    assert list(batch.secrets) == [PATH, OTHER]
    assert [entry["secretPath"] for entry in west.received[0].json["items"]] == [OTHER]


def test_what_does_not_fit_into_an_answer_is_asked_for_again(client: Client, east: ScriptedRegion) -> None:
    large = problem("response_too_large")
    east.queue = [reply({"items": [item(PATH), {"secretPath": OTHER, "error": large}]})]
    assert list(client.get_many([PATH, OTHER]).secrets) == [PATH, OTHER]
    east.script = always(reply({"items": [{"secretPath": "prod/x", "error": large}]}))
    assert isinstance(client.get_many(["prod/x"]).errors["prod/x"], ResponseTooLarge)


@pytest.mark.parametrize("items", [[], [item(OTHER)], [item(PATH), item(PATH)], [{"secretPath": PATH}], [7], None])
def test_a_short_or_mixed_up_batch_is_no_answer(
    client: Client, east: ScriptedRegion, west: ScriptedRegion, items: object
) -> None:
    """Never silently short: the next region is asked."""
    east.script = always(reply({"items": items}))
    assert client.get_many([PATH]).secrets[PATH].region == "us-west-2"
    assert len(west.received) == 1


def test_a_put_sends_what_was_said_under_a_key_of_its_own(client: Client, east: ScriptedRegion) -> None:
    stored = client.put(
        PATH,
        CANARY,
        expected_current=3,
        owner_team="payments",
        tags={"tier": "1"},
        expires_at=datetime(2030, 1, 1, tzinfo=UTC),
    )
    assert (stored.version_number, stored.path, stored.region) == (4, PATH, "us-east-1")
    client.put(PATH, b"\x00\x01", expected_current=None)
    client.put(PATH, Generate(length=20), expected_current=Expect.ANY)
    text, binary, drawn = east.received
    assert text.json == {
        "plaintextValue": CANARY,
        "expectedCurrent": 3,
        "ownerTeam": "payments",
        "tags": {"tier": "1"},
        "expiresAt": "2030-01-01T00:00:00Z",
    }
    assert binary.json == {"plaintextBase64": "AAE=", "expectedCurrent": None}
    assert drawn.json == {"generate": {"length": 20}}
    keys = {request.headers["idempotency-key"] for request in east.received}
    assert len(keys) == 3


def test_a_read_after_a_put_sees_it(client: Client, east: ScriptedRegion) -> None:
    """What was remembered is forgotten, and an older state is not accepted."""
    client.get(PATH)
    client.put(PATH, "another")
    east.script = lambda request: value(request, consistencyToken="1.8")
    client.get(PATH)
    assert east.received[-1].target.endswith("?minToken=1.8")


def test_a_put_whose_answer_is_lost_is_repeated_with_its_key(client: Client, east: ScriptedRegion) -> None:
    east.queue = [Reply(raw=b"")]
    client.put(PATH, CANARY)
    assert len({request.headers["idempotency-key"] for request in east.received}) == 1
    assert len(east.received) == 2


def test_a_put_goes_to_the_region_that_writes(client: Client, east: ScriptedRegion, west: ScriptedRegion) -> None:
    east.script = always(error(409, "not_writer", writerRegion="us-west-2"))
    assert client.put(PATH, CANARY).region == "us-west-2"
    client.put(PATH, CANARY)
    assert (len(east.received), len(west.received)) == (1, 2)


def test_a_put_that_was_overtaken_is_told(client: Client, east: ScriptedRegion) -> None:
    east.script = always(error(409, "stale_expectation", currentVersion=5))
    with pytest.raises(StaleExpectation) as stale:
        client.put(PATH, CANARY, expected_current=3)
    assert stale.value.details["currentVersion"] == 5


def test_a_put_that_may_have_been_done_names_its_key(
    client: Client, east: ScriptedRegion, west: ScriptedRegion
) -> None:
    for region in (east, west):
        region.script = always(error(503, "store_unavailable", retryable=True))
    with pytest.raises(Unavailable) as unknown:
        client.put(PATH, CANARY, idempotency_key="key-of-this-call")
    assert unknown.value.details["idempotencyKey"] == "key-of-this-call"


def test_a_repeated_put_of_a_version_that_was_destroyed_since(client: Client, east: ScriptedRegion) -> None:
    east.script = lambda request: value(request, sha256Fingerprint=None)
    assert client.put(PATH, CANARY).fingerprint is None


def test_a_value_that_comes_back_in_an_error_is_not_repeated(client: Client, east: ScriptedRegion) -> None:
    east.script = always(error(400, "invalid_request", message=f"bad {CANARY}"))
    with pytest.raises(InvalidRequest) as caught:
        client.put(PATH, CANARY)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value.details)


@pytest.mark.parametrize("wrong", ["", "x" * 65_537, "\ud800", b"", 7, None])
def test_a_value_that_breaks_a_rule_is_not_sent(client: Client, east: ScriptedRegion, wrong: Any) -> None:
    with pytest.raises((InvalidRequest, ValueTooLarge)):
        client.put(PATH, wrong)
    assert east.received == []


def test_a_closed_client_is_of_no_use(client: Client) -> None:
    client.get(PATH)
    client.close()
    client.close()
    for call in (lambda: client.get(OTHER), lambda: client.get_many([PATH]), lambda: client.put(PATH, "x")):
        with pytest.raises(ClientClosed):
            call()


@pytest.mark.parametrize("options", [{"deadline": timedelta(0)}, {"cache_ttl": timedelta(-1)}, {"cache_entries": -1}])
def test_options_that_make_no_sense(make_client: MakeClient, east: ScriptedRegion, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        make_client(east, **options)


def test_a_tenant_is_named_in_each_request(make_client: MakeClient, east: ScriptedRegion) -> None:
    client = make_client(east, tenant="mine")
    client.get(PATH)
    client.get_many([OTHER])
    client.put(PATH, "x")
    assert {request.headers["x-strongroom-tenant"] for request in east.received} == {"mine"}


def test_the_request_of_a_scripted_region_is_whole(east: ScriptedRegion, client: Client) -> None:
    """The signature covers what was sent: no request goes out without its body's hash."""
    client.get_many([PATH])
    request: Received = east.received[0]
    assert request.headers["x-amz-date"]
    assert "host" in request.headers["authorization"]
