"""Cursors of calls that go through a namespace by path: authenticated, and good for one query only."""

import base64
import hmac
from dataclasses import dataclass

from strongroom_service.domain.errors import InvalidRequest, ReplicaBehind, Violation
from strongroom_service.domain.names import Namespace, is_path
from strongroom_service.domain.secret import NamespaceKeys

from .ports import WritePorts

_VIOLATION = Violation("cursor", "must be the nextCursor of the same query")


@dataclass(frozen=True, slots=True)
class CursorScope:
    """What a cursor is bound to: the kind of call, the namespace and every condition of the query."""

    purpose: str
    namespace: Namespace
    conditions: tuple[str, ...] = ()


def seal_cursor(last_path: str | None, scope: CursorScope, ports: WritePorts) -> str | None:
    """A cursor to go on after a path; None at the end. Raises `ReplicaBehind`."""
    if last_path is None:
        return None
    keys = ports.store.namespace_keys(scope.namespace)
    if keys is None:
        # A namespace's keys are registered before its first secret; here they are on their way from the writer region.
        raise ReplicaBehind(writer_region=ports.writership.state().region)
    encoded = base64.urlsafe_b64encode(last_path.encode()).decode("ascii").rstrip("=")
    return f"{encoded}.{_mac(last_path, scope, keys, ports)}"


def open_cursor(cursor: str | None, scope: CursorScope, ports: WritePorts) -> str | None:
    """The path to go on after. Raises `InvalidRequest` for a cursor of another query, or one that was made up."""
    if cursor is None:
        return None
    encoded, _, mac = cursor.partition(".")
    try:
        path = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        raise InvalidRequest([_VIOLATION]) from None
    keys = ports.store.namespace_keys(scope.namespace)
    if (
        keys is None
        or not is_path(path)
        or not hmac.compare_digest(_mac(path, scope, keys, ports).encode(), mac.encode("utf-8", "replace"))
    ):
        raise InvalidRequest([_VIOLATION])
    return path


def _mac(path: str, scope: CursorScope, keys: NamespaceKeys, ports: WritePorts) -> str:
    parts = (scope.namespace.tenant, scope.namespace.environment, *scope.conditions, path)
    return ports.encryption.keyed_digest("\x00".join(parts), purpose=scope.purpose, key=keys.digests)
