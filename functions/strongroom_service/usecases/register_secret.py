"""Register a secret: a named slot without a value yet."""

from dataclasses import dataclass, field

from strongroom_service.domain import lifecycle
from strongroom_service.domain.access import Action, Caller
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.ids import secret_id
from strongroom_service.domain.names import SecretName
from strongroom_service.domain.secret import Head, SecretStatus

from .changing import Located, Mutation, Plan, Target, namespace_keys, run, scrub_purged, token_digest
from .ports import Change, WritePorts

OPERATION = "register"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a caller says of a new secret."""

    name: SecretName
    owner_team: str
    rotation_strategy: str
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    client_token: str | None = None


def register_secret(registration: Registration, *, caller: Caller, ports: WritePorts) -> Head:
    """Store the head, and the pointer from its id, in one transaction.

    Raises:
        Conflict: the path is taken; not so for the same call repeated with its client token.
        DomainError: as `changing.run`.
    """
    name = registration.name

    def plan(located: Located, epoch: int) -> Plan[Head]:
        now = ports.clock.now()
        keys = namespace_keys(name.namespace, epoch=epoch, ports=ports)
        digest = token_digest(registration.client_token, name, keys=keys, ports=ports)
        before = located.head
        if before is not None and before.token_use(digest, OPERATION):
            return Plan(None, before)
        after = new_head(registration, before=before, epoch=epoch, ports=ports)
        after = lifecycle.remember(after, digest, operation=OPERATION, version_number=0, now=now)
        return Plan(Change(before, after), after)

    return run(
        Mutation(
            target=Target(name.tenant, name=name),
            action=lambda _: AuditAction.REGISTER,
            permissions=lambda _: [Action.REGISTER],
            plan=plan,
        ),
        caller=caller,
        ports=ports,
    )


def new_head(registration: Registration, *, before: Head | None, epoch: int, ports: WritePorts) -> Head:
    """The first state of a secret; values that an interrupted purge left under its path are removed first."""
    if before is not None and before.status is SecretStatus.PURGED:
        scrub_purged(before, epoch=epoch, ports=ports)
    return lifecycle.register(
        registration.name,
        before=before,
        secret_id=secret_id(ports.randomness.token(12)),
        owner_team=registration.owner_team,
        rotation_strategy=registration.rotation_strategy,
        description=registration.description,
        tags=registration.tags,
        epoch=epoch,
        now=ports.clock.now(),
    )
