"""What announces break-glass, for the function that gets the audit stream's records."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import botocore.session
from botocore.config import Config

from strongroom_service.adapters.announcements import SnsAnnouncements
from strongroom_service.usecases.announce import Announcer

from .environment import ANNOUNCEMENTS, REGION, required

_TIMEOUT: Final = timedelta(seconds=3)
_TRIES: Final = 2


def make_announcer(variables: Mapping[str, str]) -> Announcer | None:
    """The announcer that a function's environment describes; None in a deployment without a topic.

    Give it every batch of records: `announcer.observe(records)`. It raises `NotAnnounced`: let the batch be tried anew.
    """
    topic = variables.get(ANNOUNCEMENTS)
    if not topic:
        return None
    seconds = _TIMEOUT.total_seconds()
    client = botocore.session.get_session().create_client(
        "sns",
        region_name=required(variables, REGION),
        config=Config(
            connect_timeout=seconds, read_timeout=seconds, retries={"mode": "standard", "total_max_attempts": _TRIES}
        ),
    )
    return Announcer(SnsAnnouncements(client=client, topic=topic))
