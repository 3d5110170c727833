"""Replaces a function of MiniStack by one of ours, and refuses loudly when a new release no longer has it."""

from collections.abc import Callable
from typing import Any, TypeAlias

Untyped: TypeAlias = Any
"""A value of MiniStack's, which carries no types: named, so that each place where checking ends can be found."""


class ExtensionMismatch(RuntimeError):
    """MiniStack no longer has a part that an extension builds on: the extension needs another look."""


def original(module: Untyped, name: str) -> Callable[..., Any]:
    """The callable `name` of a MiniStack module."""
    found = getattr(module, name, None)
    if not callable(found):
        raise ExtensionMismatch(f"{module.__name__} has no callable {name}")
    return found  # type: ignore[no-any-return]  # MiniStack carries no types


def replace(module: Untyped, name: str, replacement: Callable[..., Any]) -> None:
    """Put `replacement` in the place of the callable `name` of a MiniStack module."""
    original(module, name)
    setattr(module, name, replacement)
