"""A region of a deployment, and the rules of its endpoint."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from .errors import ConfigurationError

_NAME: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region that a client may ask.

    Attributes:
        name: the AWS region, as in `eu-west-1`; requests to its endpoint are signed for it.
        endpoint: URL of the API with its stage, as in
            `https://abc123.execute-api.eu-west-1.amazonaws.com/v1`. Plain HTTP is taken for loopback only.
        host_header: sent and signed as `Host` instead of the endpoint's host; for VPC endpoints and tunnels.
        writer: whether writes are tried here first. Reads follow the order of the regions. Without any such
            region the first one is taken; the server corrects a wrong guess.
    """

    name: str
    endpoint: str
    host_header: str | None = None
    writer: bool = False
    base_path: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError("a region's name must be an AWS region, as in eu-west-1")
        if self.host_header is not None and not _HOST.fullmatch(self.host_header):
            raise ConfigurationError(f"the host header of region {self.name} is not a host name")
        object.__setattr__(self, "endpoint", self.endpoint.rstrip("/"))
        object.__setattr__(self, "base_path", self._checked_path())

    def _checked_path(self) -> str:
        try:
            parts = urlsplit(self.endpoint)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        # The endpoint is not repeated in messages: a URL with a user's password in it ends here.
        if not host or parts.username is not None or parts.query or parts.fragment:
            raise ConfigurationError(
                f"the endpoint of region {self.name} must be a URL of a scheme, host and path only"
            )
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
            raise ConfigurationError(f"the endpoint of region {self.name} must be https; http is for loopback only")
        if not _PATH.fullmatch(parts.path):
            raise ConfigurationError(f"the endpoint of region {self.name} has a path that would need encoding")
        return parts.path


def _is_loopback(host: str) -> bool:
    # Names below `localhost` never leave the machine (RFC 6761, section 6.3).
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
