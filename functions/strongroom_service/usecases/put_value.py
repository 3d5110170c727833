"""The one-call put: register if missing, propose and promote, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from strongroom_service.domain import lifecycle
from strongroom_service.domain.access import Action, Caller
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.errors import InvalidRequest, Violation
from strongroom_service.domain.names import Alias, SecretName
from strongroom_service.domain.secret import Head, SecretStatus

from .changing import Located, Mutation, Plan, Target, namespace_keys, run, token_digest
from .ports import Change, WritePorts
from .propose_version import Proposal, add_version, dropped, require_same_value
from .register_secret import Registration, new_head

OPERATION = "put"


@dataclass(frozen=True, slots=True)
class Expectation:
    """Which version `current` is expected to name; None: none."""

    current: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A value for a path. Without an expectation, whatever is current is replaced."""

    name: SecretName
    proposal: Proposal
    expectation: Expectation | None = None
    owner_team: str | None = None
    rotation_strategy: str = "manual"
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """The head with the new current version, its number, and whether the secret was registered for it."""

    head: Head
    number: int
    created: bool


def put_value(put: Put, *, caller: Caller, ports: WritePorts) -> Stored:
    """Store a value and make it current. The value is wiped.

    Metadata counts only when the secret is registered by this call; `update_secret` changes it later.

    Raises:
        InvalidRequest: the secret is not registered and `owner_team` is missing.
        StaleExpectation: `current` names another version than was expected.
        DomainError: as `changing.run`.
    """
    name = put.name

    def plan(located: Located, epoch: int) -> Plan[Stored]:
        before = located.head
        keys = namespace_keys(name.namespace, epoch=epoch, ports=ports)
        digest = token_digest(put.proposal.client_token, name, keys=keys, ports=ports)
        if before is not None and (use := before.token_use(digest, OPERATION)):
            require_same_value(put.proposal, head=before, number=use.version_number, ports=ports)
            return Plan(None, Stored(before, use.version_number, created=False), use.version_number)
        missing = _is_missing(before)
        head = new_head(_registration(put), before=before, epoch=epoch, ports=ports) if missing else located.found()
        if put.expectation is not None:
            lifecycle.expect(head, Alias.CURRENT, put.expectation.current)
        proposed, version = add_version(head, put.proposal, key=keys.active, epoch=epoch, caller=caller, ports=ports)
        now = ports.clock.now()
        after = lifecycle.promote(proposed, version.number, envelope=version.envelope, epoch=epoch, now=now)
        after = lifecycle.remember(after, digest, operation=OPERATION, version_number=version.number, now=now)
        change = Change(before, after, new_version=version, dropped=dropped(head, after))
        return Plan(change, Stored(after, version.number, created=missing), version.number)

    with put.proposal.value:
        return run(
            Mutation(
                target=Target(name.tenant, name=name),
                action=lambda _: AuditAction.PUT,
                permissions=_permissions,
                plan=plan,
            ),
            caller=caller,
            ports=ports,
        )


def _is_missing(head: Head | None) -> bool:
    return head is None or head.status is SecretStatus.PURGED


def _permissions(head: Head | None) -> Sequence[Action]:
    return [Action.WRITE, Action.PROMOTE, *([Action.REGISTER] if _is_missing(head) else [])]


def _registration(put: Put) -> Registration:
    if put.owner_team is None:
        raise InvalidRequest([Violation("ownerTeam", "is required for a secret that is not registered yet")])
    return Registration(
        name=put.name,
        owner_team=put.owner_team,
        rotation_strategy=put.rotation_strategy,
        description=put.description,
        tags=put.tags,
    )
