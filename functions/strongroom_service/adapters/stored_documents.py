"""Documents that are found through a pointer: what access sets and the registry are stored as."""

from collections.abc import Sequence
from typing import Protocol

from strongroom_service.domain.access_set import AccessPointer
from strongroom_service.usecases.ports import GrantChange


class AccessItems(Protocol):
    """Where documents are stored, by tenant; the registry as a tenant of its own name.

    All raise `StoreUnavailable` or `Throttled`.
    """

    def pointer(self, tenant: str) -> AccessPointer | None:
        """The pointer to the document in force."""
        ...

    def document(self, tenant: str, pointer: AccessPointer) -> bytes | None:
        """The document of a pointer; None when it is not here."""
        ...

    def replace(
        self,
        tenant: str,
        before: AccessPointer | None,
        after: AccessPointer,
        document: bytes,
        *,
        epoch: int,
        grants: Sequence[GrantChange] = (),
    ) -> None:
        """Put another document in force and change requests for grants. Raises `ChangeLost` or `RegionFenced`."""
        ...
