"""The consistency token: a total order over all states of a secret, rollbacks too."""

import re
from dataclasses import dataclass
from typing import Final, Self

from .errors import InvalidRequest, Violation

_TOKEN: Final = re.compile(r"([0-9]{1,10})\.([0-9]{1,18})")


@dataclass(frozen=True, slots=True, order=True)
class ConsistencyToken:
    """`epoch.revision` of a head, compared as a pair."""

    epoch: int
    revision: int

    @classmethod
    def parse(cls, text: object, *, field: str = "minToken") -> Self:
        """Read `epoch.revision`; raises `InvalidRequest`."""
        match = _TOKEN.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise InvalidRequest([Violation(field, "must be a consistency token, two numbers joined by '.'")])
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.epoch}.{self.revision}"
