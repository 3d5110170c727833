"""How a secret is named: tenant, environment, path; and how a version is asked for."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from . import limits
from .errors import InvalidRequest, Violation

_NAMESPACE: Final = re.compile(limits.NAMESPACE_PATTERN)
_PATH: Final = re.compile(limits.PATH_PATTERN)
_NUMBER: Final = re.compile(r"v([1-9][0-9]{0,17})")

NAMESPACE_RULE: Final = "must be 1 to 32 characters of a-z, 0-9 and -"
PATH_RULE: Final = (
    f"must be 1 to {limits.MAX_PATH_SEGMENTS} segments of A-Z, a-z, 0-9, '.', '_' and '-' joined by '/', "
    f"at most {limits.MAX_PATH_LENGTH} characters, no segment empty, '.' or '..'"
)
SELECTOR_RULE: Final = "must be current, previous, next or v<number>"


class Alias(StrEnum):
    """The pointers that a secret has."""

    CURRENT = "current"
    PREVIOUS = "previous"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A tenant's environment: the scope of one namespace key and of one listing."""

    tenant: str
    environment: str


@dataclass(frozen=True, slots=True)
class SecretName:
    """Where a secret lives. Build it with `parse` wherever any part is a caller's word."""

    tenant: str
    environment: str
    path: str

    @classmethod
    def parse(cls, *, tenant: str, environment: object, path: object) -> Self:
        """Check the parts and name the secret; raises `InvalidRequest` with each broken rule."""
        violations = []
        if not is_namespace(environment):
            violations.append(Violation("environment", NAMESPACE_RULE))
        if not is_path(path):
            violations.append(Violation("path", PATH_RULE))
        if violations or not isinstance(environment, str) or not isinstance(path, str):
            raise InvalidRequest(violations)
        return cls(tenant, environment, path)

    @classmethod
    def parse_secret_path(cls, *, tenant: str, secret_path: object, field: str = "secretPath") -> Self:
        """Read `environment/path`, the form in which callers quote a secret."""
        environment, _, path = secret_path.partition("/") if isinstance(secret_path, str) else ("", "", "")
        if not is_namespace(environment) or not is_path(path):
            raise InvalidRequest(
                [Violation(field, f"must be environment/path; environment {NAMESPACE_RULE}; path {PATH_RULE}")]
            )
        return cls(tenant, environment, path)

    @property
    def namespace(self) -> Namespace:
        """The tenant and environment."""
        return Namespace(self.tenant, self.environment)

    @property
    def secret_path(self) -> str:
        """`environment/path`, as callers see it."""
        return f"{self.environment}/{self.path}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Which version is meant: exactly one of an alias and a number."""

    alias: Alias | None = None
    number: int | None = None

    @classmethod
    def parse(cls, text: object, *, field: str = "version") -> Self:
        """Read `current`, `previous`, `next` or `v3`; None means `current`."""
        if text is None:
            return cls(alias=Alias.CURRENT)
        if isinstance(text, str):
            if text in _ALIASES:
                return cls(alias=Alias(text))
            if match := _NUMBER.fullmatch(text):
                return cls(number=int(match[1]))
        raise InvalidRequest([Violation(field, SELECTOR_RULE)])


_ALIASES: Final = frozenset(Alias)


def is_namespace(text: object) -> bool:
    """Whether the text can be a tenant or an environment."""
    return isinstance(text, str) and _NAMESPACE.fullmatch(text) is not None


def is_path(text: object) -> bool:
    """Whether the text can be a secret's path."""
    return (
        isinstance(text, str)
        and len(text) <= limits.MAX_PATH_LENGTH
        and _PATH.fullmatch(text) is not None
        and text.count("/") < limits.MAX_PATH_SEGMENTS
        and not any(segment in {".", ".."} for segment in text.split("/"))
    )


def is_prefix(text: object) -> bool:
    """Whether the text can begin a path: a path, or one with a trailing slash."""
    return text == "" or is_path(text) or (isinstance(text, str) and text.endswith("/") and is_path(text[:-1]))
