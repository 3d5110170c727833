"""Propose a version: store a value as PENDING, out of every reader's sight."""

from dataclasses import dataclass

from strongroom_service.domain import lifecycle
from strongroom_service.domain.access import Action, Caller
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.errors import InvalidRequest, Violation
from strongroom_service.domain.secret import Head, WrappedNamespaceKey
from strongroom_service.domain.values import SecretValue

from .changing import Located, Mutation, Plan, Target, namespace_keys, require_unchanged, run, token_digest
from .ports import Change, NewVersion, VersionBinding, VersionKey, WritePorts

OPERATION = "propose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A value, and what is to hold for it. `generated` values are not compared when a call is repeated."""

    value: SecretValue
    generated: bool = False
    expires_at_unix: int = 0
    client_token: str | None = None


@dataclass(frozen=True, slots=True)
class Proposed:
    """The head with the new version, and its number."""

    head: Head
    number: int


def propose_version(proposal: Proposal, *, target: Target, caller: Caller, ports: WritePorts) -> Proposed:
    """Encrypt the value and store its item and the head in one transaction. The value is wiped.

    Raises:
        Conflict: the secret is deleted, or keeps too many versions.
        InvalidRequest: the client token was used with another value.
        DomainError: as `changing.run`.
    """

    def plan(located: Located, epoch: int) -> Plan[Proposed]:
        head = located.found()
        keys = namespace_keys(head.name.namespace, epoch=epoch, ports=ports)
        digest = token_digest(proposal.client_token, head.name, keys=keys, ports=ports)
        if use := head.token_use(digest, OPERATION):
            require_same_value(proposal, head=head, number=use.version_number, ports=ports)
            return Plan(None, Proposed(head, use.version_number), use.version_number)
        after, version = add_version(head, proposal, key=keys.active, epoch=epoch, caller=caller, ports=ports)
        after = lifecycle.remember(
            after, digest, operation=OPERATION, version_number=version.number, now=ports.clock.now()
        )
        change = Change(head, after, new_version=version, dropped=dropped(head, after))
        return Plan(change, Proposed(after, version.number), version.number)

    with proposal.value:
        return run(
            Mutation(
                target=target,
                action=lambda _: AuditAction.PROPOSE,
                permissions=lambda _: [Action.WRITE],
                plan=plan,
            ),
            caller=caller,
            ports=ports,
        )


def add_version(
    head: Head, proposal: Proposal, *, key: WrappedNamespaceKey, epoch: int, caller: Caller, ports: WritePorts
) -> tuple[Head, NewVersion]:
    """The head with one more PENDING version, and that version's item."""
    fingerprint = ports.encryption.fingerprint(proposal.value, secret_id=head.secret_id, key=key)
    after = lifecycle.propose(
        head,
        fingerprint=fingerprint,
        expires_at_unix=proposal.expires_at_unix,
        epoch=epoch,
        now=ports.clock.now(),
    )
    number = after.latest_version
    binding = VersionBinding(head.name, head.secret_id, number, epoch)
    envelope = ports.encryption.seal(proposal.value, binding, key)
    return after, NewVersion(number, envelope, caller.principal.id)


def dropped(before: Head, after: Head) -> tuple[VersionKey, ...]:
    """The items of the versions that a change prunes."""
    return tuple(VersionKey(n, r.epoch) for n, r in before.versions.items() if n not in after.versions)


def require_same_value(proposal: Proposal, *, head: Head, number: int, ports: WritePorts) -> None:
    """Refuse a client token that comes back with another value.

    The fingerprints are compared under the key that the version is encrypted under, which need not be the active one.
    A version destroyed since has nothing to compare with.

    Raises:
        ChangeLost: the version was re-wrapped between the reading of its head and of its item.
    """
    record = head.versions.get(number)
    if proposal.generated or record is None or record.fingerprint is None:
        return
    stored = ports.store.stored_envelope(head.name, VersionKey(number, record.epoch))
    if stored is None:
        return
    key = stored.namespace_key(head.name)
    if ports.encryption.fingerprint(proposal.value, secret_id=head.secret_id, key=key) == record.fingerprint:
        return
    require_unchanged(head, ports)
    raise InvalidRequest([Violation("Idempotency-Key", "was used with another value")])
