"""A deployment in an emergency: two regions, the real policies, one who asks for a grant and two who approve it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from strongroom_service.adapters.access_control import CedarAccess
from strongroom_service.domain.access import Caller, Principal
from strongroom_service.domain.access_set import AccessSet
from strongroom_service.domain.audit import AuditEvent
from strongroom_service.domain.break_glass import BreakGlass
from strongroom_service.domain.grants import GrantScope
from strongroom_service.domain.names import SecretName, Selector
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases import break_glass, see_grants
from strongroom_service.usecases.ports import AuditIndex, ReadPorts, WritePorts
from strongroom_service.usecases.read_values import ReadItem, ReadValue, read_value
from strongroom_service.usecases.tend_grants import Tended, tend_grants
from tests.support.auditing import FakeMeasurements
from tests.support.break_glass_fakes import FakeAccessItems, FakeGrants, FakeIndex, HeadsAndAccess
from tests.support.deployment import CALLER, NAME, REPLICA, WRITER, Deployment
from tests.support.fakes import FakeTable

TENANT = "default"


def who(name: str, *, session: str = "session", tenant: str = TENANT) -> Caller:
    principal = Principal(f"iam:arn:aws:iam::111122223333:role/{name}", "111122223333", session)
    return replace(CALLER, principal=principal, tenant=tenant)


RESPONDER, APPROVER, APPROVER2, STRANGER = who("responder"), who("approver"), who("approver2"), who("stranger")
LOCAL_RESPONDER = who("local-responder")
ROLES = {
    CALLER: (Role.OWNER, ""),
    RESPONDER: (Role.RESPONDER, ""),
    APPROVER: (Role.APPROVER, ""),
    APPROVER2: (Role.SECURITY, ""),
    LOCAL_RESPONDER: (Role.RESPONDER, "other"),
    who("local-approver"): (Role.APPROVER, "other"),
}
LOCAL_APPROVER = who("local-approver")
BINDINGS = [
    RoleBinding(role=role, principal=caller.principal.id, environment="prod" if prefix else None, prefix=prefix)
    for caller, (role, prefix) in ROLES.items()
]
BOTH = RoleBinding(role=Role.RESPONDER, principal=APPROVER.principal.id)
"""Who approves may ask as well: their own requests they still may not approve."""
SCOPE = GrantScope(environment="prod", path=NAME.path)


@dataclass
class Emergency:
    """The calls that tests make."""

    approvals: int = 1
    deployment: Deployment = field(default_factory=Deployment)

    def __post_init__(self) -> None:
        self.clock = self.deployment.clock
        self.failures = self.deployment.failures
        self.measurements = FakeMeasurements()
        self._access: dict[str, CedarAccess] = {}

    @property
    def events(self) -> list[AuditEvent]:
        return self.deployment.audit.events

    def access(self, region: str = WRITER) -> CedarAccess:
        """The policies in a region; kept, as a function keeps them."""
        if region not in self._access:
            initial = {TENANT: [*BINDINGS, BOTH], "other": BINDINGS}
            items = FakeAccessItems(self._table(region), self.failures)
            self._access[region] = CedarAccess(items=items, initial=initial, measurements=self.measurements)
        return self._access[region]

    def write_ports(self, *, region: str = WRITER) -> WritePorts:
        return replace(
            self.deployment.write_ports(region=region),
            access=self.access(region),
            grants=FakeGrants(self._table(region), self.failures),
            required_approvals=self.approvals,
        )

    def read_ports(self, *, region: str = WRITER) -> ReadPorts:
        return replace(
            self.deployment.read_ports(region=region),
            access=self.access(region),
            heads=HeadsAndAccess(self._table(region), self.failures),
        )

    def ask(
        self,
        *,
        caller: Caller = RESPONDER,
        scope: GrantScope = SCOPE,
        minutes: int = 15,
        token: str | None = None,
        reason: str = "the payments are down",
    ) -> BreakGlass:
        wanted = break_glass.Ask(scope=scope, reason=reason, ticket="INC-1", minutes=minutes, client_token=token)
        return break_glass.request_grant(wanted, caller=caller, ports=self.write_ports())

    def approve(self, request: BreakGlass, caller: Caller = APPROVER) -> BreakGlass:
        return break_glass.approve_grant(request.id, caller=caller, ports=self.write_ports())

    def granted(self, **said: object) -> BreakGlass:
        """A grant in force."""
        request = self.ask(**said)  # type: ignore[arg-type]  # as `ask` takes them
        for caller in (APPROVER, APPROVER2)[: self.approvals]:
            request = self.approve(request, caller)
        return request

    def revoke(self, request: BreakGlass, caller: Caller = APPROVER) -> BreakGlass:
        return break_glass.revoke_grant(request.id, caller=caller, ports=self.write_ports())

    def see(self, request: BreakGlass, caller: Caller = APPROVER) -> BreakGlass:
        return see_grants.read_grant(request.id, caller=caller, ports=self.write_ports())

    def read(self, *, caller: Caller = RESPONDER, region: str = WRITER, name: SecretName = NAME) -> ReadValue:
        return read_value(ReadItem(name, Selector.parse(None)), caller=caller, ports=self.read_ports(region=region))

    def indexes(self) -> Mapping[str, AuditIndex | None]:
        return {region: FakeIndex(self.events, region, self.failures) for region in (WRITER, REPLICA)}

    def tend(self, indexes: Mapping[str, AuditIndex | None] | None = None, *, region: str = WRITER) -> Tended:
        return tend_grants(
            self.indexes() if indexes is None else indexes,
            request_id="minute-1",
            ports=self.write_ports(region=region),
            has_time=lambda: True,
        )

    def stored(self, request: BreakGlass) -> BreakGlass:
        found = self.deployment.table.items["grant", request.tenant, request.id]
        assert isinstance(found, BreakGlass)
        return found

    def set_in_force(self, tenant: str = TENANT) -> AccessSet:
        return self.access().load(tenant)[1]

    def _table(self, region: str) -> FakeTable:
        return self.deployment.table if region == WRITER else self.deployment.replica.table
