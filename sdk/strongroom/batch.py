"""Reading many secrets: batches of up to 50, each item with a result or an error of its own."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from .cache import Cache
from .errors import (
    CredentialsError,
    ReplicaBehind,
    ResponseTooLarge,
    StrongroomError,
    TryLater,
)
from .paths import CURRENT, format_token
from .reading import DECISIONS, Reader, Wanted, is_new_enough
from .responses import parse_batch
from .router import Router
from .secret import Secret
from .signing import Call, json_body
from .surroundings import Surroundings
from .transport import Response

MAX_ITEMS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What became of each path: it is in `secrets` or in `errors`, never in both, never in neither."""

    secrets: Mapping[str, Secret]
    errors: Mapping[str, StrongroomError]

    def __getitem__(self, path: str) -> Secret:
        """The secret of a path; raises the path's error, or `KeyError` when it was not asked for."""
        if path in self.errors:
            raise self.errors[path]
        return self.secrets[path]

    def require_all(self) -> Mapping[str, Secret]:
        """All secrets; raises the first error if there is one."""
        for error in self.errors.values():
            raise error
        return self.secrets


@dataclass(slots=True)
class _Progress:
    """What is known of a `get_many` so far."""

    secrets: dict[str, Secret] = field(default_factory=dict)
    errors: dict[str, StrongroomError] = field(default_factory=dict)


class BatchReader:
    """Reads many secrets through cache and regions. Thread-safe."""

    def __init__(
        self,
        *,
        cache: Cache,
        router: Router,
        reader: Reader,
        surroundings: Surroundings,
        headers: Mapping[str, str],
    ) -> None:
        self._cache = cache
        self._router = router
        self._reader = reader
        self._around = surroundings
        self._headers = headers

    def read(self, wanted: Sequence[Wanted], *, deadline: timedelta) -> Batch:
        """A result or an error for each. Raises `CredentialsError` only."""
        progress = _Progress()
        missing: dict[str, Wanted] = {}
        for one in wanted:
            entry = self._cache.entries.get(one.key)
            if entry is not None and self._around.clock() < entry.fresh_until:
                next(entry.hits)
                progress.secrets[one.path] = entry.secret
            else:
                missing[one.path] = one
        if missing and self._router.all_open():
            self._serve_stale(missing, progress, code="regions_open")
        rest = list(missing.values())
        for start in range(0, len(rest), MAX_ITEMS):
            self._read_batch(rest[start : start + MAX_ITEMS], progress, deadline=deadline)
        order = {one.path: None for one in wanted}
        return Batch(
            secrets={path: progress.secrets[path] for path in order if path in progress.secrets},
            errors={path: progress.errors[path] for path in order if path in progress.errors},
        )

    def _read_batch(self, wanted: Sequence[Wanted], progress: _Progress, *, deadline: timedelta) -> None:
        ends = self._around.clock() + deadline.total_seconds()
        exchange = _Exchange(self._cache, self._reader, wanted, progress, headers=self._headers)
        while exchange.pending:
            before = len(exchange.pending)
            left = timedelta(seconds=ends - self._around.clock())
            try:
                self._router.read(exchange.build, exchange.parse, deadline=left)
            except CredentialsError:
                raise
            except StrongroomError as error:
                if isinstance(error, TryLater):
                    self._serve_stale(exchange.pending, progress, code=error.code)
                exchange.give_up(error)
            if len(exchange.pending) == before:  # not even one fits into an answer
                exchange.give_up(ResponseTooLarge("the value does not fit into one answer"))

    def _serve_stale(self, missing: dict[str, Wanted], progress: _Progress, *, code: str) -> None:
        for path, one in list(missing.items()):
            secret = self._reader.stale(one, code=code)
            if secret is not None:
                progress.secrets[path] = secret
                del missing[path]


class _Exchange:
    """One batch on its way: what is still pending shrinks with each answer, whichever region gives it."""

    def __init__(
        self,
        cache: Cache,
        reader: Reader,
        wanted: Iterable[Wanted],
        progress: _Progress,
        *,
        headers: Mapping[str, str],
    ) -> None:
        self.pending = {one.path: one for one in wanted}
        self._cache = cache
        self._reader = reader
        self._progress = progress
        self._headers = headers
        self._asked: list[Wanted] = []
        self._failures: dict[str, StrongroomError] = {}
        self._generation = cache.generation

    def build(self) -> Call:
        """The request for what is pending."""
        self._asked = list(self.pending.values())
        body = json_body({"items": [self._item(one) for one in self._asked]})
        return Call(method="POST", path="/batch/values", body=body, headers=self._headers)

    def parse(self, response: Response) -> None:
        """Take the results; raises a `TryLater` when another region may have what is missing."""
        self._failures = {}
        results = parse_batch(response, paths=[one.path for one in self._asked])
        for one, result in zip(self._asked, results, strict=True):
            self._take(one, result)
        moving = [failure for failure in self._failures.values() if isinstance(failure, TryLater)]
        if moving:
            behind = (failure for failure in moving if isinstance(failure, ReplicaBehind))
            raise copy.copy(next(behind, moving[0]))

    def give_up(self, error: StrongroomError) -> None:
        """Settle what is pending with its own last failure or, without one, that of the whole batch."""
        for path in self.pending:
            self._progress.errors[path] = self._failures.get(path) or copy.copy(error)
        self.pending.clear()

    def _item(self, one: Wanted) -> dict[str, str]:
        item = {"secretPath": one.path}
        if one.version != CURRENT:
            item["version"] = one.version
        seen = self._cache.newest_seen(one.path)
        return item if seen is None else item | {"minToken": format_token(seen)}

    def _take(self, one: Wanted, result: Secret | StrongroomError) -> None:
        if isinstance(result, TryLater | ResponseTooLarge):
            self._failures[one.path] = result
        elif isinstance(result, StrongroomError):
            if isinstance(result, DECISIONS):
                self._cache.drop(one.key)
            self._progress.errors[one.path] = result
            del self.pending[one.path]
        elif not is_new_enough(result, self._cache.newest_seen(one.path)):
            message = "the region answered with an older state than asked for"
            self._failures[one.path] = ReplicaBehind(message, region=result.region)
        else:
            self._reader.keep(result, version=one.version, wanted=lambda: self._cache.generation == self._generation)
            self._progress.secrets[one.path] = result
            del self.pending[one.path]
