"""Typed access to JSON options. Every refusal names the option and its rule."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


class OptionError(ValueError):
    """An option breaks a rule; the text names both."""

    def __init__(self, option: str, rule: str) -> None:
        self.option = option
        self.rule = rule
        super().__init__(f"option {option}: {rule}")


class OptionReader:
    """One JSON object of options. Unknown names are refused: a typing error must not become a silent default."""

    def __init__(self, value: object, *, at: str, known: frozenset[str]) -> None:
        self._at = at
        if not isinstance(value, Mapping):
            raise OptionError(at, "must be a JSON object")
        self._values = value
        for name in value:
            if name not in known:
                meant = "".join(f" (is {it} meant?)" for it in get_close_matches(str(name), known, n=1))
                rule = f"is not known{meant}; the options here are {', '.join(sorted(known))}"
                raise OptionError(f"{at}.{name}", rule)

    def name(self, option: str) -> str:
        """The option's full name, as refusals give it."""
        return f"{self._at}.{option}"

    def raw(self, option: str) -> object:
        """The value as it stands, None if it is absent."""
        return self._values.get(option)

    def text(self, option: str, *, pattern: str, rule: str) -> str:
        """Text that must be there and match the pattern."""
        return check_text(self.raw(option), at=self.name(option), pattern=pattern, rule=rule)

    def optional_text(self, option: str, *, pattern: str, rule: str) -> str | None:
        """Text that matches the pattern, or None if it is absent."""
        return None if self.raw(option) is None else self.text(option, pattern=pattern, rule=rule)

    def choice(self, option: str, choices: tuple[str, ...], *, default: str) -> str:
        """One of a few words."""
        value = self.raw(option)
        if value is None:
            return default
        if value not in choices:
            raise OptionError(self.name(option), f"must be one of {', '.join(choices)}")
        return str(value)

    def number(self, option: str, *, default: int | None, at_least: int, at_most: int) -> int:
        """A whole number within bounds; without a default it must be there."""
        value = default if self.raw(option) is None else self.raw(option)
        if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= at_most:
            raise OptionError(self.name(option), f"must be a whole number from {at_least} to {at_most}")
        return value

    def switch(self, option: str, *, default: bool) -> bool:
        """True or false."""
        value = default if self.raw(option) is None else self.raw(option)
        if not isinstance(value, bool):
            raise OptionError(self.name(option), "must be true or false")
        return value

    def each(self, option: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
        """A list whose entries `read` checks; empty if it is absent."""
        value = [] if self.raw(option) is None else self.raw(option)
        if not isinstance(value, list):
            raise OptionError(self.name(option), "must be a list")
        return tuple(read(entry, f"{self.name(option)}[{index}]") for index, entry in enumerate(value))


def check_text(value: object, *, at: str, pattern: str, rule: str) -> str:
    """Text that matches the whole pattern."""
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise OptionError(at, rule)
    return value
