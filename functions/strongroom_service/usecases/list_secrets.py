"""List the secrets of an environment, page by page."""

import base64
import hmac
from dataclasses import dataclass

from strongroom_service.domain.access import Action, Caller, Resource
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import AccessDenied, InvalidRequest, ReplicaBehind, Violation
from strongroom_service.domain.names import Namespace, is_path
from strongroom_service.domain.secret import Head, SecretStatus, WrappedNamespaceKey

from .changing import decide
from .ports import Listing, WritePorts
from .recording import Recorder, Subject

_CURSOR_VIOLATION = Violation("cursor", "must be the nextCursor of the same query")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which secrets to list. A tag is `key` or `key=value`."""

    namespace: Namespace
    prefix: str = ""
    tag: str | None = None
    include_deleted: bool = False
    cursor: str | None = None
    limit: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One page; a page may be short or empty and still have a next one."""

    heads: tuple[Head, ...]
    next_cursor: str | None


def list_secrets(query: Query, *, caller: Caller, ports: WritePorts) -> Listed:
    """Read one page of metadata; secrets that the caller may not list are left out.

    Raises:
        AccessDenied: the caller may not list here at all.
        InvalidRequest: the cursor belongs to another query, or was made up.
        StoreUnavailable, KmsUnavailable, AuditUnavailable.
    """
    recorder = Recorder(ports, caller, AuditAction.LIST)
    namespace = query.namespace
    resource = Resource(namespace.tenant, namespace.environment, query.prefix or None)
    decision = decide(caller, [Action.LIST], resource, ports)
    subject = Subject(namespace.environment, query.prefix)
    if not decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, decision, subject, outcome=AccessDenied.code))
        raise AccessDenied
    after_path = _open_cursor(query, ports)
    recorder.record(recorder.event(Phase.RELEASE, decision, subject))
    page = ports.store.list_heads(Listing(namespace, query.prefix, after_path, query.limit))
    shown = tuple(head for head in page.heads if _is_shown(head, query, caller=caller, ports=ports))
    return Listed(shown, _seal_cursor(page.last_path, query, ports))


def _is_shown(head: Head, query: Query, *, caller: Caller, ports: WritePorts) -> bool:
    if head.status is SecretStatus.DELETED and not query.include_deleted:
        return False
    if query.tag is not None:
        key, has_value, value = query.tag.partition("=")
        if key not in head.tags or (has_value and head.tags[key] != value):
            return False
    return ports.policy.decide(caller.principal, Action.LIST, Resource.of(head.name)).allowed


def _seal_cursor(last_path: str | None, query: Query, ports: WritePorts) -> str | None:
    if last_path is None:
        return None
    key = ports.store.namespace_key(query.namespace)
    if key is None:
        # A namespace's key is registered before its first secret; here it is on its way from the writer region.
        raise ReplicaBehind(writer_region=ports.writership.state().region)
    encoded = base64.urlsafe_b64encode(last_path.encode()).decode("ascii").rstrip("=")
    return f"{encoded}.{_mac(last_path, query, key, ports)}"


def _open_cursor(query: Query, ports: WritePorts) -> str | None:
    if query.cursor is None:
        return None
    encoded, _, mac = query.cursor.partition(".")
    try:
        path = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        raise InvalidRequest([_CURSOR_VIOLATION]) from None
    key = ports.store.namespace_key(query.namespace)
    if (
        key is None
        or not is_path(path)
        or not hmac.compare_digest(_mac(path, query, key, ports).encode(), mac.encode("utf-8", "replace"))
    ):
        raise InvalidRequest([_CURSOR_VIOLATION])
    return path


def _mac(path: str, query: Query, key: WrappedNamespaceKey, ports: WritePorts) -> str:
    """Bind a cursor to the tenant, the environment and every condition of its query."""
    parts = (
        query.namespace.tenant,
        query.namespace.environment,
        query.prefix,
        query.tag or "",
        str(query.include_deleted),
        path,
    )
    return ports.encryption.keyed_digest("\x00".join(parts), purpose="cursor", key=key)
