"""Heads and envelopes as DynamoDB's typed attribute values, and back.

Binary attributes are bytes when botocore brought them and base64 text when the read path's own client did; both
are understood. A head's versions and envelopes are decoded one by one when they are looked at: a read needs one
of each, a head may hold a hundred.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from strongroom_service.domain.errors import IntegrityFailure
from strongroom_service.domain.names import Alias, SecretName
from strongroom_service.domain.secret import (
    ClientToken,
    Envelope,
    Head,
    NamespaceKeys,
    RotationDue,
    SecretStatus,
    VersionRecord,
    VersionStatus,
    WrappedNamespaceKey,
)
from strongroom_service.domain.times import from_rfc3339, rfc3339

from . import layout as at

AttributeValue = dict[str, Any]
"""`{"S": "text"}` and its like."""
Item = Mapping[str, AttributeValue]

T = TypeVar("T")

_EMPTY: Final[AttributeValue] = {"M": {}}


class _LazyMap(Mapping[int, T]):
    """A DynamoDB map with numbers as keys, decoded entry by entry."""

    __slots__ = ("_decode", "_raw")

    def __init__(self, raw: Mapping[str, AttributeValue], decode: Callable[[Item], T]) -> None:
        self._raw = raw
        self._decode = decode

    def __getitem__(self, number: int) -> T:
        return self._decode(self._raw[str(number)]["M"])

    def __contains__(self, number: object) -> bool:
        return str(number) in self._raw

    def __iter__(self) -> Iterator[int]:
        return (int(number) for number in self._raw)

    def __len__(self) -> int:
        return len(self._raw)


def decode_head(item: Item, name: SecretName) -> Head:
    """A head from its item, or from its projection in the index. Raises `IntegrityFailure`."""
    try:
        deleted_at, restore_until = item.get(at.DELETED_AT), item.get(at.RESTORE_UNTIL)
        due = item.get(at.ROTATION_DUE)
        return Head(
            name=name,
            secret_id=item[at.SECRET_ID]["S"],
            owner_team=item[at.OWNER_TEAM]["S"],
            rotation_strategy=item[at.ROTATION_STRATEGY]["S"],
            description=item[at.DESCRIPTION]["S"],
            tags={key: value["S"] for key, value in item[at.TAGS]["M"].items()},
            status=SecretStatus(item[at.STATUS]["S"]),
            latest_version=int(item[at.LATEST_VERSION]["N"]),
            aliases={Alias(alias): int(number["N"]) for alias, number in item[at.ALIASES]["M"].items()},
            versions=_LazyMap(item.get(at.VERSIONS, _EMPTY)["M"], _decode_version),
            envelopes=_LazyMap(item.get(at.ENVELOPES, _EMPTY)["M"], decode_envelope),
            client_tokens=tuple(_decode_token(entry["M"]) for entry in item.get(at.CLIENT_TOKENS, {"L": []})["L"]),
            epoch=int(item[at.EPOCH]["N"]),
            revision=int(item[at.REVISION]["N"]),
            created_at=from_rfc3339(item[at.CREATED_AT]["S"]),
            updated_at=from_rfc3339(item[at.UPDATED_AT]["S"]),
            deleted_at=_time(deleted_at),
            restore_until=_time(restore_until),
            rotation_due=_decode_due(due["M"]) if due else None,
        )
    except (KeyError, TypeError, ValueError):
        raise IntegrityFailure from None


def encode_head(head: Head) -> dict[str, AttributeValue]:
    """All attributes of a head but its key."""
    item: dict[str, AttributeValue] = {
        at.PATH: {"S": head.name.path},
        at.SECRET_ID: {"S": head.secret_id},
        at.OWNER_TEAM: {"S": head.owner_team},
        at.ROTATION_STRATEGY: {"S": head.rotation_strategy},
        at.DESCRIPTION: {"S": head.description},
        at.TAGS: {"M": {key: {"S": value} for key, value in head.tags.items()}},
        at.STATUS: {"S": head.status.value},
        at.LATEST_VERSION: {"N": str(head.latest_version)},
        at.ALIASES: {"M": {alias.value: {"N": str(number)} for alias, number in head.aliases.items()}},
        at.VERSIONS: {"M": {str(n): {"M": _encode_version(record)} for n, record in head.versions.items()}},
        at.ENVELOPES: {"M": {str(n): {"M": encode_envelope(envelope)} for n, envelope in head.envelopes.items()}},
        at.CLIENT_TOKENS: {"L": [{"M": _encode_token(token)} for token in head.client_tokens]},
        at.EPOCH: {"N": str(head.epoch)},
        at.REVISION: {"N": str(head.revision)},
        at.CREATED_AT: {"S": rfc3339(head.created_at)},
        at.UPDATED_AT: {"S": rfc3339(head.updated_at)},
    }
    if head.status is not SecretStatus.PURGED:
        item[at.NAMESPACE] = {"S": at.namespace_attribute(head.name)}
    if head.deleted_at:
        item[at.DELETED_AT] = {"S": rfc3339(head.deleted_at)}
    if head.restore_until:
        item[at.RESTORE_UNTIL] = {"S": rfc3339(head.restore_until)}
    if head.rotation_due:
        item[at.ROTATION_DUE] = {"M": _encode_due(head.rotation_due)}
    return item


def decode_envelope(raw: Item) -> Envelope:
    """An envelope entry, of a head or of a version's item. Raises `IntegrityFailure`."""
    try:
        return Envelope(
            blob=_bytes(raw[at.BLOB]["B"]),
            namespace_key_id=raw[at.NAMESPACE_KEY_ID]["S"],
            wrapped_namespace_key=_bytes(raw[at.WRAPPED_NAMESPACE_KEY]["B"]),
            key_id=raw[at.KEY_ID]["S"],
        )
    except (KeyError, TypeError, ValueError):
        raise IntegrityFailure from None


def encode_envelope(envelope: Envelope) -> dict[str, AttributeValue]:
    """The entry of an envelope."""
    return {
        at.BLOB: {"B": envelope.blob},
        at.NAMESPACE_KEY_ID: {"S": envelope.namespace_key_id},
        at.WRAPPED_NAMESPACE_KEY: {"B": envelope.wrapped_namespace_key},
        at.KEY_ID: {"S": envelope.key_id},
    }


def decode_namespace_keys(item: Item) -> NamespaceKeys:
    """A namespace's keys from its item. Raises `IntegrityFailure`."""
    try:
        tenant, environment = item[at.TENANT]["S"], item[at.ENVIRONMENT]["S"]
        active = _decode_key(item, tenant, environment)
        # In the format before, without `digestKey`, one key was for both.
        digests = item.get(at.DIGEST_KEY)
        return NamespaceKeys(active, _decode_key(digests["M"], tenant, environment) if digests else active)
    except (KeyError, TypeError, ValueError):
        raise IntegrityFailure from None


def encode_namespace_keys(keys: NamespaceKeys) -> dict[str, AttributeValue]:
    """All attributes of a namespace's keys but their key in the table."""
    return {
        at.TENANT: {"S": keys.active.tenant},
        at.ENVIRONMENT: {"S": keys.active.environment},
        **_encode_key(keys.active),
        at.DIGEST_KEY: {"M": _encode_key(keys.digests)},
    }


def _decode_key(raw: Item, tenant: str, environment: str) -> WrappedNamespaceKey:
    return WrappedNamespaceKey(
        tenant=tenant,
        environment=environment,
        namespace_key_id=raw[at.NAMESPACE_KEY_ID]["S"],
        wrapped=_bytes(raw[at.WRAPPED_NAMESPACE_KEY]["B"]),
        key_id=raw[at.KEY_ID]["S"],
    )


def _encode_key(key: WrappedNamespaceKey) -> dict[str, AttributeValue]:
    return {
        at.NAMESPACE_KEY_ID: {"S": key.namespace_key_id},
        at.WRAPPED_NAMESPACE_KEY: {"B": key.wrapped},
        at.KEY_ID: {"S": key.key_id},
    }


def _decode_version(raw: Item) -> VersionRecord:
    try:
        fingerprint = raw.get(at.FINGERPRINT)
        return VersionRecord(
            status=VersionStatus(raw[at.STATUS]["S"]),
            epoch=int(raw[at.EPOCH]["N"]),
            created_at=from_rfc3339(raw[at.CREATED_AT]["S"]),
            promoted_at=_time(raw.get(at.PROMOTED_AT)),
            fingerprint=fingerprint["S"] if fingerprint else None,
            expires_at_unix=int(raw[at.EXPIRES_AT]["N"]),
        )
    except (KeyError, TypeError, ValueError):
        raise IntegrityFailure from None


def _encode_version(record: VersionRecord) -> dict[str, AttributeValue]:
    raw: dict[str, AttributeValue] = {
        at.STATUS: {"S": record.status.value},
        at.EPOCH: {"N": str(record.epoch)},
        at.CREATED_AT: {"S": rfc3339(record.created_at)},
        at.EXPIRES_AT: {"N": str(record.expires_at_unix)},
    }
    if record.promoted_at:
        raw[at.PROMOTED_AT] = {"S": rfc3339(record.promoted_at)}
    if record.fingerprint:
        raw[at.FINGERPRINT] = {"S": record.fingerprint}
    return raw


def _decode_token(raw: Item) -> ClientToken:
    return ClientToken(
        digest=raw[at.DIGEST]["S"],
        operation=raw[at.OPERATION]["S"],
        version_number=int(raw[at.VERSION]["N"]),
        used_at=from_rfc3339(raw[at.USED_AT]["S"]),
    )


def _encode_token(token: ClientToken) -> dict[str, AttributeValue]:
    return {
        at.DIGEST: {"S": token.digest},
        at.OPERATION: {"S": token.operation},
        at.VERSION: {"N": str(token.version_number)},
        at.USED_AT: {"S": rfc3339(token.used_at)},
    }


def _decode_due(raw: Item) -> RotationDue:
    return RotationDue(
        since=from_rfc3339(raw[at.SINCE]["S"]),
        reason=raw[at.REASON]["S"],
        grant_id=raw[at.GRANT_ID]["S"],
        version=int(raw[at.VERSION]["N"]),
    )


def _encode_due(due: RotationDue) -> dict[str, AttributeValue]:
    return {
        at.SINCE: {"S": rfc3339(due.since)},
        at.REASON: {"S": due.reason},
        at.GRANT_ID: {"S": due.grant_id},
        at.VERSION: {"N": str(due.version)},
    }


def _time(value: AttributeValue | None) -> datetime | None:
    return from_rfc3339(value["S"]) if value else None


def _bytes(value: bytes | str) -> bytes:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else bytes(value)
