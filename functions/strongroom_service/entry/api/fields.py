"""The texts and secrets that requests consist of, each with its rule in words and as JSON Schema."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from strongroom_service.domain import limits
from strongroom_service.domain.errors import InvalidRequest, ValueTooLarge
from strongroom_service.domain.names import NAMESPACE_RULE, PATH_RULE, Alias, is_namespace, is_path, is_prefix
from strongroom_service.domain.values import SecretValue

RULE: Final = "rule"
"""Type of a validation error whose message is a rule in words."""
TOO_LARGE: Final = "too_large"
"""The same, for a value beyond its limit."""

MAX_VERSION_NUMBER: Final = 10**18 - 1
"""As many digits as `?version=v<number>` admits."""
MAX_CURSOR_LENGTH: Final = 1024


@dataclass(frozen=True, slots=True, eq=False)
class TextRule:
    """A check of a text. `words` says what it must be and never quotes it."""

    accepts: Callable[[str], object]
    words: str
    schema: Mapping[str, Any] = field(default_factory=dict)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), **self.schema}

    def _check(self, text: str) -> str:
        if not self.accepts(text):
            raise PydanticCustomError(RULE, "{words}", {"words": self.words})
        return text


def matches(pattern: str, words: str, **schema: Any) -> TextRule:  # noqa: ANN401  # JSON Schema's keywords
    """The whole text matches a pattern."""
    return TextRule(re.compile(pattern).fullmatch, words, {"pattern": pattern, **schema})


@dataclass(frozen=True, slots=True, eq=False)
class SecretRule:
    """A plaintext: it becomes a `SecretValue` before any error could quote it."""

    parse: Callable[[str], SecretValue]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(self._take)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del schema, handler
        return dict(self.schema)

    def _take(self, given: object) -> SecretValue:
        if not isinstance(given, str):
            raise PydanticCustomError(RULE, "must be text")
        try:
            return self.parse(given)
        except InvalidRequest as refused:
            kind = TOO_LARGE if isinstance(refused, ValueTooLarge) else RULE
            words = refused.violations[0].rule
        raise PydanticCustomError(kind, "{words}", {"words": words})


def _is_free_text(text: str, *, max_length: int) -> bool:
    """Bounded, and without the characters that would upset terminals and tables."""
    return len(text) <= max_length and not any((c < " " and c not in "\t\n") or c == "\x7f" for c in text)


def _is_description(text: str) -> bool:
    return _is_free_text(text, max_length=limits.MAX_DESCRIPTION_LENGTH)


def _is_tag_value(text: str) -> bool:
    return _is_free_text(text, max_length=limits.MAX_TAG_VALUE_LENGTH)


def _is_reason(text: str) -> bool:
    return bool(text.strip()) and _is_free_text(text, max_length=limits.MAX_REASON_LENGTH)


def _is_ticket(text: str) -> bool:
    return bool(text.strip()) and _is_free_text(text, max_length=limits.MAX_TICKET_LENGTH)


def _is_tag_condition(text: str) -> bool:
    key, _, value = text.partition("=")
    return bool(_TAG_KEY.fullmatch(key)) and _is_tag_value(value)


_TAG_KEY: Final = re.compile(limits.TAG_KEY_PATTERN)
_FREE_TEXT: Final = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
_BASE64: Final = r"^[A-Za-z0-9+/]+={0,2}$"
_TIME: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$"

Environment = Annotated[
    str, TextRule(is_namespace, NAMESPACE_RULE, {"pattern": limits.NAMESPACE_PATTERN, "examples": ["prod"]})
]
Path = Annotated[
    str,
    TextRule(
        is_path,
        PATH_RULE,
        {
            "pattern": limits.PATH_PATTERN,
            "minLength": 1,
            "maxLength": limits.MAX_PATH_LENGTH,
            "examples": ["payments/db-password"],
        },
    ),
]
Prefix = Annotated[
    str,
    TextRule(
        is_prefix,
        f"must be empty or begin a path; a path {PATH_RULE}",
        {"pattern": r"^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?)?$", "maxLength": limits.MAX_PATH_LENGTH + 1},
    ),
]
OwnerTeam = Annotated[
    str,
    matches(
        limits.OWNER_TEAM_PATTERN,
        "must be 1 to 128 characters of A-Z, a-z, 0-9, space and ._@/-, beginning with a letter or digit",
        examples=["payments"],
    ),
]
RotationStrategy = Annotated[
    str,
    matches(
        limits.ROTATION_STRATEGY_PATTERN,
        "must be manual or automated-<N>d with N from 1 to 999",
        examples=["manual", "automated-30d"],
    ),
]
Description = Annotated[
    str,
    TextRule(
        _is_description,
        f"must be at most {limits.MAX_DESCRIPTION_LENGTH} characters without control characters",
        {"pattern": _FREE_TEXT, "maxLength": limits.MAX_DESCRIPTION_LENGTH},
    ),
]
TagKey = Annotated[
    str,
    matches(
        limits.TAG_KEY_PATTERN,
        "must have keys of 1 to 64 characters of A-Z, a-z, 0-9, space and ._:/=+@-, beginning with a letter or digit",
    ),
]
TagValue = Annotated[
    str,
    TextRule(
        _is_tag_value,
        f"must have values of at most {limits.MAX_TAG_VALUE_LENGTH} characters without control characters",
        {"pattern": _FREE_TEXT, "maxLength": limits.MAX_TAG_VALUE_LENGTH},
    ),
]
Tags = Annotated[dict[TagKey, TagValue], Field(max_length=limits.MAX_TAGS, examples=[{"service": "checkout"}])]
TagCondition = Annotated[
    str,
    TextRule(
        _is_tag_condition,
        "must be a tag's key, or key=value",
        {"minLength": 1, "maxLength": 64 + 1 + limits.MAX_TAG_VALUE_LENGTH},
    ),
]
Cursor = Annotated[
    str,
    matches(
        rf"^[A-Za-z0-9_-]{{1,{MAX_CURSOR_LENGTH}}}\.[0-9a-f]{{64}}$",
        "must be the nextCursor of the same query",
    ),
]
Timestamp = Annotated[str, matches(_TIME, "must be an RFC 3339 time with an offset", examples=["2027-06-06T14:30:00Z"])]
CLIENT_TOKEN: Final = matches(
    limits.CLIENT_TOKEN_PATTERN,
    "must be 8 to 128 printable ASCII characters without spaces",
    examples=["018f6e2a-put-1"],
)
ClientToken = Annotated[str, CLIENT_TOKEN]
SecretId = Annotated[
    str,
    matches(
        limits.SECRET_ID_PATTERN,
        "must be sec_ and 8 to 40 characters of 0-9, a-f and -",
        examples=["sec_091f-b283-4a11"],
    ),
]
VersionNumber = Annotated[int, Field(ge=1, le=MAX_VERSION_NUMBER, examples=[3])]
VersionNumberText = Annotated[
    str,
    matches(r"^[1-9][0-9]{0,17}$", "must be a version's number, at least 1", examples=["3"]),
]
MovableAlias = Annotated[
    str,
    TextRule(
        frozenset({Alias.CURRENT, Alias.NEXT}).__contains__,
        "must be current or next; previous is set by promotion",
        {"enum": [Alias.CURRENT, Alias.NEXT]},
    ),
]

PlaintextValue = Annotated[
    SecretValue,
    SecretRule(
        SecretValue.from_text,
        {
            "type": "string",
            "format": "password",
            "minLength": 1,
            "maxLength": limits.MAX_VALUE_BYTES,
            "description": f"The value as text, at most {limits.MAX_VALUE_BYTES} bytes in UTF-8.",
        },
    ),
]
PlaintextBase64 = Annotated[
    SecretValue,
    SecretRule(
        SecretValue.from_base64,
        {
            "type": "string",
            "format": "password",
            "contentEncoding": "base64",
            "pattern": _BASE64,
            "minLength": 4,
            "maxLength": -(-limits.MAX_VALUE_BYTES // 3) * 4,
            "description": f"The value as standard base64 with padding, at most {limits.MAX_VALUE_BYTES} bytes.",
        },
    ),
]


def whole_number(low: int, high: int) -> TextRule:
    """A number in a query: its text is digits without sign or leading zero."""

    def accepts(text: str) -> bool:
        return re.fullmatch(r"0|[1-9][0-9]{0,8}", text) is not None and low <= int(text) <= high

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return TextRule(accepts, f"must be a whole number from {low} to {high}", schema)


GRANT_ID: Final = matches(
    limits.GRANT_ID_PATTERN,
    "must be bg_ and a UUID in lower case",
    examples=["bg_0197f6b1-4f6c-7b1e-9d43-1f6f6f0f3c11"],
)
GrantId = Annotated[str, GRANT_ID]
GrantPrefix = Annotated[
    str,
    TextRule(
        lambda text: text != "" and is_prefix(text),
        f"must be whole segments of a path, at least one; a path {PATH_RULE}",
        {
            "pattern": r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?$",
            "minLength": 1,
            "maxLength": limits.MAX_PATH_LENGTH + 1,
            "examples": ["payments"],
        },
    ),
]
GrantReason = Annotated[
    str,
    TextRule(
        _is_reason,
        f"must be 1 to {limits.MAX_REASON_LENGTH} characters, not all blank, without control characters",
        {"pattern": _FREE_TEXT, "minLength": 1, "maxLength": limits.MAX_REASON_LENGTH},
    ),
]
Ticket = Annotated[
    str,
    TextRule(
        _is_ticket,
        f"must be 1 to {limits.MAX_TICKET_LENGTH} characters, not all blank, without control characters",
        {"pattern": _FREE_TEXT, "minLength": 1, "maxLength": limits.MAX_TICKET_LENGTH, "examples": ["INC-4711"]},
    ),
]
GrantMinutes = Annotated[int, Field(ge=1, le=limits.MAX_GRANT_MINUTES, examples=[15])]

RewrapLimit = Annotated[int, Field(ge=1, le=limits.MAX_REWRAP_SECRETS)]
PageSize = Annotated[str, whole_number(1, limits.MAX_PAGE_SIZE)]
RestoreDays = Annotated[str, whole_number(limits.MIN_RESTORE_DAYS, limits.MAX_RESTORE_DAYS)]
Flag = Annotated[str, TextRule(frozenset({"true", "false"}).__contains__, "must be true or false", {"type": "boolean"})]
