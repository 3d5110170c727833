"""What a secret's life must leave behind, whatever came in between."""

from typing import Any

from strongroom_service.domain.secret import Head, VersionStatus
from strongroom_service.usecases.ports import VersionKey
from tests.support.deployment import Deployment
from tests.support.fakes import VersionItem


def state(deployment: Deployment) -> dict[Any, object]:
    """What callers can tell of a deployment: no envelopes, which differ from call to call, and no key ids."""
    told: dict[Any, object] = {}
    for key, value in deployment.table.items.items():
        if isinstance(value, Head):
            told[key] = (
                value.status, value.latest_version, dict(value.aliases), value.description,
                {number: record.status for number, record in value.versions.items()}, sorted(value.envelopes),
            )  # fmt: skip
        elif isinstance(value, VersionItem):
            told[key] = value.envelope is not None
        else:
            # A secret's id is made up by chance: that there is a pointer tells enough.
            told[key[:1]] = type(value)
    return told


def assert_whole(deployment: Deployment) -> None:
    """No half of anything: every version has its item, every alias its envelope, and what is destroyed is nowhere."""
    for head in [value for value in deployment.table.items.values() if isinstance(value, Head)]:
        for number, record in head.versions.items():
            item = deployment.table.items[("version", head.name, VersionKey(number, record.epoch))]
            assert isinstance(item, VersionItem)
            if record.status is VersionStatus.DESTROYED:
                assert number not in head.envelopes
            else:
                assert item.envelope is not None, number
        for alias, number in head.aliases.items():
            is_readable = head.versions[number].status not in {VersionStatus.DISABLED, VersionStatus.DESTROYED}
            assert (number in head.envelopes) is is_readable, alias
