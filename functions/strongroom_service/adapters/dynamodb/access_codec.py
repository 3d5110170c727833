"""The pointer to an access set as an item."""

from collections.abc import Mapping
from typing import Any

from strongroom_service.domain import limits
from strongroom_service.domain.access_set import AccessPointer
from strongroom_service.usecases.ports import Randomness

from . import layout as at


def any_pointer_key(tenant: str, randomness: Randomness) -> at.Key:
    """One of the pointer's copies, by chance."""
    return at.access_pointer_key(tenant, randomness.token(1)[0] % limits.ACCESS_POINTER_COPIES)


def encode_pointer(pointer: AccessPointer) -> dict[str, Any]:
    """The attributes of a copy, besides its key."""
    return {
        at.EPOCH: {"N": str(pointer.epoch)},
        at.REVISION: {"N": str(pointer.revision)},
        at.DIGEST: {"S": pointer.digest},
        at.CHUNKS: {"N": str(pointer.chunks)},
    }


def decode_pointer(item: Mapping[str, Any]) -> AccessPointer:
    """Read a copy."""
    return AccessPointer(
        epoch=int(item[at.EPOCH]["N"]),
        revision=int(item[at.REVISION]["N"]),
        digest=item[at.DIGEST]["S"],
        chunks=int(item[at.CHUNKS]["N"]),
    )
