"""The write side's view of the secrets table: every change one local transaction under the region's fence.

No invariant spans items: the head alone decides, and its compare-and-set on (epoch, revision) makes one winner of
any race. What lies beside it is written in the same transaction, because that is simple, not because anything
relies on it: replication brings the items to other regions one by one.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.connection import Connection
from pynamodb.exceptions import DoesNotExist, PynamoDBException, TransactWriteError
from pynamodb.transactions import TransactWrite

from strongroom_service.domain.errors import (
    DomainError,
    IntegrityFailure,
    RegionFenced,
    StoreUnavailable,
    Throttled,
)
from strongroom_service.domain.names import Namespace, SecretName
from strongroom_service.domain.secret import Envelope, Head, NamespaceKeys, WrappedNamespaceKey
from strongroom_service.usecases.ports import Change, ChangeLost, Listing, Page, VersionKey

from . import layout as at
from .codec import (
    decode_envelope,
    decode_head,
    decode_namespace_keys,
    encode_envelope,
    encode_head,
    encode_namespace_keys,
)
from .item import SecretsItem, bind, build, write_connection

# pynamodb's debug records carry whole requests.
logging.getLogger("pynamodb").setLevel(logging.WARNING)

_CONDITION_FAILED: Final = "ConditionalCheckFailed"
_CONFLICT: Final = "TransactionConflict"
_THROTTLING: Final = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
    }
)
_MAX_ACTIONS: Final = 100
"""Actions in one transaction (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html)."""


class DynamoSecretStore:
    """The secret store port. Reads are strongly consistent but for listings."""

    def __init__(self, *, table: str, region: str) -> None:
        self._table = table
        self._region = region

    @cached_property
    def _model(self) -> type[SecretsItem]:
        return bind(table=self._table, region=self._region)

    @cached_property
    def _connection(self) -> Connection:
        return write_connection(region=self._region)

    def load(self, name: SecretName) -> Head | None:
        """The head."""
        item = self._get(at.head_key(name))
        return decode_head(item.serialize(), name) if item else None

    def locate(self, secret_id: str, *, tenant: str) -> SecretName | None:
        """Where the secret of this id was registered, if it was by this tenant."""
        item = self._get(at.id_key(secret_id))
        if item is None or item.tenant != tenant or not item.environment or not item.path:
            return None
        return SecretName(tenant, item.environment, item.path)

    def stored_envelope(self, name: SecretName, key: VersionKey) -> Envelope | None:
        """The envelope in a version's own item."""
        item = self._get(at.version_key(name, key))
        return decode_envelope(item.envelope) if item and item.envelope else None

    def version_keys(self, name: SecretName) -> Sequence[VersionKey]:
        """Every version item under a name."""
        model = self._model
        with _translated():
            items = model.query(
                at.head_key(name).pk,
                model.sk.startswith(at.VERSION_PREFIX),
                consistent_read=True,
                attributes_to_get=[at.PK, at.SK],
            )
            return [at.parse_version_sort_key(item.sk) for item in items]

    def envelope_keys(self, name: SecretName) -> Mapping[VersionKey, str]:
        """The namespace key's id of each version item's envelope; the envelopes themselves stay where they are."""
        model = self._model
        with _translated():
            items = model.query(
                at.head_key(name).pk,
                model.sk.startswith(at.VERSION_PREFIX),
                consistent_read=True,
                attributes_to_get=[at.PK, at.SK, f"{at.ENVELOPE}.{at.NAMESPACE_KEY_ID}"],
            )
            return {
                at.parse_version_sort_key(item.sk): item.envelope[at.NAMESPACE_KEY_ID]["S"]
                for item in items
                if item.envelope
            }

    def commit(self, change: Change, *, epoch: int) -> None:
        """Store a change. Raises `ChangeLost`, `RegionFenced`, `StoreUnavailable`, `Throttled`."""
        transaction = _Transaction(self._model, self._connection, pk=at.head_key(change.after.name).pk, epoch=epoch)
        for key in change.dropped:
            transaction.drop(at.version_key(change.after.name, key))
        transaction.put_head(change)
        if change.new_version is not None:
            version = change.new_version
            record = change.after.versions[version.number]
            transaction.put_new(
                at.version_key(change.after.name, VersionKey(version.number, record.epoch)),
                {at.ENVELOPE: {"M": encode_envelope(version.envelope)}, at.CREATED_BY: {"S": version.created_by}},
            )
        if change.before is None or change.before.secret_id != change.after.secret_id:
            transaction.put_id(change.after)
        for key in change.scrubbed:
            transaction.scrub(at.version_key(change.after.name, key))
        if change.active_key is not None:
            transaction.require_active(change.active_key)
        for key, envelope in change.rewrapped.items():
            transaction.rewrap(at.version_key(change.after.name, key), envelope)
        transaction.run()

    def scrub(self, name: SecretName, keys: Sequence[VersionKey], *, epoch: int) -> None:
        """Remove the values of version items, as many in a transaction as it takes. Repeatable."""
        step = _MAX_ACTIONS - 1
        for start in range(0, len(keys), step):
            transaction = _Transaction(self._model, self._connection, pk=at.head_key(name).pk, epoch=epoch)
            for key in keys[start : start + step]:
                transaction.scrub(at.version_key(name, key))
            transaction.run()

    def list_heads(self, listing: Listing) -> Page:
        """A page of heads from the index, eventually consistent."""
        model, namespace = self._model, listing.namespace
        partition = f"{namespace.tenant}#{namespace.environment}"
        condition = model.path.startswith(listing.prefix) if listing.prefix else None
        start = None
        if listing.after_path is not None:
            name = SecretName(namespace.tenant, namespace.environment, listing.after_path)
            key = at.head_key(name)
            start = {
                at.PK: {"S": key.pk},
                at.SK: {"S": key.sk},
                at.NAMESPACE: {"S": partition},
                at.PATH: {"S": listing.after_path},
            }
        with _translated():
            results = model.by_path.query(
                partition, condition, limit=listing.limit, page_size=listing.limit, last_evaluated_key=start
            )
            items = [item.serialize() for item in results]
        last = results.last_evaluated_key
        heads = tuple(
            decode_head(item, SecretName(namespace.tenant, namespace.environment, item[at.PATH]["S"])) for item in items
        )
        return Page(heads, last[at.PATH]["S"] if last else None)

    def namespace_keys(self, namespace: Namespace) -> NamespaceKeys | None:
        """The keys that this namespace works with now."""
        item = self._get(at.namespace_key_key(namespace))
        return decode_namespace_keys(item.serialize()) if item else None

    def add_namespace_keys(self, keys: NamespaceKeys, *, epoch: int) -> NamespaceKeys:
        """Register a namespace's first keys; returns the registered ones, maybe another's."""
        place = at.namespace_key_key(keys.namespace)
        transaction = _Transaction(self._model, self._connection, pk=place.pk, epoch=epoch)
        transaction.put_new(place, encode_namespace_keys(keys))
        try:
            transaction.run()
        except ChangeLost:
            registered = self.namespace_keys(keys.namespace)
            if registered is None:
                raise StoreUnavailable from None
            return registered
        return keys

    def replace_namespace_keys(self, before: NamespaceKeys, after: NamespaceKeys, *, epoch: int) -> None:
        """Compare-and-set on the active key's id. Raises `ChangeLost`, `RegionFenced`."""
        place = at.namespace_key_key(after.namespace)
        transaction = _Transaction(self._model, self._connection, pk=place.pk, epoch=epoch)
        transaction.put_namespace_keys(place, after, replaced=before.active.namespace_key_id)
        transaction.run()

    def _get(self, key: at.Key) -> SecretsItem | None:
        with _translated():
            try:
                return self._model.get(key.pk, key.sk, consistent_read=True)
            except DoesNotExist:
                return None


class _Transaction:
    """One TransactWriteItems whose first action checks the fence."""

    def __init__(self, model: type[SecretsItem], connection: Connection, *, pk: str, epoch: int) -> None:
        self._model = model
        self._write = TransactWrite(connection=connection)
        fence = at.fence_of(pk)
        is_open = model.open == True  # noqa: E712  # an expression for DynamoDB, not a comparison
        self._write.condition_check(model, fence.pk, fence.sk, condition=(model.epoch == epoch) & is_open)

    def put_head(self, change: Change) -> None:
        model, before = self._model, change.before
        condition = (
            model.pk.does_not_exist()
            if before is None
            else (model.revision == before.revision) & (model.epoch == before.epoch)
        )
        key = at.head_key(change.after.name)
        self._write.save(build(model, key, encode_head(change.after)), condition=condition)

    def put_new(self, key: at.Key, attributes: dict[str, dict[str, object]]) -> None:
        self._write.save(build(self._model, key, attributes), condition=self._model.pk.does_not_exist())

    def put_id(self, head: Head) -> None:
        attributes = {
            at.TENANT: {"S": head.name.tenant},
            at.ENVIRONMENT: {"S": head.name.environment},
            at.PATH: {"S": head.name.path},
        }
        self._write.save(build(self._model, at.id_key(head.secret_id), attributes))

    def put_namespace_keys(self, key: at.Key, keys: NamespaceKeys, *, replaced: str) -> None:
        item = build(self._model, key, encode_namespace_keys(keys))
        self._write.save(item, condition=self._model.namespace_key_id == replaced)

    def require_active(self, key: WrappedNamespaceKey) -> None:
        place = at.namespace_key_key(Namespace(key.tenant, key.environment))
        is_active = self._model.namespace_key_id == key.namespace_key_id
        self._write.condition_check(self._model, place.pk, place.sk, condition=is_active)

    def rewrap(self, key: at.Key, envelope: Envelope) -> None:
        """Another envelope in the place of one that is there: what was scrubbed or dropped does not come back."""
        attribute = self._model.envelope
        action = attribute.set({"M": encode_envelope(envelope)})
        self._write.update(build(self._model, key, {}), actions=[action], condition=attribute.exists())

    def scrub(self, key: at.Key) -> None:
        """Take the value out; where the item has not arrived yet, this leaves an empty one in its place."""
        self._write.update(build(self._model, key, {}), actions=[self._model.envelope.remove()])

    def drop(self, key: at.Key) -> None:
        self._write.delete(build(self._model, key, {}))

    def run(self) -> None:
        with _translated(), self._write:
            pass


@contextmanager
def _translated() -> Iterator[None]:
    """Foreign errors end here. Their messages can quote requests, so none is passed on but as a cause for the log."""
    try:
        yield
    except TransactWriteError as error:
        raise _transaction_error(error) from error
    except PynamoDBException as error:
        raise Throttled if _code_of(error) in _THROTTLING else StoreUnavailable from error
    except BotoCoreError as error:
        raise StoreUnavailable from error


def _code_of(error: PynamoDBException) -> str | None:
    """The service's own error code; None when there was no answer (pynamodb's `cause_response_code` fails on those)."""
    return str(error.cause.response["Error"]["Code"]) if isinstance(error.cause, ClientError) else None


def _transaction_error(error: TransactWriteError) -> DomainError | ChangeLost:
    """What a cancelled transaction means; the fence is its first action."""
    codes = [reason.code if reason else None for reason in error.cancellation_reasons]
    if not codes:
        return Throttled() if _code_of(error) in _THROTTLING else StoreUnavailable()
    if codes[0] == _CONDITION_FAILED:
        return RegionFenced()
    if _CONDITION_FAILED in codes or _CONFLICT in codes:
        return ChangeLost()
    if _THROTTLING.intersection(code for code in codes if code):
        return Throttled()
    return IntegrityFailure() if "ValidationError" in codes else StoreUnavailable()
