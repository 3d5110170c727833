"""Listing: pages by path, conditions, and cursors that belong to one query."""

from dataclasses import replace
from typing import Any

import pytest

from strongroom_service.domain.access import Action
from strongroom_service.domain.audit import Phase
from strongroom_service.domain.errors import (
    AccessDenied,
    AuditUnavailable,
    DomainError,
    InvalidRequest,
    KmsUnavailable,
    ReplicaBehind,
    StoreUnavailable,
)
from strongroom_service.domain.names import Namespace, SecretName
from strongroom_service.usecases.change_secret import delete_secret
from strongroom_service.usecases.list_secrets import Listed, Query, list_secrets
from tests.support.deployment import CALLER, REPLICA, Deployment

NAMESPACE = Namespace("default", "prod")


def fill(deployment: Deployment) -> None:
    for path in ("b/two", "a/one", "b/one", "c"):
        deployment.register(SecretName("default", "prod", path), tags={"tier": path[0]})


def page(deployment: Deployment, *, region: str = "us-east-1", **said: Any) -> Listed:
    query = Query(**{"namespace": NAMESPACE, "limit": 2, **said})
    return list_secrets(query, caller=CALLER, ports=deployment.write_ports(region=region))


def paths(listed: Listed) -> list[str]:
    return [head.name.path for head in listed.heads]


def test_pages_follow_each_other_by_path(deployment: Deployment) -> None:
    fill(deployment)
    first = page(deployment)
    second = page(deployment, cursor=first.next_cursor)
    last = page(deployment, cursor=second.next_cursor)
    assert [paths(first), paths(second), paths(last)] == [["a/one", "b/one"], ["b/two", "c"], []]
    assert last.next_cursor is None


def test_conditions(deployment: Deployment) -> None:
    fill(deployment)
    assert paths(page(deployment, prefix="b/", limit=10)) == ["b/one", "b/two"]
    assert paths(page(deployment, tag="tier=c", limit=10)) == ["c"]
    assert paths(page(deployment, tag="tier", limit=10)) == ["a/one", "b/one", "b/two", "c"]
    assert paths(page(deployment, tag="other", limit=10)) == []
    assert paths(page(deployment, namespace=Namespace("default", "test"))) == []


def test_deleted_secrets_are_listed_when_asked_for(deployment: Deployment) -> None:
    target = deployment.stored("first")
    delete_secret(7, target=target, caller=CALLER, ports=deployment.write_ports())
    assert paths(page(deployment)) == []
    assert paths(page(deployment, include_deleted=True)) == ["payments/db-password"]


@pytest.mark.parametrize(
    "change", [{"prefix": "b/"}, {"tag": "tier"}, {"include_deleted": True}, {"namespace": Namespace("other", "prod")}]
)
def test_a_cursor_is_good_for_its_query_only(deployment: Deployment, change: dict[str, Any]) -> None:
    fill(deployment)
    deployment.register(SecretName("other", "prod", "z"))
    cursor = page(deployment).next_cursor
    with pytest.raises(InvalidRequest) as invalid:
        page(deployment, cursor=cursor, **change)
    assert [violation.field for violation in invalid.value.violations] == ["cursor"]


@pytest.mark.parametrize("made_up", ["", ".", "YS9vbmU.00", "YS9vbmU", "****", "\u00e4.\u00e4", "Li4.0"])
def test_a_cursor_cannot_be_made_up(deployment: Deployment, made_up: str) -> None:
    fill(deployment)
    with pytest.raises(InvalidRequest):
        page(deployment, cursor=made_up)


def test_what_may_not_be_listed_is_left_out(deployment: Deployment) -> None:
    fill(deployment)
    deployment.policy.rule = lambda _action, resource: resource.path is None or not resource.path.startswith("b/")
    assert paths(page(deployment, limit=10)) == ["a/one", "c"]


def test_a_listing_is_recorded_before_it_is_told(deployment: Deployment) -> None:
    fill(deployment)
    page(deployment)
    assert deployment.audit.events[-1].phase is Phase.RELEASE
    deployment.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        page(deployment)


@pytest.mark.parametrize(
    ("operation", "error"),
    [("store.list_heads", StoreUnavailable()), ("encryption.keyed_digest", KmsUnavailable())],
    ids=["the store", "the cursor's key"],
)
def test_a_listing_that_fails_is_not_recorded_as_told(
    deployment: Deployment, operation: str, error: DomainError
) -> None:
    fill(deployment)
    before = len(deployment.audit.events)
    deployment.failures.plan(operation, error)
    with pytest.raises(type(error)):
        page(deployment)
    assert len(deployment.audit.events) == before


def test_a_denied_listing_is_recorded(deployment: Deployment) -> None:
    deployment.policy.allowed.discard(Action.LIST)
    with pytest.raises(AccessDenied):
        page(deployment)
    assert deployment.audit.events[-1].phase is Phase.DENIAL


def test_a_replica_without_the_namespaces_key_cannot_seal_a_cursor_yet(deployment: Deployment) -> None:
    fill(deployment)
    key = ("namespace keys", NAMESPACE)
    deployment.replica.waiting = [write for write in deployment.replica.waiting if write.key != key]
    deployment.arrive()
    with pytest.raises(ReplicaBehind):
        page(deployment, region=REPLICA)
    assert len(page(deployment, region=REPLICA, limit=10).heads) == 4


def test_a_page_shows_no_versions_and_no_envelopes(deployment: Deployment) -> None:
    deployment.stored("first")
    [head] = page(deployment).heads
    assert (head.versions, head.envelopes) == ({}, {})
    assert replace(deployment.head(), versions={}, envelopes={}, client_tokens=()) == head
