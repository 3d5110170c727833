"""What time does to requests for grants, done by a worker once a minute in the writer region.

Requests lapse, grants leave the access set, and what was read under them is flagged. Nothing depends on it for its
safety: a grant ends by the condition in its policy. Every step may be repeated, by two workers at once too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom_service.domain import break_glass
from strongroom_service.domain.access import Caller, Decision, Principal
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.break_glass import BreakGlass, SecretRead
from strongroom_service.domain.errors import Conflict, DomainError, InternalError
from strongroom_service.domain.grants import reason_of

from .flag_rotation import find_reads, flag_read
from .ports import AuditIndex, ChangeLost, GrantChange, WritePorts
from .recording import Recorder, Subject
from .store_grant import store_grant

WORKER: Final = "strongroom:grants"
"""The principal of this worker in the audit."""


@dataclass(slots=True)
class Tended:
    """What was done, in requests."""

    is_writer: bool = True
    closed: int = 0
    """Lapsed or ended."""
    searched: int = 0
    settled: int = 0
    unanswered: int = 0
    """Searches that not every region answered."""
    failure: DomainError | None = None
    """The first one; the requests that it concerns wait for the next minute."""


def tend_grants(
    indexes: Mapping[str, AuditIndex | None], *, request_id: str, ports: WritePorts, has_time: Callable[[], bool]
) -> Tended:
    """Do what is to be done now. `indexes` are the regions' audit indexes; None where there is none to ask.

    Raises:
        StoreUnavailable, Throttled: the open requests could not be listed.
    """
    tended = Tended()
    if ports.writership.state().region != ports.region:
        tended.is_writer = False
        return tended
    places = ports.grants.open_requests()
    worker = _Worker(indexes, tended, request_id, ports)
    # What ends comes before what takes long.
    for step in (worker.close, worker.search):
        for tenant, grant_id in places:
            if not has_time():
                return tended
            try:
                request = ports.grants.load(tenant, grant_id)
                if request is not None:
                    step(request)
            except ChangeLost:
                continue  # another worker, or a caller, was first
            except DomainError as error:
                tended.failure = tended.failure or error
    return tended


@dataclass(frozen=True, slots=True)
class _Worker:
    """One run over the open requests."""

    indexes: Mapping[str, AuditIndex | None]
    tended: Tended
    request_id: str
    ports: WritePorts

    def close(self, request: BreakGlass) -> None:
        """Let a request lapse, or take a grant whose time is over out of the access set."""
        ports = self.ports
        epoch = ports.writership.state().epoch
        after = break_glass.at_time(request, epoch=epoch, now=ports.clock.now())
        if after is request:
            return
        recorder = Recorder(ports, self._caller(request), AuditAction.END_GRANT)
        decision = Decision(allowed=True, reasons=(reason_of(request.id), f"grant-{after.status.lower()}"))
        subject = Subject(request.scope.environment, request.scope.shown)
        recorder.record(recorder.event(Phase.INTENT, decision, subject))
        outcome = InternalError.code
        try:
            store_grant(request, after, epoch=epoch, ports=ports)
            outcome = "ok"
        except ChangeLost:
            outcome = Conflict.code
            raise
        except DomainError as error:
            outcome = error.code
            raise
        finally:
            recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome=outcome))
        self.tended.closed += 1

    def search(self, request: BreakGlass) -> None:
        """Search the audit of every region for reads under a grant that is over, and flag what was read."""
        settling, now = request.settling, self.ports.clock.now()
        if settling is None or settling.is_settled or now < settling.due:
            return
        reads, unanswered = self._ask_all(request)
        known = {it.secret_id: it for it in settling.reads}
        for read in reads:
            before = known.get(read.secret_id)
            if before is None or read.version > before.version or read.time > before.time:
                flag_read(read, request, caller=self._caller(request), ports=self.ports)
        epoch = self.ports.writership.state().epoch
        # As of before the search: what was recorded during it is found by the next one.
        after = break_glass.searched(request, reads, unanswered, epoch=epoch, now=now)
        self.ports.grants.commit(GrantChange(request, after), epoch=epoch)
        self.tended.searched += 1
        self.tended.unanswered += bool(unanswered)
        self.tended.settled += not after.is_open

    def _ask_all(self, request: BreakGlass) -> tuple[Sequence[SecretRead], Sequence[str]]:
        """What is known in any region, each secret once, and the regions that did not answer."""
        found: list[SecretRead] = []
        unanswered = []
        for region, index in self.indexes.items():
            try:
                if index is not None:
                    found += find_reads(request, index)
                    continue
            except DomainError:
                pass
            unanswered.append(region)
        return break_glass.joined(found), unanswered

    def _caller(self, request: BreakGlass) -> Caller:
        principal = Principal(WORKER, "")
        return Caller(principal, request.tenant, self.request_id, source_ip="", user_agent="")
