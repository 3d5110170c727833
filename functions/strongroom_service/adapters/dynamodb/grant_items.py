"""Requests for grants in the secrets table: one item each, and one more while something is to be done about it."""

from collections.abc import Mapping, Sequence
from typing import Any

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.domain.break_glass import BreakGlass
from strongroom_service.usecases.ports import GrantChange, GrantPage, Randomness

from . import layout as at
from .grant_codec import decode_request, encode_request
from .table_calls import QUERY, TableCalls, typed


class DynamoGrantStore:
    """The grant store port. Every read is strongly consistent within its region."""

    def __init__(self, *, client: AwsClient, table: str, randomness: Randomness) -> None:
        self._calls = TableCalls(client=client, table=table, randomness=randomness)

    def load(self, tenant: str, grant_id: str) -> BreakGlass | None:
        """A request. Raises `StoreUnavailable` or `Throttled`."""
        item = self._calls.get(at.grant_key(tenant, grant_id))
        return decode_request(item) if item else None

    def find(self, tenant: str, token: str) -> BreakGlass | None:
        """The request that was made with a client token. Raises `StoreUnavailable` or `Throttled`."""
        item = self._calls.get(at.grant_token_key(tenant, token))
        return self.load(tenant, item[at.GRANT_ID]["S"]) if item else None

    def page(self, tenant: str, *, after: str | None, limit: int) -> GrantPage:
        """A page of a tenant's requests, the latest first. Raises `StoreUnavailable` or `Throttled`."""
        start = {"ExclusiveStartKey": typed(at.grant_key(tenant, after))} if after else {}
        pk = at.grant_key(tenant, "").pk
        answer = self._query(pk, at.GRANT_PREFIX, ScanIndexForward=False, Limit=limit, **start)
        last = answer.get("LastEvaluatedKey")
        return GrantPage(
            tuple(decode_request(item) for item in answer["Items"]),
            last[at.SK]["S"].removeprefix(at.GRANT_PREFIX) if last else None,
        )

    def open_requests(self) -> Sequence[tuple[str, str]]:
        """Every open request of every tenant. Raises `StoreUnavailable` or `Throttled`."""
        found: list[tuple[str, str]] = []
        more: dict[str, Any] = {}
        while True:
            answer = self._query(at.OPEN_GRANTS, "", **more)
            found += [at.parse_open_grant(item[at.SK]["S"]) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return found
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def commit(self, change: GrantChange, *, epoch: int) -> None:
        """Store a change. Raises `ChangeLost`, `RegionFenced`, `StoreUnavailable` or `Throttled`."""
        pk = at.grant_key(change.after.tenant, change.after.id).pk
        self._calls.transact([self._calls.check_fence(pk, epoch), *grant_actions(self._calls.table, change)])

    def _query(self, pk: str, prefix: str, **said: object) -> dict[str, Any]:
        condition, values = "#pk = :pk", {":pk": {"S": pk}}
        names = {"#pk": at.PK}
        if prefix:
            condition += " AND begins_with(#sk, :prefix)"
            names["#sk"] = at.SK
            values[":prefix"] = {"S": prefix}
        return self._calls.call(
            QUERY,
            {
                "TableName": self._calls.table,
                "KeyConditionExpression": condition,
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": values,
                "ConsistentRead": True,
                **said,
            },
        )


def grant_actions(table: str, change: GrantChange) -> Sequence[Mapping[str, Any]]:
    """A change's part of a transaction."""
    before, after = change.before, change.after
    put: dict[str, Any] = {
        "TableName": table,
        "Item": {**typed(at.grant_key(after.tenant, after.id)), **encode_request(after)},
    }
    if before is None:
        put |= _absent()
    else:
        put |= {
            "ConditionExpression": "#epoch = :epoch AND #revision = :revision",
            "ExpressionAttributeNames": {"#epoch": at.EPOCH, "#revision": at.REVISION},
            "ExpressionAttributeValues": {
                ":epoch": {"N": str(before.epoch)},
                ":revision": {"N": str(before.revision)},
            },
        }
    actions: list[Mapping[str, Any]] = [{"Put": put}]
    listed = typed(at.open_grant_key(after.tenant, after.id))
    if before is None:
        actions.append({"Put": {"TableName": table, "Item": listed}})
    elif before.is_open and not after.is_open:
        actions.append({"Delete": {"TableName": table, "Key": listed}})
    if change.token is not None:
        item = {**typed(at.grant_token_key(after.tenant, change.token)), at.GRANT_ID: {"S": after.id}}
        actions.append({"Put": {"TableName": table, "Item": item, **_absent()}})
    return actions


def _absent() -> dict[str, Any]:
    return {"ConditionExpression": "attribute_not_exists(#pk)", "ExpressionAttributeNames": {"#pk": at.PK}}
