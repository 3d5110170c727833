"""`ReportBatchItemFailures` of a function that is fed from Kinesis: the engine takes such an answer for a success.

Lambda delivers again from the first failed record on. Here the whole batch comes again, which Lambda may do as well.
"""

import json

from ministack.services import lambda_svc

from infra.local.emulator import patching
from infra.local.emulator.patching import Untyped


def failures_of(event: Untyped, body: Untyped) -> bool:
    """Whether an answer to a batch of a stream names records that failed."""
    records = event.get("Records") if isinstance(event, dict) else None
    if not records or records[0].get("eventSource") != "aws:kinesis":
        return False
    try:
        answer = json.loads(body) if isinstance(body, str | bytes) else body
    except ValueError:
        return False
    return isinstance(answer, dict) and bool(answer.get("batchItemFailures"))


def install() -> None:
    """Let a batch with failures count as failed, so that its position in the stream stays."""
    execute = patching.original(lambda_svc, "_execute_function")

    def execute_and_look(function: Untyped, event: Untyped, *more: Untyped, **options: Untyped) -> Untyped:
        result = execute(function, event, *more, **options)
        if isinstance(result, dict) and not result.get("error") and failures_of(event, result.get("body")):
            return {**result, "error": True}
        return result

    patching.replace(lambda_svc, "_execute_function", execute_and_look)
