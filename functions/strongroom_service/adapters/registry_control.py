"""The registry ports of the write side."""

from strongroom_service.domain.errors import InvalidRequest, Violation
from strongroom_service.domain.public_keys import KeySet

from .crypto_keys import is_usable
from .registry import StoredRegistry


class CheckedRegistry(StoredRegistry):
    """A registry that tries keys before they are stored. Apart, since readers need no library for it."""

    def check(self, keys: KeySet) -> None:
        """Make sure that keys can verify anything; raises `InvalidRequest`."""
        unusable = [index for index, key in enumerate(keys.keys) if not is_usable(key)]
        if unusable:
            rule = "must be a key: its point is not on its curve"
            raise InvalidRequest([Violation(f"jwks.keys[{index}]", rule) for index in unusable])
