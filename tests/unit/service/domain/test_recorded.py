"""An audit record, read back into the question that a policy was asked."""

import json
from dataclasses import replace
from typing import Any

import pytest

from strongroom_service.domain.access import AccessRequest, Action, Authentication, Resource
from strongroom_service.domain.audit import AuditAction, Chain
from strongroom_service.domain.recorded import RecordedRequest
from tests.support.auditing import EVENT


def record(**said: Any) -> dict[str, Any]:
    asked = {"permissions": ("secret:read",), "authentication": "oidc", "authentication_age": 30}
    (sealed,) = Chain("0" * 32).seal([replace(EVENT, **{**asked, **said})])
    found: dict[str, Any] = json.loads(sealed.line)
    return found


def test_a_record_is_the_question_that_was_asked() -> None:
    found = RecordedRequest.of(record())
    assert found.is_replayable
    assert found.requests() == [
        AccessRequest(
            EVENT.actor, Action.READ, Resource("default", "prod", "payments/db-password"), "192.0.2.1", EVENT.time,
            "us-east-1", Authentication.OIDC, 30,
        )
    ]  # fmt: skip
    assert (found.event_id, found.request_id, found.allowed, found.reasons) == (
        EVENT.event_id, "r", True, ("role:reader@*",)
    )  # fmt: skip


def test_each_permission_is_a_question() -> None:
    found = RecordedRequest.of(record(permissions=("secret:write", "secret:promote")))
    assert [request.action for request in found.requests()] == [Action.WRITE, Action.PROMOTE]


@pytest.mark.parametrize("said", [{"permissions": ()}, {"authentication": ""}, {"action": AuditAction.BREAK_GLASS}])
def test_what_no_policy_decided_cannot_be_replayed(said: dict[str, Any]) -> None:
    assert not RecordedRequest.of(record(**said)).is_replayable


def test_a_record_of_format_1_is_read_and_not_replayed() -> None:
    old = {name: value for name, value in record().items() if not name.startswith(("permissions", "authentication"))}
    assert not RecordedRequest.of(old).is_replayable
    assert RecordedRequest.of(old).resource == Resource("default", "prod", "payments/db-password")


@pytest.mark.parametrize(
    "change",
    [
        {"time": "yesterday"},
        {"time": None},
        {"decision": "MAYBE"},
        {"phase": "LATER"},
        {"action": "FLY"},
        {"permissions": ["secret:fly"]},
        {"permissions": 7},
        {"authentication": "smile"},
        {"authenticationAge": "old"},
        {"reason": None},
        {"eventId": ...},
    ],
)
def test_what_is_no_record_is_refused(change: dict[str, Any]) -> None:
    spoilt = {**record(), **change}
    with pytest.raises(ValueError):  # noqa: PT011  # whatever is wrong with it
        RecordedRequest.of({name: value for name, value in spoilt.items() if value is not ...})


def test_the_audit_of_a_secret_was_asked_on_the_secret() -> None:
    """As `ask_audit` does, so that a replay asks the same again."""
    asked = ("audit:read",)
    assert RecordedRequest.of(record(permissions=asked)).resource == Resource("default", "prod", "payments/db-password")
    assert RecordedRequest.of(record(permissions=asked, path="")).resource == Resource("default", "prod")
    assert RecordedRequest.of(record(permissions=asked, environment="")).resource == Resource("default")
