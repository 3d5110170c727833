"""Access sets that are only proposed: to be asked, never stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from strongroom_service.domain.access_set import AccessSet, PolicyEntry

from .ports import WritePorts


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessProposal:
    """Policies and groups to put, or with None to remove, before asking."""

    policies: Mapping[str, PolicyEntry | None] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str] | None] = field(default_factory=dict)

    def apply(self, access_set: AccessSet, ports: WritePorts) -> AccessSet:
        """The set that would be. Raises `InvalidRequest` or `NotFound`."""
        for name, entry in self.policies.items():
            if entry is None:
                access_set = access_set.without_policy(name)
            else:
                ports.access.check(entry)
                access_set = access_set.with_policy(name, entry)
        for group, members in self.groups.items():
            access_set = access_set.without_group(group) if members is None else access_set.with_group(group, members)
        return access_set
