"""List the secrets of an environment, page by page."""

from dataclasses import dataclass

from strongroom_service.domain.access import Action, Caller, Resource
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import AccessDenied
from strongroom_service.domain.names import Namespace
from strongroom_service.domain.secret import Head, SecretStatus

from .authorising import decide
from .cursors import CursorScope, open_cursor, seal_cursor
from .ports import Listing, WritePorts
from .recording import Recorder, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which secrets to list. A tag is `key` or `key=value`."""

    namespace: Namespace
    prefix: str = ""
    tag: str | None = None
    include_deleted: bool = False
    rotation_due: bool = False
    """Only those whose value ought to be replaced."""
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
    policy = ports.access.current(caller.tenant)
    decision = decide(policy, caller, [Action.LIST], resource, ports)
    subject = Subject(namespace.environment, query.prefix)
    if not decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, decision, subject, outcome=AccessDenied.code))
        raise AccessDenied
    after_path = open_cursor(query.cursor, _scope(query), ports)
    page = ports.store.list_heads(Listing(namespace, query.prefix, after_path, query.limit))
    shown = tuple(
        head
        for head in page.heads
        if _is_wanted(head, query) and decide(policy, caller, [Action.LIST], Resource.of(head.name), ports).allowed
    )
    listed = Listed(shown, seal_cursor(page.last_path, _scope(query), ports))
    # Nothing can fail after it: a release is what is told.
    recorder.record(recorder.event(Phase.RELEASE, decision, subject))
    return listed


def _is_wanted(head: Head, query: Query) -> bool:
    if head.status is SecretStatus.DELETED and not query.include_deleted:
        return False
    if query.rotation_due and head.rotation_due is None:
        return False
    if query.tag is not None:
        key, has_value, value = query.tag.partition("=")
        if key not in head.tags or (has_value and head.tags[key] != value):
            return False
    return True


def _scope(query: Query) -> CursorScope:
    conditions = (query.prefix, query.tag or "", str(query.include_deleted), str(query.rotation_due))
    return CursorScope("cursor", query.namespace, conditions)
