"""The receipt of a read: `eventId.chainId.sequence.hash` of the record that let it out."""

import re
from dataclasses import dataclass
from typing import Final, Self

from .errors import OptionInvalid

_FORM: Final = re.compile(r"([0-9A-Za-z-]{1,64})\.([0-9a-f]{32})\.([1-9]\d{0,15})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Receipt:
    """Which record a read's answer named."""

    event_id: str
    chain_id: str
    sequence: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a receipt; raises `OptionInvalid`."""
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise OptionInvalid("a receipt is eventId.chainId.sequence.hash, as in a read's answer")
        return cls(found[1], found[2], int(found[3]), found[4])

    def __str__(self) -> str:
        return f"{self.event_id}.{self.chain_id}.{self.sequence}.{self.hash}"
