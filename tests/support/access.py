"""Access sets in memory, decided by Cedar as they are in production."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from strongroom_service.adapters.access_control import CedarAccess
from strongroom_service.domain.access import Caller, Principal
from strongroom_service.domain.access_set import AccessPointer, AccessSet
from strongroom_service.domain.errors import RegionFenced
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases.ports import ChangeLost, GrantChange, Metric
from tests.support.auditing import FakeMeasurements
from tests.support.deployment import CALLER, Deployment
from tests.support.fakes import Failures

ACCOUNT = CALLER.principal.account
ADMINISTRATOR = f"iam:arn:aws:iam::{ACCOUNT}:role/administrator"
AUDITOR = f"iam:arn:aws:iam::{ACCOUNT}:role/auditor"
APP = CALLER.principal.id
OTHER = f"iam:arn:aws:iam::{ACCOUNT}:role/other"
INITIAL = (
    RoleBinding(role=Role.ADMINISTRATOR, principal=ADMINISTRATOR),
    RoleBinding(role=Role.AUDITOR, principal=AUDITOR),
    RoleBinding(role=Role.READER, principal=APP, environment="prod", prefix="payments"),
)


def caller(principal: str, *, request_id: str = "request-1", tenant: str = "default") -> Caller:
    return Caller(Principal(principal, ACCOUNT, "session"), tenant, request_id, "192.0.2.1", "test")


@dataclass
class FakeAccessItems:
    """Stored access sets: the semantics that the adapter's port promises, and failures on demand."""

    failures: Failures = field(default_factory=Failures)
    pointers: dict[str, AccessPointer] = field(default_factory=dict)
    documents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    epoch: int = 1
    lost: int = 0
    """Changes that another one will come before."""

    def pointer(self, tenant: str) -> AccessPointer | None:
        self.failures.check("access.pointer")
        return self.pointers.get(tenant)

    def document(self, tenant: str, pointer: AccessPointer) -> bytes | None:
        self.failures.check("access.document")
        return self.documents.get((tenant, pointer.digest))

    def replace(
        self,
        tenant: str,
        before: AccessPointer | None,
        after: AccessPointer,
        document: bytes,
        *,
        epoch: int,
        grants: Sequence[GrantChange] = (),
    ) -> None:
        assert not grants, "grants are stored in a table: break_glass_fakes has it"
        self.failures.check("access.replace")
        if epoch != self.epoch:
            raise RegionFenced
        if self.lost or self.pointers.get(tenant) != before:
            self.lost = max(0, self.lost - 1)
            raise ChangeLost
        self.documents[tenant, after.digest] = document
        self.pointers[tenant] = after

    def put(self, access_set: AccessSet, *, epoch: int = 1) -> AccessPointer:
        """Put a set in force past all rules."""
        pointer = AccessPointer.to(access_set, epoch=epoch)
        self.documents[access_set.tenant, pointer.digest] = access_set.encode()
        self.pointers[access_set.tenant] = pointer
        return pointer


class Governed(Deployment):
    """A deployment whose access is decided by stored sets."""

    def __init__(self, bindings: Sequence[RoleBinding] = INITIAL) -> None:
        super().__init__()
        self.items = FakeAccessItems(self.failures)
        self.index.log = self.audit
        self.measurements = FakeMeasurements()
        self.access: CedarAccess = CedarAccess(
            items=self.items, initial={"default": bindings}, measurements=self.measurements
        )

    def in_force(self) -> AccessSet:
        return self.access.load("default")[1]

    @property
    def rung(self) -> int:
        return self.measurements.counts[Metric.ACCESS_BROKEN]
