"""The audit's index in a deployment that has none."""

from collections.abc import Mapping
from typing import Any

from strongroom_service.domain.errors import StoreUnavailable
from strongroom_service.usecases.ports import AuditPage, AuditQuery


class NoAuditIndex:
    """The audit index port where nothing is indexed: whoever asks is told that it does not answer."""

    def search(self, query: AuditQuery) -> AuditPage:
        """Refuse."""
        del query
        raise StoreUnavailable("The audit index did not answer.")

    def find(self, tenant: str, event_id: str) -> Mapping[str, Any] | None:
        """Refuse."""
        del tenant, event_id
        raise StoreUnavailable("The audit index did not answer.")
