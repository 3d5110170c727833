"""Who the client is: credentials from botocore's chain, a session, or given ones; fresh for each request."""

import threading
from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from .errors import CredentialsError


class FrozenCredentials(Protocol):
    """One consistent set of credentials, as botocore's `get_frozen_credentials()` returns it."""

    @property
    def access_key(self) -> str | None:
        """The access key id."""

    @property
    def secret_key(self) -> str | None:
        """The secret access key."""

    @property
    def token(self) -> str | None:
        """The session token of temporary credentials."""


@runtime_checkable
class Credentials(Protocol):
    """Credentials that may refresh themselves: any of botocore's or boto3's."""

    def get_frozen_credentials(self) -> FrozenCredentials:
        """The credentials to sign the next request with."""


class CredentialSession(Protocol):
    """A session that resolves credentials: botocore's or boto3's."""

    def get_credentials(self) -> Credentials | None:
        """The credentials that the session's chain finds, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticCredentials:
    """Fixed credentials. The secret parts are in no text form."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    def get_frozen_credentials(self) -> Self:
        """These credentials."""
        return self


class CredentialResolver:
    """Finds credentials when the first request needs them, and lets them refresh themselves from then on."""

    def __init__(self, *, credentials: Credentials | None = None, session: CredentialSession | None = None) -> None:
        self._given = credentials
        self._session = session
        self.reset()

    def reset(self) -> None:
        """Forget what was resolved: in a forked child, another thread's refresh may hold its lock for ever."""
        self._lock = threading.Lock()
        self._resolved = self._given

    def frozen(self) -> FrozenCredentials:
        """Credentials for one request.

        Raises:
            CredentialsError: the chain found none, or could not refresh them.
        """
        try:
            resolved = self._resolved or self._resolve()
            frozen = resolved.get_frozen_credentials() if resolved is not None else None
        except (BotoCoreError, ClientError) as error:
            # Only the kind of the error: its text may quote a profile, an answer or a command line.
            kind = type(error).__name__
        else:
            if frozen is not None and frozen.access_key and frozen.secret_key:
                return frozen
            kind = "none found"
        raise CredentialsError(f"AWS credentials are not available: {kind}")

    def _resolve(self) -> Credentials | None:
        with self._lock:
            if self._resolved is None:
                session = self._session or Session()
                self._resolved = session.get_credentials()
            return self._resolved
