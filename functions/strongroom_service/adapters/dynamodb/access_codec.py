"""The pointer to an access set as an item."""

from collections.abc import Mapping
from typing import Any, Final

from strongroom_service.domain import limits
from strongroom_service.domain.access_set import AccessPointer
from strongroom_service.domain.errors import AccessSetUnavailable
from strongroom_service.usecases.ports import Randomness

from . import layout as at

_MOST_CHUNKS: Final = -(-limits.MAX_ACCESS_SET_BYTES // limits.ACCESS_SET_CHUNK_BYTES)


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
    """Read a copy; raises `AccessSetUnavailable` for one that is damaged, so that it refuses and never admits."""
    try:
        pointer = AccessPointer(
            epoch=int(item[at.EPOCH]["N"]),
            revision=int(item[at.REVISION]["N"]),
            digest=str(item[at.DIGEST]["S"]),
            chunks=int(item[at.CHUNKS]["N"]),
        )
    except (KeyError, TypeError, ValueError):
        pointer = None
    if pointer is None or not 1 <= pointer.chunks <= _MOST_CHUNKS:
        raise AccessSetUnavailable
    return pointer
