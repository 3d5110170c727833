"""What is announced of break-glass, from the records alone."""

import itertools
from typing import Any

import pytest

from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.names import Selector
from strongroom_service.usecases.announce import Announcer
from strongroom_service.usecases.break_glass import refuse_grant
from strongroom_service.usecases.ports import NotAnnounced
from strongroom_service.usecases.read_values import ReadItem, read_batch
from tests.support.break_glass_fakes import FakeAnnouncements, as_record
from tests.support.deployment import NAME
from tests.support.emergency import APPROVER, RESPONDER, Emergency


def announced(records: list[dict[str, Any]]) -> FakeAnnouncements:
    found = FakeAnnouncements()
    Announcer(found).observe(records)
    return found


def records_of(emergency: Emergency) -> list[dict[str, Any]]:
    return [as_record(event) for event in emergency.events]


@pytest.fixture
def emergency() -> Emergency:
    found = Emergency(approvals=2)
    found.deployment.stored("canary-value")
    return found


def test_a_grants_whole_life_is_announced_in_order(emergency: Emergency) -> None:
    request = emergency.granted()
    emergency.read()
    emergency.revoke(request)
    refused = emergency.ask()
    refuse_grant(refused.id, caller=APPROVER, ports=emergency.write_ports())
    lapsing = emergency.ask()
    over = emergency.granted()
    emergency.clock.advance(lapsing.lapses_at - emergency.clock.now())
    emergency.tend({})
    made = announced(records_of(emergency)).made
    assert [(it.title, it.attributes["grantId"]) for it in made] == [
        ("Break-glass requested", request.id),
        ("Break-glass approved", request.id),
        ("Break-glass approved", request.id),
        ("Break-glass USED", request.id),
        ("Break-glass revoked", request.id),
        ("Break-glass requested", refused.id),
        ("Break-glass refused", refused.id),
        ("Break-glass requested", lapsing.id),
        ("Break-glass requested", over.id),
        ("Break-glass approved", over.id),
        ("Break-glass approved", over.id),
        ("Break-glass lapsed", lapsing.id),
        ("Break-glass ended", over.id),
    ]
    assert "more approvals are needed" in made[1].text
    assert "in force now" in made[2].text
    assert "Approvals so far: 2" in made[2].text


def test_a_use_says_who_read_what_when_and_from_where(emergency: Emergency) -> None:
    emergency.granted()
    emergency.read()
    event = emergency.events[-1]
    (use,) = [it for it in announced(records_of(emergency)).made if "USED" in it.title]
    for word in (event.actor, event.session, f"prod/{NAME.path}", event.source_ip, "2030-01-01T12:00:00", event.region):
        assert word in use.text
    assert (use.event_id, use.attributes["eventId"]) == (event.event_id, event.event_id)
    assert set(use.attributes) == {
        "eventId", "tenant", "environment", "actor", "action", "region", "requestId", "grantId",
    }  # fmt: skip


def test_nothing_secret_is_announced(emergency: Emergency) -> None:
    emergency.granted(reason="a reason of the requester")
    emergency.read()
    for it in announced(records_of(emergency)).made:
        assert "canary" not in f"{it.title}{it.text}{it.attributes}"
        assert "a reason" not in it.text


def test_a_batch_is_one_announcement_that_names_its_secrets(emergency: Emergency) -> None:
    emergency.granted()
    for _ in range(2):
        items = [ReadItem(NAME, Selector.parse(None))] * 3
        read_batch(items, caller=RESPONDER, ports=emergency.read_ports())
    uses = [it for it in announced(records_of(emergency)).made if "USED" in it.title]
    assert len(uses) == 2


def test_a_long_list_of_secrets_is_cut_with_its_number() -> None:
    record = {"action": "BREAK_GLASS", "phase": "RELEASE", "environment": "prod", "reason": ["grant:bg_1"]}
    (use,) = announced([{**record, "path": f"p/{number:02}"} for number in range(25)]).made
    assert "p/19" in use.text
    assert "p/20" not in use.text
    assert "and 5 more" in use.text


@pytest.mark.parametrize(("action", "phase"), list(itertools.product(AuditAction, Phase)))
def test_only_what_happened_is_announced(action: AuditAction, phase: Phase) -> None:
    """Of every action and phase: releases under a grant, and changes of requests that were made."""
    record = {"action": str(action), "phase": str(phase), "outcome": "ok", "reason": ["grant:bg_1"]}
    changes = {
        AuditAction.REQUEST_GRANT, AuditAction.APPROVE_GRANT, AuditAction.REFUSE_GRANT, AuditAction.REVOKE_GRANT,
        AuditAction.END_GRANT,
    }  # fmt: skip
    expected = (action is AuditAction.BREAK_GLASS and phase is Phase.RELEASE) or (
        action in changes and phase is Phase.OUTCOME
    )
    assert bool(announced([record]).made) is expected
    if action in changes:
        assert not announced([{**record, "outcome": "conflict"}]).made


def test_one_that_is_not_taken_ends_the_batch_to_be_given_again(emergency: Emergency) -> None:
    emergency.granted()
    announcements = FakeAnnouncements(refused={"Break-glass approved"})
    with pytest.raises(NotAnnounced):
        Announcer(announcements).observe(records_of(emergency))
    announcements.refused.clear()
    Announcer(announcements).observe(records_of(emergency))
    ids = [it.event_id for it in announcements.made]
    assert ids[0] == ids[1], "told twice under one id"


@pytest.mark.parametrize("record", [{}, {"action": None}, {"action": "BREAK_GLASS", "phase": "RELEASE"}])
def test_a_record_of_another_format_stops_nothing(record: dict[str, Any]) -> None:
    announced([record])
