"""What the grants function searches."""

from collections.abc import Mapping

from strongroom_service.usecases.ports import AuditIndex

from .environment import Environment


def audit_indexes(environment: Environment) -> Mapping[str, AuditIndex | None]:
    """The audit index of every region that serves reads; a region without one counts as one that does not answer."""
    return dict.fromkeys(environment.regions)
