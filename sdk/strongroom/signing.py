"""Requests as API Gateway wants them: SigV4 for `execute-api`, over body, headers and session token."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Final
from urllib.parse import urlencode

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import get_current_datetime
from botocore.credentials import ReadOnlyCredentials

from .credentials import FrozenCredentials
from .regions import Region

_SERVICE: Final = "execute-api"


def _user_agent() -> str:
    try:
        return f"strongroom-python/{version('strongroom')}"
    except PackageNotFoundError:  # run from a checkout
        return "strongroom-python"


_USER_AGENT: Final = _user_agent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request before a region is chosen. `path` needs no encoding (see `paths.py`); `body` is in no text form."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request to send as it is. Headers (they hold the session token) and body are in no text form."""

    region: Region
    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def json_body(content: object) -> bytes:
    """A JSON body. Text that is not valid Unicode must have been refused before."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def sign(call: Call, *, region: Region, credentials: FrozenCredentials) -> SignedRequest:
    """Sign a call for one region, body included."""
    # Sorted by key: clients and gateways disagree on the canonical form of unsorted queries.
    query = urlencode(sorted(call.query.items()))
    target = f"{call.path}{'?' if query else ''}{query}"
    headers = {"Accept": "application/json", "User-Agent": _USER_AGENT, **call.headers}
    if call.body:
        headers["Content-Type"] = "application/json"
    if region.host_header:
        headers["Host"] = region.host_header
    request = AWSRequest(method=call.method, url=f"{region.endpoint}{target}", data=call.body, headers=headers)
    _authorise(request, region=region, credentials=credentials)
    return SignedRequest(
        region=region,
        method=call.method,
        target=f"{region.base_path}{target}",
        headers=dict(request.headers.items()),
        body=call.body,
    )


def _authorise(request: AWSRequest, *, region: Region, credentials: FrozenCredentials) -> None:
    """The steps of `SigV4Auth.add_auth`, which itself prints the session token into the debug log."""
    keys = ReadOnlyCredentials(credentials.access_key, credentials.secret_key, credentials.token)
    signer = SigV4Auth(keys, _SERVICE, region.name)
    timestamp = get_current_datetime().strftime(SIGV4_TIMESTAMP)
    request.context["timestamp"] = timestamp
    request.headers["X-Amz-Date"] = timestamp
    if keys.token:
        request.headers["X-Amz-Security-Token"] = keys.token
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    request.headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={names}, Signature={signature}"
    )
