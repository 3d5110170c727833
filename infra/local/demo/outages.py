"""The demo's outages: a region, a region's KMS, the audit stream, and the buffer behind it."""

import itertools
import threading
from contextlib import ExitStack
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from infra.local.audit_buffer import AuditBufferView
from infra.local.demo.cast import ENVIRONMENT, PATH, VALUES, Cast
from infra.local.demo.show import expect, seconds
from infra.local.requests import Region
from strongroom import AuditUnavailable, Unavailable

_OUTAGE_AFTER: Final = timedelta(seconds=1)
_OUTAGE: Final = timedelta(seconds=3)
_MOST_FILLING_REQUESTS: Final = 300
_REFUSALS: Final = 20


class Outages:
    """Each chapter ends as it began: with every region serving."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._cloud = cast.cloud
        self._show = cast.show

    def tell(self) -> None:
        """All chapters, in order."""
        self._lose_region()
        self._lose_kms()
        self._lose_audit_stream()

    def _lose_region(self) -> None:
        writer = self._cloud.writer.name
        self._show.chapter("Lose the primary region")
        with self._show.step(f"cut {writer} off under reads") as step:
            cut = threading.Timer(_OUTAGE_AFTER.total_seconds(), self._cloud.faults.cut, (writer,))
            cut.start()
            try:
                answered, longest = self._cast.read_for(_OUTAGE_AFTER + _OUTAGE)
            finally:
                cut.cancel()
                cut.join()
            regions = [region for region, _ in itertools.groupby(answered)]
            expect(regions == [writer, self._cloud.replica.name], f"reads were answered by {' then '.join(regions)}")
            step.detail = (
                f"{len(answered)} reads, none failed, {regions[-1]} took over; {seconds(longest)} was the longest wait"
            )
        with self._show.step(f"{writer} comes back") as step:
            self._cloud.faults.join(writer)
            self._cast.read(self._cloud.writer)
            step.detail = "it serves again"

    def _lose_kms(self) -> None:
        region, other = self._cloud.writer, self._cloud.replica
        self._show.chapter("Lose one region's KMS")
        # What the functions have in memory would serve for minutes: they start anew, with no key.
        self._cloud.end_environments()
        since = self._cloud.faults.last_request()
        with self._show.step(f"read in {region.name} while its KMS is down, no key in any memory") as step:
            with self._cloud.faults.fault("refuse", region=region.name, service="kms"):
                self._cast.read(region)
            asked = [it["region"] for it in self._cloud.faults.requests_after(since) if it["operation"] == "Decrypt"]
            expect(asked == [region.name, other.name], f"KMS was asked in {asked}")
            step.detail = f"the value is right; the copy of the key in {other.name} opened it"

    def _lose_audit_stream(self) -> None:
        self._show.chapter("Lose the audit stream: no record, no value")
        regions = self._cloud.description.regions
        with ExitStack() as streams:
            for region in regions:
                streams.enter_context(self._cloud.faults.fault("refuse", region=region.name, service="kinesis"))
            for region in regions:
                with self._show.step(f"read in {region.name} while its audit stream is down") as step:
                    self._cast.read(region)
                    step.detail = f"served; {self._buffer(region).waiting()} records wait in the region's buffer"
            for region in regions:
                with self._show.step(f"fill the buffer of {region.name} by reads") as step:
                    filled = self._fill(region)
                    step.detail = f"{filled} values served, each with its record in the buffer"
            for region in regions:
                with self._show.step(f"read {_REFUSALS} times in {region.name} with stream and buffer closed") as step:
                    for _ in range(_REFUSALS):
                        answer = self._cloud.request("GET", VALUES, identity="reader", region=region)
                        self._cast.check_refused(answer, HTTPStatus.INTERNAL_SERVER_ERROR, "audit_unavailable", step)
                    step.detail = f"{_REFUSALS} times 500 audit_unavailable, and no value"
            with self._show.step("read by the client library") as step:
                try:
                    self._cast.client.get(f"{ENVIRONMENT}/{PATH}")
                except Unavailable as error:
                    expect(isinstance(error, AuditUnavailable), f"it raised {type(error).__name__}")
                    step.detail = "it raises AuditUnavailable, no region told the value"
                else:
                    expect(seen=False, what="it returned a secret")
        for region in regions:
            with self._show.step(f"the audit stream of {region.name} comes back") as step:
                drained = self._cloud.drain_audit(region.name)
                expect(self._buffer(region).waiting() == 0, "records still wait in the buffer")
                step.detail = f"{drained['moved']} records went from the buffer into the stream"

    def _buffer(self, region: Region) -> AuditBufferView:
        return AuditBufferView(self._cloud, region.name)

    def _fill(self, region: Region) -> int:
        """Read in batches until the buffer has no room for one more; how many values were served."""
        buffer = self._buffer(region)
        served = len(self._cast.served)
        for _ in range(_MOST_FILLING_REQUESTS):
            room = buffer.largest_room()
            if room == 0:
                return len(self._cast.served) - served
            batch = {"items": [{"secretPath": f"{ENVIRONMENT}/{PATH}"}] * room}
            answer = self._cloud.request("POST", "/batch/values", json=batch, identity="reader", region=region)
            expect(answer.status == HTTPStatus.OK, f"the batch answered {answer.status} {answer.error_code or ''}")
            for item in answer.json()["items"]:
                self._cast.served.append(item["value"]["receipt"])
        expect(seen=False, what="the buffer does not fill")
        return 0
