"""What every audit index promises: everything is found by its keys, once, newest first, within its tenant."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb import audit_index_layout as at
from strongroom_service.adapters.dynamodb.audit_index import DynamoAuditIndex
from strongroom_service.adapters.dynamodb.audit_index_writer import DynamoAuditIndexWriter
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.audit_record import AuditLine
from strongroom_service.domain.errors import IntegrityFailure, StoreUnavailable
from strongroom_service.usecases.ports import AuditIndex, AuditIndexWriter, AuditQuery, Kept, UnreadableLine
from tests.support.audit_index import FakeAuditIndex, Records
from tests.support.fakes import FakeClock
from tests.support.local_aws import INDEX, REGION, LocalAws

NOW = datetime(2030, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
SECRET, ACTOR = "sec_0123-4567-89ab-cdef01234567", "oidc:https://issuer.example#team#1"


@dataclass
class Index:
    """Both sides of one index, and a clock for it."""

    asks: AuditIndex
    writes: AuditIndexWriter
    clock: FakeClock
    records: Records

    def add(self, *ages: timedelta, **said: Any) -> list[AuditLine]:
        """Records of the given ages, indexed together; returned newest first."""
        made = [self.records.at(NOW - age, **said) for age in ages]
        assert set(self.writes.add(made)) <= {Kept.STORED}
        return sorted(made, key=lambda record: record.event_id, reverse=True)

    def search(self, **said: Any) -> list[str]:
        """Event ids of all pages."""
        found: list[str] = []
        query: dict[str, Any] = {"tenant": "default", "limit": 50, **said}
        while True:
            page = self.asks.search(AuditQuery(**query))
            found += [str(record["eventId"]) for record in page.records]
            if page.last is None:
                return found
            query["after"] = page.last


@pytest.fixture(params=["fake", "dynamodb"])
def index(request: pytest.FixtureRequest) -> Iterator[Index]:
    clock = FakeClock(NOW + timedelta(seconds=1))
    if request.param == "fake":
        fake = FakeAuditIndex(clock)
        yield Index(fake, fake, clock, Records())
        return
    aws: LocalAws = request.getfixturevalue("aws")
    aws.empty_index()
    with closing(AwsClient(region=REGION)) as client:
        writer = DynamoAuditIndexWriter(client=client, table=INDEX, clock=clock, randomness=SystemRandomness())
        yield Index(DynamoAuditIndex(client=client, table=INDEX, clock=clock), writer, clock, Records())


def ids(records: list[AuditLine]) -> list[str]:
    return [record.event_id for record in records]


def seconds(*numbers: float) -> list[timedelta]:
    return [timedelta(seconds=number) for number in numbers]


def test_records_are_found_by_each_of_their_keys(index: Index) -> None:
    said = {"secret_id": SECRET, "actor": ACTOR, "request_id": "request-7"}
    wanted = ids(index.add(*seconds(0, 5, 90), **said))
    index.add(*seconds(1, 2), secret_id="sec_0000-0000-0000-000000000000", actor="iam:other", request_id="other")
    assert index.search(secret_id=SECRET) == wanted
    assert index.search(actor=ACTOR) == wanted
    assert index.search(request_id="request-7") == wanted
    assert len(index.search(day=NOW.date())) == 5


def test_several_conditions_hold_together(index: Index) -> None:
    [both] = ids(index.add(*seconds(1), secret_id=SECRET, actor=ACTOR))
    index.add(*seconds(2), secret_id=SECRET, actor="iam:other")
    index.add(*seconds(3), secret_id="sec_0000-0000-0000-000000000000", actor=ACTOR)
    assert index.search(secret_id=SECRET, actor=ACTOR) == [both]


def test_pages_miss_and_repeat_nothing(index: Index) -> None:
    """Whatever the pages' size: also within one second, and over packs that overlap."""
    made = [record for _ in range(3) for record in index.add(*seconds(0, 0, 0, 0.2, 0.4, 1.3, 7, 7, 60))]
    expected = sorted(ids(made), reverse=True)
    for limit in (1, 4, 26, 27, 100):
        assert index.search(actor=made[0].fields["actor"], limit=limit) == expected


def test_the_last_page_says_so(index: Index) -> None:
    index.add(*seconds(1, 2, 3))
    page = index.asks.search(AuditQuery(tenant="default", day=NOW.date(), limit=3))
    assert (len(page.records), page.last) == (3, None)


def test_a_range_has_its_beginning_and_not_its_end(index: Index) -> None:
    made = ids(index.add(*seconds(0, 10, 20, 30), secret_id=SECRET))
    since, until = (NOW - age for age in seconds(20, 0))
    assert index.search(secret_id=SECRET, since=since, until=until) == made[1:3]


@pytest.mark.parametrize("year", [1, 1969, 2029, 2286, 5138, 9999])
def test_a_range_may_begin_or_end_at_any_time(index: Index, year: int) -> None:
    """Before there were records, and long after there will be any."""
    made = ids(index.add(*seconds(0, 10), secret_id=SECRET))
    moment = datetime(year, 6, 1, tzinfo=UTC)
    assert index.search(secret_id=SECRET, until=moment) == (made if moment > NOW else [])
    assert index.search(secret_id=SECRET, since=moment) == ([] if moment > NOW else made)
    ancient = "01900000-0000-7000-8000-000000000000"
    assert index.search(secret_id=SECRET, after=ancient) == []


def test_a_day_is_a_day_in_utc(index: Index) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    [today] = ids(index.add(NOW - midnight))
    [yesterday] = ids(index.add(NOW - midnight + timedelta(milliseconds=2)))
    assert index.search(day=NOW.date()) == [today]
    assert index.search(day=NOW.date() - timedelta(days=1)) == [yesterday]


def test_another_tenants_records_are_never_found(index: Index) -> None:
    """Not by the same secret, actor, request or day, nor by the event's id."""
    [other] = index.add(*seconds(1), tenant="other", secret_id=SECRET, actor=ACTOR, request_id="request-7")
    for said in ({"secret_id": SECRET}, {"actor": ACTOR}, {"request_id": "request-7"}, {"day": NOW.date()}):
        assert index.search(**said) == []
    assert index.asks.find("default", other.event_id) is None
    assert index.asks.find("other", other.event_id) == other.fields


def test_a_record_is_found_as_it_was_stored(index: Index) -> None:
    """By its event id alone, among others of its second."""
    made = index.add(*seconds(1, 1, 1, 1, 1), user_agent="strongroom-python/0.1 \u00fc")
    for record in made:
        assert index.asks.find("default", record.event_id) == record.fields
    assert index.asks.find("default", "01900000-0000-7000-8000-000000000000") is None


def test_what_comes_again_is_there_once(index: Index) -> None:
    """In the same company or in another, as a batch that was cut in two comes again."""
    made = index.add(*seconds(1, 1, 1, 2), secret_id=SECRET)
    index.writes.add(made)
    index.writes.add(made[1:])
    index.writes.add([made[0], made[0]])
    assert index.search(secret_id=SECRET) == ids(made)
    assert index.search(secret_id=SECRET, limit=1) == ids(made)
    assert index.asks.find("default", made[0].event_id) == made[0].fields


def test_a_differing_record_never_takes_anothers_place(index: Index) -> None:
    """Somebody who can write to the stream reuses an event id: both are shown, and neither passes for the event."""
    [record] = index.add(*seconds(1), secret_id=SECRET)
    forged = Records().at(NOW - timedelta(seconds=1), secret_id=SECRET, event_id=record.event_id, outcome="forged")
    index.writes.add([forged])
    assert index.search(secret_id=SECRET) == [record.event_id] * 2
    assert index.search(secret_id=SECRET, limit=1) == [record.event_id] * 2
    with pytest.raises(IntegrityFailure):
        index.asks.find("default", record.event_id)


def test_records_end_after_ninety_days(index: Index) -> None:
    """Also while the table has not removed them yet."""
    made = index.add(timedelta(days=89), secret_id=SECRET)
    assert index.search(secret_id=SECRET) == ids(made)
    index.clock.advance(timedelta(days=2))
    assert index.search(secret_id=SECRET) == []
    assert index.search(day=(NOW - timedelta(days=89)).date()) == []
    assert index.asks.find("default", made[0].event_id) is None


def test_many_records_at_once(index: Index) -> None:
    """More than fit into one request to the table, or one item."""
    made = index.add(*seconds(*[number / 100 for number in range(300)]), secret_id=SECRET, session="s" * 3_000)
    assert index.search(secret_id=SECRET, limit=100) == ids(made)


def test_records_that_concern_nothing_are_found_by_their_day(index: Index) -> None:
    [record] = ids(index.add(*seconds(1), secret_id="", actor="", request_id=""))
    assert index.search(day=NOW.date()) == [record]


def test_lines_are_kept_aside(index: Index) -> None:
    assert index.writes.keep_aside([UnreadableLine("49", 3, b"rubbish", "not JSON")])
    assert index.search(day=NOW.date()) == []


@pytest.fixture
def dynamo(aws: LocalAws) -> Iterator[tuple[LocalAws, AwsClient]]:
    aws.empty_index()
    with closing(AwsClient(region=REGION)) as client:
        yield aws, client


def writer_of(client: AwsClient, table: str = INDEX) -> DynamoAuditIndexWriter:
    return DynamoAuditIndexWriter(
        client=client, table=table, clock=FakeClock(NOW), randomness=SystemRandomness(), sleep=lambda _: None
    )


def items_of(aws: LocalAws) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.client("dynamodb").scan(TableName=INDEX)["Items"]
    return found


def test_records_that_arrive_together_share_items(dynamo: tuple[LocalAws, AwsClient]) -> None:
    """Fifty reads of one secret in one second: a few items, not hundreds."""
    aws, client = dynamo
    records = Records()
    made = [records.at(NOW, secret_id=SECRET, request_id="one") for _ in range(50)]
    writer_of(client).add(made)
    items = items_of(aws)
    # Four shards by secret, by actor and by day, and the request.
    assert len(items) == 3 * at.SHARDS + 1
    assert {int(item["expireAt"]["N"]) for item in items} == {int((NOW + at.KEPT).timestamp())}


def test_an_item_is_never_too_large(dynamo: tuple[LocalAws, AwsClient]) -> None:
    aws, client = dynamo
    records = Records()
    made = [records.at(NOW, secret_id=SECRET, request_id="one", session=f"{n}" * 50_000) for n in range(10)]
    assert set(writer_of(client).add(made)) == {Kept.STORED}
    index = DynamoAuditIndex(client=client, table=INDEX, clock=FakeClock(NOW))
    page = index.search(AuditQuery(tenant="default", request_id="one", limit=100))
    assert len(page.records) == 10
    assert len(items_of(aws)) > 3 * at.SHARDS + 1


def test_a_rare_match_is_found_over_several_short_pages(dynamo: tuple[LocalAws, AwsClient]) -> None:
    """One answer looks through a bounded part of the table, and its end is where the next one begins."""
    _, client = dynamo
    records = Records()
    made = [records.at(NOW - timedelta(seconds=age), secret_id=SECRET) for age in range(150)]
    [wanted] = [records.at(NOW - timedelta(seconds=200), secret_id=SECRET, actor=ACTOR)]
    writer_of(client).add([*made, wanted])
    index = DynamoAuditIndex(client=client, table=INDEX, clock=FakeClock(NOW))
    query = AuditQuery(tenant="default", secret_id=SECRET, actor=ACTOR, request_id=None, limit=1)
    first = index.search(query)
    assert (first.records, first.last is None) == ((), False)
    found: list[str] = []
    page = first
    while page.last is not None:
        assert page.last in {record.event_id for record in [*made, wanted]}
        page = index.search(replace(query, after=page.last))
        found += [record["eventId"] for record in page.records]
    assert found == [wanted.event_id]


def test_one_record_that_the_table_refuses_leaves_the_others(dynamo: tuple[LocalAws, AwsClient]) -> None:
    """A key may have 2 KB: an actor beyond it can never be indexed."""
    _, client = dynamo
    records = Records()
    made = [records.at(NOW), records.at(NOW, actor="a" * 3_000), records.at(NOW)]
    assert writer_of(client).add(made) == [Kept.STORED, Kept.REFUSED, Kept.STORED]


def test_without_the_table_everything_fails(dynamo: tuple[LocalAws, AwsClient]) -> None:
    _, client = dynamo
    record = Records().at(NOW)
    writer = writer_of(client, "no-such-table")
    assert writer.add([record]) == [Kept.FAILED]
    assert not writer.keep_aside([UnreadableLine("1", 0, b"x", "not JSON")])
    index = DynamoAuditIndex(client=client, table="no-such-table", clock=FakeClock(NOW))
    with pytest.raises(StoreUnavailable):
        index.search(AuditQuery(tenant="default", secret_id=SECRET))
    with pytest.raises(StoreUnavailable):
        index.find("default", record.event_id)


@pytest.mark.parametrize("lines", [b"no compression", b""])
def test_a_damaged_item_is_no_answer(dynamo: tuple[LocalAws, AwsClient], lines: bytes) -> None:
    aws, client = dynamo
    writer_of(client).add([Records().at(NOW, secret_id=SECRET)])
    for item in items_of(aws):
        aws.client("dynamodb").put_item(TableName=INDEX, Item={**item, "lines": {"B": lines}})
    index = DynamoAuditIndex(client=client, table=INDEX, clock=FakeClock(NOW))
    with pytest.raises(IntegrityFailure):
        index.search(AuditQuery(tenant="default", secret_id=SECRET))
