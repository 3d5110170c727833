"""Reads the audit archives of a local cloud: what the platform wrote down, region by region."""

import json
import time
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any

from infra.local.client import LocalCloud
from infra.local.errors import LocalCloudError

_POLL = timedelta(milliseconds=200)


class AuditArchive:
    """The archived audit events of every region. Objects are never changed, so each is read once."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._seen: set[tuple[str, str]] = set()
        self._events: list[dict[str, Any]] = []

    def events(self) -> list[dict[str, Any]]:
        """Every event that has arrived by now."""
        for region in self._cloud.description.regions:
            self._events += self._fresh(region.name)
        return self._events

    def hurry(self) -> None:
        """Drain what waits in the audit buffers; by itself it would arrive within a minute."""
        for region in self._cloud.description.regions:
            self._cloud.drain_audit(region.name)

    def wait_for(self, event_ids: AbstractSet[str], *, within: timedelta) -> dict[str, dict[str, Any]]:
        """The events of these ids; raises `LocalCloudError` telling how many are missing when the time is over."""
        self.hurry()
        deadline = time.monotonic() + within.total_seconds()
        while True:
            found = {event["eventId"]: event for event in self.events() if event.get("eventId") in event_ids}
            if len(found) == len(event_ids):
                return found
            if time.monotonic() > deadline:
                raise LocalCloudError(f"{len(event_ids) - len(found)} of {len(event_ids)} audit records are missing")
            time.sleep(_POLL.total_seconds())

    def _fresh(self, region: str) -> Iterator[dict[str, Any]]:
        s3 = self._cloud.aws("s3", region)
        bucket = self._cloud.archive(region)
        start: Mapping[str, str] = {}
        while True:
            page = s3.list_objects_v2(Bucket=bucket, Prefix="records/", **start)
            for entry in page.get("Contents", []):
                if (bucket, entry["Key"]) not in self._seen:
                    body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                    # Whatever else was put on the stream is archived too, and is no event.
                    yield from (event for event in map(json.loads, body.splitlines()) if "eventId" in event)
                    self._seen.add((bucket, entry["Key"]))
            if not page.get("IsTruncated"):
                return
            start = {"ContinuationToken": page["NextContinuationToken"]}
