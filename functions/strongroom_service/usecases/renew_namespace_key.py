"""Renew a namespace's key: new versions are encrypted under a fresh one, old ones stay readable under their own."""

from dataclasses import dataclass, replace
from datetime import datetime

from strongroom_service.domain.access import Caller
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.errors import Conflict
from strongroom_service.domain.names import Namespace

from .namespace_changes import NamespaceChange, run_on_namespace
from .ports import ChangeLost, WritePorts


@dataclass(frozen=True, slots=True)
class RenewedKey:
    """The key that a namespace encrypts under from now on."""

    namespace: Namespace
    namespace_key_id: str
    created_at: datetime


def renew_namespace_key(namespace: Namespace, *, caller: Caller, ports: WritePorts) -> RenewedKey:
    """Make a random key and put it in the place of the active one. Of racing calls one wins.

    Raises:
        NotFound: nothing was ever stored in this namespace.
        Conflict: another call renewed the key at the same time.
        DomainError: as `run_on_namespace`.
    """

    def renew(change: NamespaceChange) -> RenewedKey:
        created_at = ports.clock.now()
        key = ports.encryption.new_namespace_key(namespace)
        try:
            ports.store.replace_namespace_keys(change.keys, replace(change.keys, active=key), epoch=change.epoch)
        except ChangeLost:
            raise Conflict("Another call renewed the key at the same time.") from None
        return RenewedKey(namespace, key.namespace_key_id, created_at)

    return run_on_namespace(namespace, AuditAction.RENEW_KEY, renew, caller=caller, ports=ports)
