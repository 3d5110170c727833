"""`ObjectLockConfiguration` of `AWS::S3::Bucket`: the engine ignores it, so the archive's objects had no retention."""

from typing import Any

from ministack.services import s3
from ministack.services.cloudformation import provisioners

from infra.local.emulator import patching
from infra.local.emulator.patching import Untyped

_TYPE = "AWS::S3::Bucket"


def lock_of(properties: dict[str, Any]) -> dict[str, Any] | None:
    """What S3 keeps of a bucket's lock, from the template's properties; None for a bucket without one."""
    if str(properties.get("ObjectLockEnabled", "")).lower() != "true":
        return None
    rule = properties.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention")
    if not rule:
        return {"enabled": True, "default_retention": None}
    retention: dict[str, Any] = {"Mode": str(rule["Mode"])}
    retention |= {unit: int(rule[unit]) for unit in ("Days", "Years") if unit in rule}
    return {"enabled": True, "default_retention": retention}


def install() -> None:
    """Apply the lock after the engine has made or changed a bucket."""
    handler = provisioners._RESOURCE_HANDLERS[_TYPE]  # noqa: SLF001 - the engine's own registry
    create_bucket, update_bucket = handler["create"], handler["update"]
    s3_locks = s3._bucket_object_lock  # noqa: SLF001 - the engine's own store
    patching.original(s3, "_apply_object_lock_from_headers")  # what applies the default to each new version

    def apply(name: str, properties: dict[str, Any]) -> None:
        lock = lock_of(properties)
        if lock is not None:
            s3_locks[name] = lock

    def create(*arguments: Untyped, **options: Untyped) -> Untyped:
        result = create_bucket(*arguments, **options)
        apply(result[0], arguments[1])
        return result

    def update(*arguments: Untyped, **options: Untyped) -> Untyped:
        result = update_bucket(*arguments, **options)
        apply(result[0], arguments[2])
        return result

    handler.update({"create": create, "update": update})
