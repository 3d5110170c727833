"""A custom resource whose function failed fails at once, with the function's error.

On AWS such a stack waits for an hour, because nobody answers its ResponseURL; here nobody should have to.
"""

from typing import Any

from ministack.services import lambda_svc
from ministack.services.cloudformation import custom_resource

from infra.local.emulator import patching

_EXECUTE = "_execute_function_with_config_scope"
_TEXT_LIMIT = 2_000


def install() -> None:
    """Watch each invocation that carries a ResponseURL."""
    execute = patching.original(lambda_svc, _EXECUTE)
    answer = patching.original(custom_resource, "deliver_response")

    def execute_and_answer(
        record: dict[str, Any], event: dict[str, Any], *more: patching.Untyped, **options: patching.Untyped
    ) -> dict[str, Any]:
        result: dict[str, Any] = execute(record, event, *more, **options)
        if isinstance(event, dict) and "ResponseURL" in event and result.get("error"):
            reason = f"The function failed: {result.get('body') or result.get('log')}"[:_TEXT_LIMIT]
            answer(str(event["ResponseURL"]).rsplit("/", 1)[-1], {"Status": "FAILED", "Reason": reason})
        return result

    patching.replace(lambda_svc, _EXECUTE, execute_and_answer)
