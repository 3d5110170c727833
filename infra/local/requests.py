"""Signed, unsigned and tampered requests to the local cloud's APIs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SERVICE = "execute-api"


@dataclass(frozen=True, slots=True)
class Identity:
    """Temporary credentials of one role."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    arn: str

    def as_json(self) -> dict[str, str]:
        """The identity as the state file keeps it."""
        return {
            "accessKeyId": self.access_key_id,
            "secretAccessKey": self.secret_access_key,
            "sessionToken": self.session_token,
            "arn": self.arn,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, str]) -> "Identity":
        """The identity from the state file."""
        return cls(value["accessKeyId"], value["secretAccessKey"], value["sessionToken"], value["arn"])


@dataclass(frozen=True, slots=True)
class Region:
    """One region's API."""

    name: str
    role: str
    """`writer` or `replica`."""
    endpoint: str
    """With the stage, without a slash at the end."""
    host_header: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; header names are in lower case. The body may hold a secret, so it is left out of the repr."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:  # noqa: ANN401 - JSON has any shape
        """The body's value."""
        return json.loads(self.body)

    @property
    def error_code(self) -> str | None:
        """The code of an error body, None when the body is no error."""
        try:
            value = self.json()
        except ValueError:
            return None
        error = value.get("error") if isinstance(value, dict) else None
        return str(error.get("code")) if isinstance(error, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to make. `json` sets the body and its content type; `body` sends bytes as they are."""

    method: str
    path: str
    """Below the stage, percent-encoded where it must be: `/values/prod/payments/db-password`."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object = None
    body: bytes | None = field(default=None, repr=False)

    def content(self) -> bytes:
        """The body's bytes."""
        if self.body is not None:
            return self.body
        return b"" if self.json is None else json.dumps(self.json).encode()


class Requester:
    """Sends calls, one attempt each: tests count on nothing being repeated."""

    def __init__(self, *, timeout: timedelta) -> None:
        self._pool = urllib3.PoolManager(
            maxsize=32, retries=False, timeout=urllib3.Timeout(total=timeout.total_seconds())
        )

    def send(
        self,
        region: Region,
        call: Call,
        *,
        identity: Identity | None,
        tampered_body: bytes | None = None,
        signed_region: str | None = None,
    ) -> Answer:
        """Send a call to a region, signed by an identity or not at all.

        `tampered_body` is what is sent instead of the body that was signed; `signed_region` signs for another region.
        """
        url, headers, content = sign(region, call, identity=identity, signed_region=signed_region)
        body = content if tampered_body is None else tampered_body
        response = self._pool.request(call.method, url, body=body or None, headers=headers, redirect=False)
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, response.data)

    def close(self) -> None:
        """Close every connection."""
        self._pool.clear()


def sign(
    region: Region, call: Call, *, identity: Identity | None, signed_region: str | None = None
) -> tuple[str, dict[str, str], bytes]:
    """The URL, headers and body of a call, signed by SigV4 when an identity is given."""
    query = "&".join(f"{quote(key, safe='-_.~')}={quote(call.query[key], safe='-_.~')}" for key in sorted(call.query))
    url = region.endpoint + call.path + (f"?{query}" if query else "")
    content = call.content()
    headers = dict(call.headers)
    if call.json is not None:
        headers.setdefault("content-type", "application/json")
    if region.host_header:
        headers["host"] = region.host_header
    if identity is None:
        return url, headers, content
    request = AWSRequest(method=call.method, url=url, data=content, headers=headers)
    credentials = Credentials(identity.access_key_id, identity.secret_access_key, identity.session_token)
    SigV4Auth(credentials, SERVICE, signed_region or region.name).add_auth(request)
    return url, dict(request.headers.items()), content
