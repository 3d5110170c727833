"""Requests are signed over body, query, host and session token, for the region that they go to."""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import CredentialRetrievalError

from strongroom import Client, CredentialsError, Region
from tests.unit.sdk.scripted_region import CREDENTIALS, PATH, Clock, Received, ScriptedRegion, refusing_region


def signature_of(request: Received, *, endpoint: str, region: str, body: bytes | None = None) -> str:
    """The signature that a server computes from what arrived."""
    authorization = request.headers["authorization"]
    names = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    headers = {name: request.headers[name] for name in names}
    content = request.body if body is None else body
    received = AWSRequest(method=request.method, url=endpoint + request.target, data=content, headers=headers)
    received.context["timestamp"] = request.headers["x-amz-date"]
    keys = ReadOnlyCredentials(CREDENTIALS.access_key, CREDENTIALS.secret_key, CREDENTIALS.token)
    signer = SigV4Auth(keys, "execute-api", region)
    return signer.signature(signer.string_to_sign(received, signer.canonical_request(received)), received)


def sent_signature(request: Received) -> str:
    return request.headers["authorization"].rpartition("Signature=")[2]


def host_of(region: ScriptedRegion) -> str:
    return region.region.endpoint.removesuffix("/v1")


def test_a_read_is_signed_for_its_region(east: ScriptedRegion, make_client: Callable[..., Client]) -> None:
    """The server comes to the same signature, which covers host, date and session token."""
    make_client(east).get(PATH, version="v3", min_token="1.2")
    request = east.received[0]
    assert request.target == f"/v1/values/{PATH}?minToken=1.2&version=v3"
    assert sent_signature(request) == signature_of(request, endpoint=host_of(east), region="us-east-1")
    assert "/us-east-1/execute-api/aws4_request" in request.headers["authorization"]
    assert "SignedHeaders=accept;host;x-amz-date;x-amz-security-token" in request.headers["authorization"]
    assert sent_signature(request) != signature_of(request, endpoint=host_of(east), region="us-west-2")


def test_a_write_is_signed_over_its_body_and_key(east: ScriptedRegion, make_client: Callable[..., Client]) -> None:
    """Another body does not fit the signature; the idempotency key and the tenant are covered too."""
    make_client(east, tenant="blue").put(PATH, "käse-💚")
    request = east.received[0]
    assert sent_signature(request) == signature_of(request, endpoint=host_of(east), region="us-east-1")
    tampered = request.body.replace(b"k", b"q")
    assert sent_signature(request) != signature_of(request, endpoint=host_of(east), region="us-east-1", body=tampered)
    assert (
        "content-type;host;idempotency-key;x-amz-date;x-amz-security-token;x-strongroom-tenant"
        in (request.headers["authorization"])
    )
    assert request.headers["x-strongroom-tenant"] == "blue"


def test_each_region_gets_its_own_signature(west: ScriptedRegion, make_client: Callable[..., Client]) -> None:
    """A request that fails over is signed anew."""
    with refusing_region("us-east-1") as dead:
        make_client(dead, west).get(PATH)
    assert sent_signature(west.received[0]) == signature_of(
        west.received[0], endpoint=host_of(west), region="us-west-2"
    )


def test_a_host_header_is_sent_and_signed(east: ScriptedRegion, make_client: Callable[..., Client]) -> None:
    """Tunnels and VPC endpoints are reached by one name and asked for another."""
    region = Region(name="us-east-1", endpoint=east.region.endpoint, host_header="abc.execute-api.localhost")
    make_client(region).get(PATH)
    request = east.received[0]
    assert request.headers["host"] == "abc.execute-api.localhost"
    assert sent_signature(request) == signature_of(
        request, endpoint="http://abc.execute-api.localhost", region="us-east-1"
    )


def test_the_debug_log_holds_no_credentials(
    east: ScriptedRegion, make_client: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    """Botocore's signer would print the session token at level DEBUG."""
    caplog.set_level(logging.DEBUG)
    make_client(east).get(PATH)
    make_client(east).put(PATH, "canary-put")
    assert caplog.records
    assert "canary" not in caplog.text


class Refreshing:
    """Credentials that change between requests, as refreshable ones do."""

    def __init__(self) -> None:
        self.turn = 0

    def get_frozen_credentials(self) -> Any:
        self.turn += 1
        return SimpleNamespace(access_key=f"AK{self.turn}", secret_key="sk", token=None)


def test_credentials_are_taken_anew_for_each_request(east: ScriptedRegion, make_client: Callable[..., Client]) -> None:
    """What refreshes itself is never held."""
    client = make_client(east, credentials=Refreshing())
    client.get(PATH)
    client.get("prod/other")
    used = [request.headers["authorization"].split("Credential=")[1].split("/")[0] for request in east.received]
    assert used == ["AK1", "AK2"]
    assert "x-amz-security-token" not in east.received[0].headers


class Chain:
    """A session whose chain finds what a test says."""

    def __init__(self, found: Any) -> None:
        self.found = found
        self.asked = 0

    def get_credentials(self) -> Any:
        self.asked += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_a_session_is_asked_once(east: ScriptedRegion, make_client: Callable[..., Client]) -> None:
    """The chain is walked for the first request only."""
    chain = Chain(Credentials("AK", "sk"))
    client = make_client(east, credentials=None, session=chain)
    assert chain.asked == 0
    client.get(PATH)
    client.get("prod/other")
    assert chain.asked == 1


@pytest.mark.parametrize(
    "found", [None, Credentials("", ""), CredentialRetrievalError(provider="x", error_msg="canary")]
)
def test_missing_credentials_are_a_typed_error(
    found: object, east: ScriptedRegion, make_client: Callable[..., Client], clock: Clock
) -> None:
    """No region is blamed, and what the chain's error quotes is not repeated."""
    client = make_client(east, credentials=None, session=Chain(found), surroundings=clock.surroundings)
    for _ in range(3):
        with pytest.raises(CredentialsError) as caught:
            client.get(PATH)
        assert "canary" not in str(caught.value)
        assert caught.value.__context__ is None
    with pytest.raises(CredentialsError):
        client.get_many([PATH])
    assert east.received == []
    assert clock.pauses == []
