"""The reader's requests, from API Gateway events to typed items; bad input is refused with field and rule."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from strongroom_service.domain import limits
from strongroom_service.domain.consistency import ConsistencyToken
from strongroom_service.domain.errors import InvalidRequest, Violation
from strongroom_service.domain.names import SecretName, Selector
from strongroom_service.usecases.read_revisions import RevisionItem
from strongroom_service.usecases.read_values import ReadItem

from .json_body import parse_body

T = TypeVar("T")

_READ_PARAMETERS: Final = ("version", "minToken")


def parse_read(event: Mapping[str, Any], *, tenant: str) -> ReadItem:
    """`GET /values/{environment}/{path+}?version=&minToken=`."""
    parameters = event.get("pathParameters") or {}
    query = single_query_parameters(event, allowed=_READ_PARAMETERS)
    name = SecretName.parse(tenant=tenant, environment=parameters.get("environment"), path=parameters.get("path"))
    return ReadItem(name, Selector.parse(query.get("version")), _token(query.get("minToken"), "minToken"))


def parse_batch(event: Mapping[str, Any], *, tenant: str) -> list[ReadItem]:
    """`POST /batch/values`: `{"items": [{"secretPath", "version", "minToken"}]}`."""

    def parse(item: Mapping[str, Any], field: str) -> ReadItem:
        return ReadItem(
            SecretName.parse_secret_path(tenant=tenant, secret_path=item["secretPath"], field=f"{field}.secretPath"),
            Selector.parse(item.get("version"), field=f"{field}.version"),
            _token(item.get("minToken"), f"{field}.minToken"),
        )

    return _parse_items(event, ("secretPath", "version", "minToken"), parse)


def parse_revisions(event: Mapping[str, Any], *, tenant: str) -> list[RevisionItem]:
    """`POST /revisions`: `{"items": [{"secretPath", "token"}]}`."""

    def parse(item: Mapping[str, Any], field: str) -> RevisionItem:
        return RevisionItem(
            SecretName.parse_secret_path(tenant=tenant, secret_path=item["secretPath"], field=f"{field}.secretPath"),
            _token(item.get("token"), f"{field}.token"),
        )

    return _parse_items(event, ("secretPath", "token"), parse)


def single_query_parameters(event: Mapping[str, Any], *, allowed: Sequence[str]) -> dict[str, str]:
    """The query's parameters, each given once at most and none unknown."""
    single = event.get("queryStringParameters") or {}
    several = event.get("multiValueQueryStringParameters") or {}
    if any(name not in allowed for name in (*single, *several)):
        raise InvalidRequest([Violation("query", f"must have no parameters but {', '.join(allowed)}")])
    violations = [Violation(name, "must be given once") for name in allowed if len(several.get(name) or ()) > 1]
    if violations:
        raise InvalidRequest(violations)
    return {**{name: values[0] for name, values in several.items() if values}, **single}


def _parse_items(
    event: Mapping[str, Any], known: Sequence[str], parse: Callable[[Mapping[str, Any], str], T]
) -> list[T]:
    """The items of a body, with every broken rule of all of them."""
    single_query_parameters(event, allowed=())
    body = parse_body(event)
    if set(body) != {"items"}:
        raise InvalidRequest([Violation("body", "must have exactly one field, items")])
    items = body["items"]
    if not isinstance(items, list) or not 1 <= len(items) <= limits.MAX_BATCH_ITEMS:
        raise InvalidRequest([Violation("items", f"must be a list of 1 to {limits.MAX_BATCH_ITEMS} objects")])
    parsed: list[T] = []
    violations: list[Violation] = []
    for index, item in enumerate(items):
        field = f"items[{index}]"
        if not isinstance(item, dict) or "secretPath" not in item or not set(item).issubset(known):
            violations.append(
                Violation(field, f"must be an object with secretPath and no fields but {', '.join(known)}")
            )
            continue
        try:
            parsed.append(parse(item, field))
        except InvalidRequest as invalid:
            violations.extend(invalid.violations)
    if violations:
        raise InvalidRequest(violations)
    return parsed


def _token(text: object, field: str) -> ConsistencyToken | None:
    return None if text is None else ConsistencyToken.parse(text, field=field)
