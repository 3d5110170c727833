"""Requests for grants survive the table; what is stored is read for ever."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom_service.adapters.dynamodb.grant_codec import decode_request, encode_request
from strongroom_service.domain.break_glass import Approval, BreakGlass, GrantStatus, SecretRead, Settling
from strongroom_service.domain.errors import IntegrityFailure
from strongroom_service.domain.grants import GrantScope

NOW = datetime(2026, 6, 6, 14, 30, 0, 123000, tzinfo=UTC)
PENDING = BreakGlass(
    id="bg_0197f6b1-4f6c-7b1e-9d43-1f6f6f0f3c11",
    tenant="default",
    requester="iam:arn:aws:iam::111122223333:role/responder",
    scope=GrantScope(environment="prod", prefix="payments"),
    reason="the payments are down",
    ticket="INC-1",
    minutes=15,
    required=2,
    requested_at=NOW,
    epoch=1,
)
ENDED = replace(
    PENDING,
    scope=GrantScope(environment="prod", path="payments/db-password"),
    revision=4,
    status=GrantStatus.REVOKED,
    approvals=(Approval("iam:a", NOW), Approval("iam:b", NOW + timedelta(minutes=1))),
    active_from=NOW + timedelta(minutes=1),
    until=datetime(2026, 6, 6, 14, 46, tzinfo=UTC),
    closed_at=NOW + timedelta(minutes=2),
    closed_by="iam:a",
    settling=Settling(
        due=NOW + timedelta(minutes=3),
        scans=1,
        reads=(SecretRead("sec_0123-4567-89ab-cdef01234567", "payments/db-password", 2, NOW),),
        unanswered=("us-west-2",),
    ),
)
STORED: dict[str, Any] = json.loads(Path(__file__).with_name("stored_grants.json").read_text())


@pytest.mark.parametrize(("name", "request_"), [("pending", PENDING), ("revoked", ENDED)])
def test_a_stored_request_is_read_for_ever(name: str, request_: BreakGlass) -> None:
    """The known answers."""
    assert encode_request(request_) == STORED[name]
    assert decode_request(STORED[name]) == request_


@pytest.mark.parametrize(
    "damage",
    [
        {"status": {"S": "ELSE"}},
        {"requestedAt": {"S": "yesterday"}},
        {"approvals": {"L": [{"M": {}}]}},
        {"settling": {"M": {}}},
        {"minutes": {"S": "15"}},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_a_damaged_request_is_an_integrity_failure(damage: dict[str, Any]) -> None:
    with pytest.raises(IntegrityFailure) as failed:
        decode_request({**encode_request(ENDED), **damage})
    assert failed.value.__cause__ is None
