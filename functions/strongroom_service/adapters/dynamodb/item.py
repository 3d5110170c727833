"""The secrets table's items as one pynamodb model, bound to its table late.

pynamodb binds a model to table and region when the class is made; here that is when the function's environment
has been read. All kinds of items share the model, since they share the table and its one client; which attributes
an item has is the codec's matter, which speaks DynamoDB's typed values.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pynamodb.attributes import Attribute, BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model

from . import layout as at

WRITE_TIMEOUT: Final = timedelta(seconds=2)
"""For one attempt; there is no second one. A write must end before the right to write can have moved."""


class RawAttribute(Attribute[Any]):
    """A map or list that the codec made: passed through as it is."""

    def __init__(self, attr_type: str, *, attr_name: str) -> None:
        self.attr_type = attr_type
        super().__init__(attr_name=attr_name, null=True)

    def serialize(self, value: Any) -> Any:  # noqa: ANN401  # any attribute value
        """As it is."""
        return value

    def deserialize(self, value: Any) -> Any:  # noqa: ANN401  # any attribute value
        """As it is."""
        return value


class ByPath(GlobalSecondaryIndex["SecretsItem"]):  # type: ignore[no-untyped-call]  # pynamodb leaves one hook untyped
    """Heads by environment and path."""

    class Meta:
        """Which index."""

        index_name = at.BY_PATH
        projection = IncludeProjection(list(at.PROJECTED))

    namespace = UnicodeAttribute(hash_key=True, attr_name=at.NAMESPACE)
    path = UnicodeAttribute(range_key=True, attr_name=at.PATH)


class SecretsItem(Model):
    """Any item of the secrets table."""

    pk = UnicodeAttribute(hash_key=True, attr_name=at.PK)
    sk = UnicodeAttribute(range_key=True, attr_name=at.SK)
    by_path = ByPath()
    namespace = UnicodeAttribute(null=True, attr_name=at.NAMESPACE)
    path = UnicodeAttribute(null=True, attr_name=at.PATH)
    secret_id = UnicodeAttribute(null=True, attr_name=at.SECRET_ID)
    owner_team = UnicodeAttribute(null=True, attr_name=at.OWNER_TEAM)
    rotation_strategy = UnicodeAttribute(null=True, attr_name=at.ROTATION_STRATEGY)
    description = UnicodeAttribute(null=True, attr_name=at.DESCRIPTION)
    tags = RawAttribute("M", attr_name=at.TAGS)
    status = UnicodeAttribute(null=True, attr_name=at.STATUS)
    latest_version = NumberAttribute(null=True, attr_name=at.LATEST_VERSION)
    aliases = RawAttribute("M", attr_name=at.ALIASES)
    versions = RawAttribute("M", attr_name=at.VERSIONS)
    envelopes = RawAttribute("M", attr_name=at.ENVELOPES)
    client_tokens = RawAttribute("L", attr_name=at.CLIENT_TOKENS)
    created_at = UnicodeAttribute(null=True, attr_name=at.CREATED_AT)
    updated_at = UnicodeAttribute(null=True, attr_name=at.UPDATED_AT)
    deleted_at = UnicodeAttribute(null=True, attr_name=at.DELETED_AT)
    restore_until = UnicodeAttribute(null=True, attr_name=at.RESTORE_UNTIL)
    rotation_due = RawAttribute("M", attr_name=at.ROTATION_DUE)
    epoch = NumberAttribute(null=True, attr_name=at.EPOCH)
    revision = NumberAttribute(null=True, attr_name=at.REVISION)
    envelope = RawAttribute("M", attr_name=at.ENVELOPE)
    created_by = UnicodeAttribute(null=True, attr_name=at.CREATED_BY)
    tenant = UnicodeAttribute(null=True, attr_name=at.TENANT)
    environment = UnicodeAttribute(null=True, attr_name=at.ENVIRONMENT)
    namespace_key_id = UnicodeAttribute(null=True, attr_name=at.NAMESPACE_KEY_ID)
    wrapped_namespace_key = RawAttribute("B", attr_name=at.WRAPPED_NAMESPACE_KEY)
    key_id = UnicodeAttribute(null=True, attr_name=at.KEY_ID)
    digest_key = RawAttribute("M", attr_name=at.DIGEST_KEY)
    open = BooleanAttribute(null=True, attr_name=at.OPEN)


def bind(*, table: str, region: str) -> type[SecretsItem]:
    """The model for one table. Its own calls, reads, make up to two attempts."""
    meta = type(
        "Meta",
        (),
        {
            "table_name": table,
            "region": region,
            "connect_timeout_seconds": WRITE_TIMEOUT.total_seconds(),
            "read_timeout_seconds": WRITE_TIMEOUT.total_seconds(),
            "max_retry_attempts": 1,
        },
    )
    return type("BoundSecretsItem", (SecretsItem,), {"Meta": meta})


def write_connection(*, region: str) -> Connection:
    """What transactions go over: one attempt each."""
    return Connection(
        region=region,
        connect_timeout_seconds=WRITE_TIMEOUT.total_seconds(),
        read_timeout_seconds=WRITE_TIMEOUT.total_seconds(),
        max_retry_attempts=0,
    )


def build(model: type[SecretsItem], key: at.Key, attributes: Mapping[str, Any]) -> SecretsItem:
    """An item from its key and the codec's typed values."""
    return model.from_raw_data({at.PK: {"S": key.pk}, at.SK: {"S": key.sk}, **attributes})
