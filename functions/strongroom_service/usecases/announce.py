"""Announcing break-glass from the audit's own records: asked for, decided, used, over.

What is announced is what was recorded, in every region from its own stream. A record may come twice; its id tells.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.break_glass import GrantStatus
from strongroom_service.domain.grants import REASON_PREFIX

from .ports import Announcement, Announcements

_MOST_PATHS: Final = 20
_TITLES: Final[Mapping[str, str]] = {
    AuditAction.REQUEST_GRANT: "Break-glass requested",
    AuditAction.APPROVE_GRANT: "Break-glass approved",
    AuditAction.REFUSE_GRANT: "Break-glass refused",
    AuditAction.REVOKE_GRANT: "Break-glass revoked",
    AuditAction.END_GRANT: "Break-glass ended",
    AuditAction.BREAK_GLASS: "Break-glass USED",
}
_ENDED: Final = f"grant-{GrantStatus.ENDED.lower()}"
_LAPSED: Final = f"grant-{GrantStatus.LAPSED.lower()}"
_WORDS: Final[Mapping[str, str]] = {
    "grant-active": "the grant is in force now",
    "grant-pending": "more approvals are needed",
    _ENDED: "its time is over",
    _LAPSED: "it was not approved in time",
}


class Announcer:
    """Tells people what records say."""

    def __init__(self, announcements: Announcements) -> None:
        self._announcements = announcements

    def observe(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Announce what is to be announced, in order. A request's reads are one announcement.

        Raises:
            NotAnnounced: one was not taken. The records are to be given again, all of them.
        """
        for records_of_one in _together(records):
            self._announcements.publish(_announcement(records_of_one))


def _together(records: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """What is announced as one: the reads of one operation, anything else by itself."""
    groups: dict[object, list[Mapping[str, Any]]] = {}
    for record in records:
        if _is_announced(record):
            key = (record.get("operationId"), record.get("action"), _grant_of(record))
            groups.setdefault(key, []).append(record)
    yield from groups.values()


def _is_announced(record: Mapping[str, Any]) -> bool:
    """Values that left, and changes of requests that were made."""
    action, phase = record.get("action"), record.get("phase")
    if action == AuditAction.BREAK_GLASS:
        return phase == Phase.RELEASE
    if action not in _TITLES:
        return False
    return phase == Phase.OUTCOME and record.get("outcome") == "ok"


def _announcement(records: Sequence[Mapping[str, Any]]) -> Announcement:
    first = records[0]
    title = _TITLES[first["action"]]
    reasons = [str(reason) for reason in first.get("reason") or ()]
    if _LAPSED in reasons:
        title = "Break-glass lapsed"
    paths = sorted({f"{record.get('environment')}/{record.get('path')}" for record in records})
    more = len(paths) - _MOST_PATHS
    counted = [reason.partition(":")[2] for reason in reasons if reason.startswith("approvals:")]
    lines = [
        f"{title} in tenant {first.get('tenant')}.",
        *[f"  {path}" for path in paths[:_MOST_PATHS]],
        *([f"  and {more} more"] if more > 0 else []),
        f"Grant: {_grant_of(first)}",
        f"By: {first.get('actor')}",
        *([f"Session: {first['session']}"] if first.get("session") else []),
        *([f"From: {first['sourceIp']}"] if first.get("sourceIp") else []),
        f"At: {first.get('time')} in {first.get('region')}",
        *[f"Approvals so far: {number}" for number in counted],
        *[f"State: {_WORDS[reason]}" for reason in reasons if reason in _WORDS],
        f"Request: {first.get('requestId')}",
        f"Event: {first.get('eventId')}",
    ]
    names = ("eventId", "tenant", "environment", "actor", "action", "region", "requestId")
    attributes = {name: str(first.get(name) or "") for name in names} | {"grantId": _grant_of(first)}
    return Announcement(
        str(first.get("eventId")),
        title,
        "\n".join(lines) + "\n",
        {name: value for name, value in attributes.items() if value},
    )


def _grant_of(record: Mapping[str, Any]) -> str:
    """The id of the grant that a record is about."""
    for reason in record.get("reason") or ():
        if str(reason).startswith(REASON_PREFIX):
            return str(reason).removeprefix(REASON_PREFIX)
    return ""
