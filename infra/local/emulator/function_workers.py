"""Function workers as two regions need them, without waits that AWS does not have.

The engine, when CloudFormation makes a function, ends the workers of that name in every region: two regions deployed
together end each other's while they start. Each invocation waits 50 ms for log lines that may never come. And each of
many concurrent invocations starts a process of its own, which on a few cores takes longer than the API waits.
"""

import os
import time

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc

from infra.local.emulator import patching
from infra.local.emulator.patching import Untyped

_FIRST_LINE_SECONDS = 0.004  # a function's lines are in the pipe before its answer is: enough for the reader's thread
_QUIET_SECONDS = 0.002
_WORKERS_PER_FUNCTION = max(4, 2 * (os.cpu_count() or 1))
_FREE_WORKER_SECONDS = 25.0  # below the API's own 29
_FREE_WORKER_POLL_SECONDS = 0.002


def _scope_invalidation() -> None:
    invalidate = patching.original(lambda_svc, "invalidate_worker")

    def invalidate_here(
        name: str, qualifier: str | None = None, account: str | None = None, region: str | None = None
    ) -> Untyped:
        return invalidate(name, qualifier, account or get_account_id(), region or get_region())

    patching.replace(lambda_svc, "invalidate_worker", invalidate_here)


def _shorten_log_wait() -> None:
    drain = patching.original(lambda_runtime.Worker, "_drain_stderr_bounded")

    def drain_briefly(worker: Untyped) -> Untyped:
        return drain(worker, first_line_wait=_FIRST_LINE_SECONDS, idle_confirm=_QUIET_SECONDS)

    patching.replace(lambda_runtime.Worker, "_drain_stderr_bounded", drain_briefly)


def _bound_workers() -> None:
    acquire = patching.original(lambda_svc, "acquire_worker")

    def acquire_or_wait(name: str, config: Untyped, code: bytes, qualifier: str = "$LATEST", **_: Untyped) -> Untyped:
        # No function of the platform invokes another, so a wait here ends.
        deadline = time.monotonic() + _FREE_WORKER_SECONDS
        while True:
            found = acquire(name, config, code, qualifier=qualifier, max_concurrency=_WORKERS_PER_FUNCTION)
            if found[0] is not None or time.monotonic() > deadline:
                return found
            time.sleep(_FREE_WORKER_POLL_SECONDS)

    patching.replace(lambda_svc, "acquire_worker", acquire_or_wait)


def end_all() -> None:
    """End the processes of every function in every region."""
    lambda_runtime.reset()


def install() -> None:
    """Keep each region's workers to itself and to a few, and answer as soon as a function has."""
    _scope_invalidation()
    _bound_workers()
    _shorten_log_wait()
