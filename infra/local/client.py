"""`LocalCloud`: what tests, demo and bench hold in hand of a running local cloud."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict, Unpack

from botocore.session import Session

from infra.local.aws import AwsClient, client
from infra.local.errors import LocalCloudError
from infra.local.files import read_json
from infra.local.knobs import ControlEndpoint, Faults, Replication
from infra.local.paths import LocalPaths
from infra.local.requests import Answer, Call, Identity, Region, Requester

_REQUEST_TIMEOUT = timedelta(seconds=30)  # the API's own limit is 29 s


class Content(TypedDict, total=False):
    """What a request carries, as in `Call`."""

    json: object
    body: bytes
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What `make up` wrote of a cloud."""

    stage: str
    account: str
    regions: tuple[Region, ...]
    identities: Mapping[str, Identity]
    aws_endpoint: str
    """Where AWS calls go: through the fault proxy, as the functions' own do."""
    direct_endpoint: str
    """The emulator itself, past the proxy: for setting up and looking, also while a region is cut off."""
    proxy_control: str
    admin: Identity

    @classmethod
    def read(cls, path: Path) -> "Description":
        """Read `cloud.json`; raises `LocalCloudError` when there is none."""
        value = read_json(path)
        if value is None:
            raise LocalCloudError(f"no local cloud is described in {path}; `make up` starts one")
        aws = value["aws"]
        return cls(
            stage=value["stage"],
            account=value["account"],
            regions=tuple(Region(r["name"], r["role"], r["endpoint"], r["hostHeader"]) for r in value["regions"]),
            identities={name: Identity.from_json(entry) for name, entry in value["identities"].items()},
            aws_endpoint=aws["endpoint"],
            direct_endpoint=aws["directEndpoint"],
            proxy_control=value["proxy"]["control"],
            admin=Identity(aws["adminAccessKeyId"], aws["adminSecretAccessKey"], "", ""),
        )


class LocalCloud:
    """A running local cloud: requests by identity and region, faults, replication, and AWS clients."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.identities = description.identities
        self._proxy = ControlEndpoint(description.proxy_control)
        self._extensions = ControlEndpoint(f"{description.direct_endpoint}/_strongroom")
        self._requester = Requester(timeout=_REQUEST_TIMEOUT)
        self._session = Session()
        self.faults = Faults(self._proxy)
        self.replication = Replication(self._extensions)

    @classmethod
    def open(cls, paths: LocalPaths | None = None) -> "LocalCloud":
        """The cloud that `make up` started, or that of another state directory."""
        return cls(Description.read((paths or LocalPaths.default()).cloud))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; the cloud goes on."""
        self._requester.close()
        self._proxy.close()
        self._extensions.close()

    @property
    def writer(self) -> Region:
        """The region that may write."""
        return next(region for region in self.description.regions if region.role == "writer")

    @property
    def replica(self) -> Region:
        """The first region that only reads."""
        return next(region for region in self.description.regions if region.role == "replica")

    def region(self, name: str) -> Region:
        """A region by its name."""
        return next(region for region in self.description.regions if region.name == name)

    def identity(self, name: str) -> Identity:
        """An identity by its name: owner, reader, auditor, stranger or outsider."""
        return self.identities[name]

    def request(
        self,
        method: str,
        path: str,
        *,
        identity: str | Identity | None = "owner",
        region: Region | str | None = None,
        tampered_body: bytes | None = None,
        signed_region: str | None = None,
        **content: Unpack[Content],
    ) -> Answer:
        """Make one request to a region's API, the writer's unless one is given; `identity=None` sends it unsigned.

        `content` is that of `Call`: json, body, query, headers. Raises urllib3's errors when no answer comes.
        """
        where = self.region(region) if isinstance(region, str) else region or self.writer
        who = self.identities[identity] if isinstance(identity, str) else identity
        call = Call(method=method, path=path, **content)
        return self._requester.send(where, call, identity=who, tampered_body=tampered_body, signed_region=signed_region)

    def session_of_role(self, role: str, *, valid: timedelta = timedelta(hours=1)) -> Identity:
        """Credentials of any role, a function's too; ended already when `valid` is negative."""
        wanted = {"role": role, "validSeconds": valid.total_seconds()}
        return Identity.from_json(self._extensions.call("POST", "/sessions", wanted))

    def role_of_function(self, function: str, region: str) -> str:
        """The name of a function's role: reader, admin, seeder."""
        return f"strongroom-{self.description.stage}-{region}-{function}"

    def end_environments(self) -> None:
        """End every function's processes: what they knew is forgotten, and the next requests start cold."""
        self._extensions.call("DELETE", "/environments")

    def drain_audit(self, region: str) -> dict[str, object]:
        """Run a region's drain now instead of within the minute; what it says it did."""
        answer = self.aws("lambda", region).invoke(FunctionName=f"strongroom-{self.description.stage}-drain:live")
        found: dict[str, object] = json.loads(answer["Payload"].read())
        return found

    def seal_audit(self, region: str) -> dict[str, object]:
        """Seal a region's archive now instead of within the hour; what the function says it did."""
        answer = self.aws("lambda", region).invoke(FunctionName=f"strongroom-{self.description.stage}-digests:live")
        found: dict[str, object] = json.loads(answer["Payload"].read())
        return found

    def archive(self, region: str) -> str:
        """The bucket of a region's audit archive."""
        return f"strongroom-{self.description.stage}-audit-{self.description.account}-{region}"

    def tend_grants(self, region: str) -> dict[str, object]:
        """Run a region's worker of grants now instead of within the minute; what it says it did."""
        answer = self.aws("lambda", region).invoke(FunctionName=f"strongroom-{self.description.stage}-grants:live")
        found: dict[str, object] = json.loads(answer["Payload"].read())
        return found

    def aws(
        self, service: str, region: str, *, identity: Identity | None = None, through_proxy: bool = False
    ) -> AwsClient:
        """A botocore client of one service: the administrator's, past the proxy, unless told otherwise."""
        endpoint = self.description.aws_endpoint if through_proxy else self.description.direct_endpoint
        return client(self._session, service, region, endpoint=endpoint, identity=identity or self.description.admin)

    def reset(self) -> None:
        """End every fault and let all replication arrive."""
        self.faults.clear()
        self.replication.reset()
