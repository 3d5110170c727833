"""The read path's signer makes the signatures that botocore makes."""

import re
from datetime import UTC, datetime, timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from strongroom_service.adapters.sigv4 import FrozenCredentials, Signer

HOST = "dynamodb.us-east-1.amazonaws.com"
NOW = datetime(2026, 6, 6, 14, 30, tzinfo=UTC)
HEADERS = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.GetItem"}


def botocore_authorization(body: bytes, headers: dict[str, str], credentials: FrozenCredentials, now: datetime) -> str:
    request = AWSRequest("POST", f"https://{HOST}/", headers=headers, data=body)
    signer = SigV4Auth(Credentials(*credentials), "dynamodb", "us-east-1")
    timestamp = now.strftime("%Y%m%dT%H%M%SZ")
    request.context["timestamp"] = timestamp
    request.headers["X-Amz-Date"] = timestamp
    if credentials.token:
        request.headers["X-Amz-Security-Token"] = credentials.token
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    signed = signer.signed_headers(signer.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, Signature={signature}"


@given(
    body=st.binary(max_size=200),
    target=st.from_regex(r"[A-Za-z]{1,12}_[0-9]{8}\.[A-Za-z]{1,12}", fullmatch=True),
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=40),
    token=st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60),
    seconds=st.integers(0, 10**8),
)
def test_signs_as_botocore_does(body: bytes, target: str, secret: str, token: str | None, seconds: int) -> None:
    """For any body, operation, credentials and time the authorization is the same, letter by letter."""
    credentials = FrozenCredentials("AKIAIOSFODNN7EXAMPLE", secret, token)
    headers = {**HEADERS, "x-amz-target": target}
    now = NOW + timedelta(seconds=seconds)
    signer = Signer(service="dynamodb", region="us-east-1", host=HOST)
    signed = signer.sign(body, headers, credentials=credentials, now=now)
    assert signed["authorization"] == botocore_authorization(body, headers, credentials, now)


def test_renews_its_key_with_the_day_and_with_the_credentials() -> None:
    """One signer goes on signing rightly over midnight and when credentials are refreshed."""
    signer = Signer(service="dynamodb", region="us-east-1", host=HOST)
    first = FrozenCredentials("AKIAIOSFODNN7EXAMPLE", "first-secret", None)
    second = FrozenCredentials("AKIAIOSFODNN7EXAMPLE", "second-secret", None)
    for credentials, now in [(first, NOW), (first, NOW + timedelta(days=1)), (second, NOW), (first, NOW)]:
        signed = signer.sign(b"{}", HEADERS, credentials=credentials, now=now)
        assert signed["authorization"] == botocore_authorization(b"{}", HEADERS, credentials, now)


def test_sends_the_session_token_signed() -> None:
    """A session token travels as a header, and the signature covers it."""
    signer = Signer(service="kms", region="us-east-1", host=HOST)
    signed = signer.sign(b"{}", HEADERS, credentials=FrozenCredentials("AKIA", "s", "token"), now=NOW)
    assert signed["x-amz-security-token"] == "token"
    names = re.search(r"SignedHeaders=([^,]+)", signed["authorization"])
    assert names is not None
    assert names[1] == "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
