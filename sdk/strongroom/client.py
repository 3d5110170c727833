"""The client that users import: cached reads, reads of many, and one-call writes, over several regions."""

import os
import ssl
import weakref
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from . import writing
from .batch import Batch, BatchReader
from .cache import Cache
from .config import find_deployment
from .credentials import CredentialResolver, Credentials, CredentialSession
from .errors import ClientClosed, ConfigurationError, InvalidRequest
from .paths import CURRENT, check_path, check_version, parse_token
from .reading import Reader, Wanted, is_new_enough
from .regions import Region
from .reporting import Reporter
from .responses import StoredVersion
from .router import Router
from .secret import Secret
from .surroundings import Surroundings
from .transport import Transport
from .writing import Expect, Generate, Metadata

DEADLINE: Final = timedelta(seconds=3)
WRITE_DEADLINE: Final = timedelta(seconds=15)
"""The admin function itself ends after 15 seconds."""
CACHE_TTL: Final = timedelta(minutes=2)
STALE_LIMIT: Final = timedelta(minutes=10)
"""With the time to live and its jitter this stays below a rotation's overlap of 15 minutes."""
CACHE_ENTRIES: Final = 1000
REPORT_INTERVAL: Final = timedelta(minutes=5)


class Client:
    """Reads and writes secrets. Safe to share between threads and to carry across a fork; see `docs/sdk.md`.

    Every option has a default; regions and identity can come from the environment or a file (`config.py`).

    Args:
        regions: ordered: reads go to the first that answers.
        config_file: JSON with the regions, as `make up` writes it; instead of `STRONGROOM_CONFIG`.
        identity: an entry of the file's `identities` to sign as.
        tenant: which tenant to speak for, for principals of several.
        credentials: botocore or boto3 credentials; refreshable ones refresh themselves.
        session: a botocore or boto3 session whose chain finds credentials. Default: botocore's own chain.
        deadline: for each read, over all attempts in all regions.
        write_deadline: the same for each write.
        cache_ttl: how long an answer is served from memory, give or take a tenth.
        stale_limit: how much longer while no region answers; zero turns it off.
        cache_entries: how many answers are kept; zero turns the cache off.
        report_interval: how often reads that memory served are reported to the audit; zero turns it off.
        ssl_context: for private authorities. Default: the system's, or those of `AWS_CA_BUNDLE`.
        surroundings: clocks, sleep and chance, for tests.

    Raises:
        ConfigurationError: no region is configured, or an option makes no sense.
    """

    def __init__(
        self,
        *,
        regions: Sequence[Region] | None = None,
        config_file: str | Path | None = None,
        identity: str | None = None,
        tenant: str | None = None,
        credentials: Credentials | None = None,
        session: CredentialSession | None = None,
        deadline: timedelta = DEADLINE,
        write_deadline: timedelta = WRITE_DEADLINE,
        cache_ttl: timedelta = CACHE_TTL,
        stale_limit: timedelta = STALE_LIMIT,
        cache_entries: int = CACHE_ENTRIES,
        report_interval: timedelta = REPORT_INTERVAL,
        ssl_context: ssl.SSLContext | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        around = surroundings or Surroundings()
        deployment = find_deployment(
            regions=regions, config_file=config_file, identity=identity, tenant=tenant, environment=os.environ
        )
        if min(cache_ttl, stale_limit, report_interval) < timedelta(0) or cache_entries < 0:
            raise ConfigurationError("cache_ttl, stale_limit, report_interval and cache_entries must not be negative")
        self._deadline = _positive("deadline", deadline)
        self._write_deadline = _positive("write_deadline", write_deadline)
        self._regions = deployment.regions
        self._headers = {"X-Strongroom-Tenant": deployment.tenant} if deployment.tenant else {}
        resolver = CredentialResolver(credentials=credentials or deployment.credentials, session=session)
        self._router = Router(
            deployment.regions,
            transport=Transport(ssl_context=ssl_context, clock=around.clock),
            credentials=resolver,
            surroundings=around,
        )
        self._cache = Cache(
            ttl=cache_ttl,
            stale_limit=stale_limit,
            capacity=cache_entries,
            surroundings=around,
            counts_reads=bool(report_interval),
        )
        self._reporter = Reporter(
            cache=self._cache,
            router=self._router,
            surroundings=around,
            headers=self._headers,
            interval=report_interval,
        )
        self._reader = Reader(
            cache=self._cache,
            router=self._router,
            surroundings=around,
            headers=self._headers,
            kept=self._reporter.start,
        )
        self._batches = BatchReader(
            cache=self._cache,
            router=self._router,
            reader=self._reader,
            surroundings=around,
            headers=self._headers,
        )
        # The two names that a cached read looks up.
        self._entries = self._cache.entries
        self._clock = around.clock
        self._closed = False
        _clients.add(self)

    @classmethod
    def from_file(cls, path: str | Path, **options: Any) -> Self:  # noqa: ANN401  # those of __init__, typed there
        """A client for the regions of a JSON file, such as the `.local/cloud.json` of the local cloud."""
        return cls(config_file=path, **options)

    def get(
        self, path: str, *, version: str = CURRENT, min_token: str | None = None, deadline: timedelta | None = None
    ) -> Secret:
        """Read one secret, from memory if it was read a short while ago.

        Args:
            path: environment and path, as in `prod/payments/db-password`.
            version: `current`, `previous`, `next` or `v<number>`.
            min_token: a `consistency_token`: the answer is of that state or a later one. The client itself never
                goes back behind a state that it has seen.
            deadline: instead of the client's.

        Raises:
            StrongroomError: see `errors.py`. `AccessDenied` and `NotFound` are decisions; `Unavailable` means that
                no region answered and nothing fresh enough is in memory.
        """
        entry = self._entries.get(path if version == CURRENT else (path, version))
        if entry is not None and self._clock() < entry.fresh_until:
            if min_token is None:
                next(entry.hits)
                return entry.secret
            if is_new_enough(entry.secret, parse_token(min_token)):
                next(entry.hits)
                return entry.secret
        self._check_open()
        wanted = Wanted(
            path=check_path(path),
            version=check_version(version),
            at_least=None if min_token is None else parse_token(min_token),
        )
        return self._reader.read(wanted, deadline=self._limit(deadline, self._deadline))

    def json(self, path: str, *, version: str = CURRENT) -> Any:  # noqa: ANN401  # JSON has any shape
        """The value of a secret parsed as JSON; raises as `get`, and `ValueFormatError`."""
        return self.get(path, version=version).json()

    def get_many(self, paths: Iterable[str], *, version: str = CURRENT, deadline: timedelta | None = None) -> Batch:
        """Read several secrets in few requests: what is in memory first, the rest in batches of up to 50.

        An item that fails does not fail the others; see `Batch`. The deadline holds for each batch.

        Raises:
            InvalidRequest: a path or the version breaks a rule; nothing was sent.
            CredentialsError, ClientClosed: nothing was sent.
        """
        self._check_open()
        wanted = [Wanted(path=check_path(path), version=check_version(version), at_least=None) for path in paths]
        return self._batches.read(wanted, deadline=self._limit(deadline, self._deadline))

    def put(
        self,
        path: str,
        value: str | bytes | bytearray | Generate,
        *,
        expected_current: int | Expect | None = Expect.ANY,
        owner_team: str | None = None,
        rotation_strategy: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
        deadline: timedelta | None = None,
    ) -> StoredVersion:
        """Store a value and make it current, registering the secret if its path is new. Goes to the writer region.

        Args:
            path: environment and path.
            value: text or bytes up to 64 KiB, or `Generate(...)` to let the platform draw it.
            expected_current: the version that is current now, or None for none; another one refuses the write.
            owner_team: required for a new path; like the next three it counts when the secret is registered only.
            rotation_strategy: `manual` or `automated-<N>d`.
            description: for people.
            tags: for people and programs.
            expires_at: with time zone; past it the version is not readable.
            idempotency_key: 8 to 128 printable characters. The same key and value never store twice. Default: a
                new one for each call, kept over its retries.
            deadline: instead of the client's `write_deadline`.

        Raises:
            StaleExpectation: `current` names another version than expected.
            Unavailable: the writer region did not answer, and the write may have been done or not: repeat it with
                `error.details["idempotencyKey"]`.
            StrongroomError: see `errors.py`.
        """
        self._check_open()
        stored = writing.put(
            self._router,
            path,
            value,
            expected_current=expected_current,
            metadata=Metadata(
                owner_team=owner_team,
                rotation_strategy=rotation_strategy,
                description=description,
                tags=tags,
                expires_at=expires_at,
            ),
            idempotency_key=idempotency_key,
            headers=self._headers,
            deadline=self._limit(deadline, self._write_deadline),
        )
        self._cache.saw(path, parse_token(stored.consistency_token))
        self.invalidate(path)
        return stored

    def invalidate(self, path: str | None = None) -> None:
        """Forget the secrets of one path, or all: the next `get` asks a region.

        A value is overwritten in memory when the last `Secret` that shares it goes.
        """
        # In this order: an answer under way can then not slip in between.
        self._reader.detach(path)
        if path is None:
            self._cache.clear()
        else:
            self._cache.drop_path(path)

    def report_cached_reads(self) -> None:
        """Report now, instead of at the next interval, how many reads memory has served. Never raises.

        For processes that are stopped or frozen without notice, such as a Lambda function at the end of an event.
        """
        if not self._closed:
            self._reporter.report()

    def close(self) -> None:
        """Report what memory has served, forget all secrets and close all connections; harmless when repeated."""
        if not self._closed:
            self._closed = True
            self._reporter.close()
        self._reader.detach(None)
        self._cache.close()
        self._router.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client(regions={[region.name for region in self._regions]})"

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("the client is closed")

    def _limit(self, given: timedelta | None, default: timedelta) -> timedelta:
        if given is None:
            return default
        if given <= timedelta(0):
            raise InvalidRequest.of("deadline", "must be positive")
        return given

    def _reset_after_fork(self) -> None:
        self._cache.reset_after_fork()
        self._reader.reset_after_fork()
        self._router.reset()
        self._reporter.reset_after_fork()


def _positive(name: str, duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise ConfigurationError(f"{name} must be positive")
    return duration


_clients: Final[weakref.WeakSet[Client]] = weakref.WeakSet()


def _reset_all() -> None:
    for client in list(_clients):
        client._reset_after_fork()  # noqa: SLF001  # the hook belongs to the class


# One hook for all clients: hooks cannot be taken back.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
