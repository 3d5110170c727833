"""Which requests fail and how: the rules, and the regions that are cut off."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

ANY = "*"


class Kind(StrEnum):
    """What happens to a request that a rule hits."""

    REFUSE = "refuse"
    """The connection is reset before anything was forwarded."""
    TIMEOUT = "timeout"
    """Nothing is forwarded and nothing is answered until the caller gives up."""
    DELAY = "delay"
    """The request is forwarded after `seconds`."""
    THROTTLE = "throttle"
    """The service's own throttling error."""
    ERROR = "error5xx"
    """The service's own internal error."""
    LOSE = "lose"
    """The request takes effect, and its answer is lost."""
    PARTIAL = "partial"
    """A PutRecords call takes effect for all but `share` of its records, which it reports as throttled."""


class InvalidRule(ValueError):
    """A rule that the proxy cannot follow; the message names the field."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the proxy knows of a request: where it is signed for, and what it asks."""

    region: str
    service: str
    operation: str


@dataclass(slots=True, kw_only=True)
class Rule:
    """One fault. `share` of the matching requests are hit, evenly spread; `times` bounds how many, None is no bound."""

    kind: Kind
    region: str = ANY
    service: str = ANY
    operation: str = ANY
    seconds: float = 0.0
    share: float = 1.0
    times: int | None = None
    hits: int = 0
    _due: float = field(default=0.0, repr=False)

    def matches(self, request: Request) -> bool:
        """Whether the rule speaks of this request."""
        return (
            self.region in {ANY, request.region}
            and self.service in {ANY, request.service}
            and self.operation in {ANY, request.operation}
        )

    def take(self) -> bool:
        """Whether this request is one of those that the rule hits; counts it."""
        if self.times is not None and self.hits >= self.times:
            return False
        if self.kind is not Kind.PARTIAL:
            # Every n-th instead of a coin toss: the same run gives the same faults.
            self._due += self.share
            if self._due < 1.0:
                return False
            self._due -= 1.0
        self.hits += 1
        return True

    def delay(self) -> timedelta:
        """How long a delayed request waits."""
        return timedelta(seconds=self.seconds)


_FIELDS = frozenset({"kind", "region", "service", "operation", "seconds", "share", "times"})


def parse_rule(value: object) -> Rule:
    """A rule from its JSON form; raises `InvalidRule`."""
    if not isinstance(value, Mapping):
        raise InvalidRule("a rule is a JSON object")
    unknown = sorted(set(value) - _FIELDS)
    if unknown:
        raise InvalidRule(f"unknown field {unknown[0]}; known are {', '.join(sorted(_FIELDS))}")
    try:
        kind = Kind(str(value.get("kind")))
    except ValueError as error:
        raise InvalidRule(f"kind must be one of {', '.join(Kind)}") from error
    times = value.get("times")
    rule = Rule(
        kind=kind,
        region=str(value.get("region", ANY)),
        service=str(value.get("service", ANY)),
        operation=str(value.get("operation", ANY)),
        seconds=_number(value, "seconds", 0.0),
        share=_number(value, "share", 1.0),
        times=None if times is None else int(_number(value, "times", 0.0)),
    )
    if not 0.0 < rule.share <= 1.0:
        raise InvalidRule("share must be above 0 and at most 1")
    return rule


def _number(value: Mapping[str, Any], name: str, default: float) -> float:
    found = value.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int | float) or found < 0:
        raise InvalidRule(f"{name} must be a number of at least 0")
    return float(found)


@dataclass(slots=True)
class RuleBook:
    """The rules in force, the first that hits decides; a region that is cut off comes before all of them."""

    rules: dict[int, Rule] = field(default_factory=dict)
    cut_off: dict[str, Kind] = field(default_factory=dict)
    _last_id: int = 0

    def add(self, rule: Rule) -> int:
        """Put a rule in force; returns its id."""
        self._last_id += 1
        self.rules[self._last_id] = rule
        return self._last_id

    def remove(self, rule_id: int) -> None:
        """End a rule; unknown ids are ignored, so that clean-up may run twice."""
        self.rules.pop(rule_id, None)

    def cut(self, region: str, how: Kind) -> None:
        """Make a region unreachable: its API and every call signed for it."""
        if how not in {Kind.REFUSE, Kind.TIMEOUT}:
            raise InvalidRule("a region is cut off by refuse or timeout")
        self.cut_off[region] = how

    def join(self, region: str) -> None:
        """Make a region reachable again."""
        self.cut_off.pop(region, None)

    def clear(self) -> None:
        """End every fault."""
        self.rules.clear()
        self.cut_off.clear()

    def decide(self, request: Request) -> Rule | None:
        """The rule that hits a request, or None to let it pass."""
        if request.region in self.cut_off:
            return Rule(kind=self.cut_off[request.region], region=request.region)
        for rule in self.rules.values():
            if rule.matches(request) and rule.take():
                return rule
        return None

    def state(self) -> dict[str, Any]:
        """The rules and cuts in force, as JSON."""
        return {
            "rules": [{"id": rule_id, **_public(rule)} for rule_id, rule in self.rules.items()],
            "cutOff": {region: str(how) for region, how in sorted(self.cut_off.items())},
        }


def _public(rule: Rule) -> dict[str, Any]:
    return {name: value for name, value in asdict(rule).items() if not name.startswith("_")}
