"""The audit record's stored format, with known answers, and the chain."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.domain.access import Action, Authentication
from strongroom_service.domain.audit import NO_HASH, AuditAction, AuditEvent, Chain, Phase, Receipt, record_hash

EVENT = AuditEvent(
    event_id="01971f3e-0000-7000-8000-000000000001",
    operation_id="01971f3e-0000-7000-8000-000000000002",
    phase=Phase.RELEASE,
    time=datetime(2026, 6, 6, 14, 30, 0, 123456, tzinfo=UTC),
    tenant="default",
    environment="prod",
    path="payments/db-password",
    secret_id="sec_091f-b283-4a11",
    version=3,
    action=AuditAction.READ,
    allowed=True,
    reasons=("role:reader@*",),
    outcome="",
    actor="iam:arn:aws:iam::111122223333:role/app",
    session="i-0123456789abcdef0",
    source_ip="192.0.2.1",
    user_agent="strongroom-python/0.1 \u00fc",
    request_id="01234567-89ab-4cde-8f01-23456789abcd",
    region="us-east-1",
    permissions=(Action.READ,),
    authentication=Authentication.OIDC,
    authentication_age=42,
)
CHAIN_ID = "72e13c69dab52b64e77f692dfbfe2011"
LINE = (
    '{"action":"READ","actor":"iam:arn:aws:iam::111122223333:role/app",'
    '"authentication":"oidc","authenticationAge":42,'
    '"chainId":"72e13c69dab52b64e77f692dfbfe2011","count":1,"decision":"ALLOW","environment":"prod",'
    '"eventId":"01971f3e-0000-7000-8000-000000000001","follows":null,"formatVersion":2,'
    '"hash":"%s",'
    '"operationId":"01971f3e-0000-7000-8000-000000000002","outcome":"","path":"payments/db-password",'
    '"period":"","permissions":["secret:read"],"phase":"RELEASE",'
    '"previousHash":"0000000000000000000000000000000000000000000000000000000000000000",'
    '"reason":["role:reader@*"],"region":"us-east-1","requestId":"01234567-89ab-4cde-8f01-23456789abcd",'
    '"secretId":"sec_091f-b283-4a11","sequence":1,"session":"i-0123456789abcdef0","sourceIp":"192.0.2.1",'
    '"tenant":"default","time":"2026-06-06T14:30:00.123Z","userAgent":"strongroom-python/0.1 \u00fc","version":3}\n'
)
HASH = "dc76a80fec928eebaff714ba15dab5a0350a07af56e51d5b4214ae8d59d698b6"
LINE_1 = (
    '{"action":"READ","actor":"iam:arn:aws:iam::111122223333:role/app",'
    '"chainId":"72e13c69dab52b64e77f692dfbfe2011","decision":"ALLOW","environment":"prod",'
    '"eventId":"01971f3e-0000-7000-8000-000000000001","follows":null,"formatVersion":1,'
    '"hash":"57a5b07797f0ed7ed9c4c5c1278c6ac628c82506cd812eceeb64612f27f1f02b",'
    '"operationId":"01971f3e-0000-7000-8000-000000000002","outcome":"","path":"payments/db-password",'
    '"phase":"RELEASE",'
    '"previousHash":"0000000000000000000000000000000000000000000000000000000000000000",'
    '"reason":["role:reader@*"],"region":"us-east-1","requestId":"01234567-89ab-4cde-8f01-23456789abcd",'
    '"secretId":"sec_091f-b283-4a11","sequence":1,"session":"i-0123456789abcdef0","sourceIp":"192.0.2.1",'
    '"tenant":"default","time":"2026-06-06T14:30:00.123Z","userAgent":"strongroom-python/0.1 \u00fc","version":3}\n'
)
"""A record of the first format, which had no `permissions` and no `authentication`."""


def test_a_record_is_stored_as_it_always_was() -> None:
    """A known answer: every field, its name, its form, and the hash. Records outlive every release."""
    [sealed] = Chain(CHAIN_ID).seal([EVENT])
    assert sealed.line.decode() == LINE % HASH
    assert str(sealed.receipt) == f"{EVENT.event_id}.{CHAIN_ID}.1.{HASH}"


def test_a_record_of_the_first_format_keeps_its_hash() -> None:
    """The hash is over whatever fields a record has: what was archived stays provable."""
    record = json.loads(LINE_1)
    assert record_hash(record) == record["hash"]


def test_the_hash_is_over_the_record_without_it() -> None:
    """By another way than the code's own: the line, with the hash's field cut out."""
    [sealed] = Chain(CHAIN_ID).seal([EVENT])
    bare = sealed.line.rstrip(b"\n").replace(f'"hash":"{sealed.receipt.hash}",'.encode(), b"")
    assert hashlib.sha256(bare).hexdigest() == sealed.receipt.hash


def test_records_tie_to_the_one_before() -> None:
    chain = Chain(CHAIN_ID)
    sealed = [*chain.seal([EVENT, EVENT]), *chain.seal([EVENT])]
    records = [json.loads(it.line) for it in sealed]
    assert [record["sequence"] for record in records] == [1, 2, 3]
    assert [record["previousHash"] for record in records] == [NO_HASH, records[0]["hash"], records[1]["hash"]]
    assert all(record["hash"] == record_hash(record) for record in records)


def test_a_chain_that_follows_another_says_so_once() -> None:
    before = Receipt("event", "earlier", 7, "f" * 64)
    first, second = (json.loads(it.line) for it in Chain(CHAIN_ID, follows=before).seal([EVENT, EVENT]))
    assert first["follows"] == {"chainId": "earlier", "lastAcknowledged": 7, "hash": "f" * 64}
    assert second["follows"] is None


def test_a_chain_knows_its_last_acknowledged_record() -> None:
    before = Receipt("event", "earlier", 7, "f" * 64)
    chain = Chain(CHAIN_ID, follows=before)
    first, second = (it.receipt for it in chain.seal([EVENT, EVENT]))
    assert chain.last_acknowledged == before
    chain.acknowledge(first)
    assert chain.last_acknowledged == first
    assert second.sequence == 2


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(text=st.text(max_size=400))
def test_no_text_breaks_a_record(text: str) -> None:
    """Header values reach the record as anything at all: one line, readable, its hash right."""
    [sealed] = Chain(CHAIN_ID).seal([replace(EVENT, user_agent=text, session=text)])
    assert sealed.line.count(b"\n") == 1
    record = json.loads(sealed.line)
    assert record["hash"] == record_hash(record) == sealed.receipt.hash
    assert len(record["userAgent"]) <= 256
