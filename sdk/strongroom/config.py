"""Where a client's regions and identity come from: arguments, the environment, a file; in that order.

STRONGROOM_REGIONS: ordered, comma-separated `name=endpoint` pairs; beside a file also bare names, which pick and
    order the file's regions.
STRONGROOM_CONFIG: path of a JSON file, `{"regions": [{"name", "endpoint", "role"?, "hostHeader"?}], "identities"?}`.
STRONGROOM_IDENTITY: name of an entry of the file's `identities`, whose credentials are used.
STRONGROOM_TENANT: the tenant to name in requests, for principals of several tenants.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .credentials import StaticCredentials
from .errors import ConfigurationError
from .regions import Region

REGIONS_VARIABLE: Final = "STRONGROOM_REGIONS"
CONFIG_VARIABLE: Final = "STRONGROOM_CONFIG"
IDENTITY_VARIABLE: Final = "STRONGROOM_IDENTITY"
TENANT_VARIABLE: Final = "STRONGROOM_TENANT"

_MAX_FILE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What a client needs to know of a deployment: its regions and, rarely, fixed credentials."""

    regions: tuple[Region, ...]
    credentials: StaticCredentials | None = None
    tenant: str | None = None


def find_deployment(
    *,
    regions: Sequence[Region] | None,
    config_file: str | Path | None,
    identity: str | None,
    tenant: str | None,
    environment: Mapping[str, str],
) -> Deployment:
    """Settle regions, identity and tenant: an argument wins over its variable, explicit regions over a file.

    Raises:
        ConfigurationError: no region is named, one is named twice, or the file is not as it must be.
    """
    named = environment.get(REGIONS_VARIABLE, "").strip()
    path = config_file or environment.get(CONFIG_VARIABLE) or None
    identity = identity or environment.get(IDENTITY_VARIABLE) or None
    content = _read(Path(path)) if path is not None else {}
    if regions is not None:
        chosen = tuple(regions)
    elif config_file is not None or not named:
        chosen = _regions_of(content)
    else:
        chosen = _named_regions(named, _regions_of(content))
    if not chosen:
        raise ConfigurationError(f"no region is configured: give regions, {REGIONS_VARIABLE} or {CONFIG_VARIABLE}")
    if len({region.name for region in chosen}) < len(chosen):
        raise ConfigurationError("a region is configured twice")
    return Deployment(
        regions=chosen,
        credentials=_credentials_of(content, identity) if identity else None,
        tenant=tenant or environment.get(TENANT_VARIABLE) or None,
    )


def _named_regions(text: str, known: Sequence[Region]) -> tuple[Region, ...]:
    by_name = {region.name: region for region in known}
    chosen = []
    for entry in text.split(","):
        name, equals, endpoint = entry.strip().partition("=")
        if equals:
            chosen.append(Region(name=name.strip(), endpoint=endpoint.strip()))
        elif name in by_name:
            chosen.append(by_name[name])
        else:
            raise ConfigurationError(f"{REGIONS_VARIABLE} names a region without endpoint that no file describes")
    return tuple(chosen)


def _read(path: Path) -> Mapping[str, object]:
    content: object = None
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_MAX_FILE_BYTES))
    except OSError as error:
        raise ConfigurationError(f"the configuration file {path} cannot be read: {error.strerror}") from None
    except ValueError:
        pass  # The error carries the file's text, credentials included: it must not become anyone's context.
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"the configuration file {path} is not a JSON object")
    return content


def _regions_of(content: Mapping[str, object]) -> tuple[Region, ...]:
    listed = content.get("regions", [])
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise ConfigurationError("regions of the configuration file must be a list")
    return tuple(_region(entry) for entry in listed)


def _region(entry: object) -> Region:
    if not isinstance(entry, Mapping):
        raise ConfigurationError("each region of the configuration file must be an object")
    name, endpoint, host = entry.get("name"), entry.get("endpoint"), entry.get("hostHeader")
    if not isinstance(name, str) or not isinstance(endpoint, str) or not isinstance(host, str | None):
        raise ConfigurationError("each region of the configuration file needs a name and an endpoint, as text")
    return Region(name=name, endpoint=endpoint, host_header=host, writer=entry.get("role") == "writer")


def _credentials_of(content: Mapping[str, object], identity: str) -> StaticCredentials:
    identities = content.get("identities")
    entry = identities.get(identity) if isinstance(identities, Mapping) else None
    if not isinstance(entry, Mapping):
        raise ConfigurationError("the configuration file has no such identity")
    access, secret, token = (entry.get(key) for key in ("accessKeyId", "secretAccessKey", "sessionToken"))
    if not isinstance(access, str) or not isinstance(secret, str) or not isinstance(token, str | None):
        raise ConfigurationError("an identity needs accessKeyId and secretAccessKey, as text")
    return StaticCredentials(access_key=access, secret_key=secret, token=token or None)
