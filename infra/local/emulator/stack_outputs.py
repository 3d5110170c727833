"""`Fn::GetStackOutput` with a `Region`: what the CDK writes for a weak reference across regions."""

from ministack.core.responses import get_account_id, request_scope
from ministack.services.cloudformation import changesets, engine, handlers, stacks

from infra.local.emulator import patching
from infra.local.emulator.patching import Untyped

_INTRINSIC = "Fn::GetStackOutput"


def install() -> None:
    """Resolve the intrinsic in the region it names, before the engine looks in its own."""
    resolve = patching.original(engine, "_resolve_refs")

    def resolve_across_regions(value: Untyped, *context: Untyped, **options: Untyped) -> Untyped:
        if isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_INTRINSIC), dict):
            reference = dict(value[_INTRINSIC])
            region = reference.pop("Region", None)
            if region is not None:
                with request_scope(get_account_id(), str(resolve(region, *context, **options))):
                    return resolve({_INTRINSIC: reference}, *context, **options)
        return resolve(value, *context, **options)

    # The engine recurses through its own global name, and three modules imported it by name.
    for module in (engine, stacks, changesets, handlers):
        if hasattr(module, "_resolve_refs"):
            patching.replace(module, "_resolve_refs", resolve_across_regions)
