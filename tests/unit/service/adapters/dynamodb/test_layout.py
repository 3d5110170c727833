"""Where items lie is a stored format: these keys may never change for data that exists."""

import pytest

from strongroom_service.adapters.dynamodb import layout
from strongroom_service.domain.names import Namespace, SecretName
from strongroom_service.domain.registry import SCOPE
from strongroom_service.usecases.ports import VersionKey

NAME = SecretName("default", "prod", "payments/db-password")


def test_keys_of_every_item() -> None:
    """Each kind of item lies where the data model says."""
    assert layout.head_key(NAME) == ("S#default#prod#payments/db-password", "HEAD")
    assert layout.version_key(NAME, VersionKey(3, 1)) == (
        "S#default#prod#payments/db-password",
        "V#00000000000000000003#0000000001",
    )
    assert layout.id_key("sec_0123") == ("ID#sec_0123", "ID")
    assert layout.namespace_key_key(Namespace("default", "prod")) == ("K#default#prod", "ACTIVE")
    assert layout.fence_key(63) == ("FENCE", "63")
    assert layout.grant_key("default", "bg_1") == ("G#default", "REQUEST#bg_1")
    assert layout.grant_token_key("default", "0f") == ("G#default", "TOKEN#0f")
    assert layout.open_grant_key("default", "bg_1") == ("G", "default#bg_1")
    assert layout.parse_open_grant("default#bg_1") == ("default", "bg_1")
    assert layout.access_pointer_key(SCOPE, 3) == ("A#@registry", "POINTER#3")


@pytest.mark.parametrize(
    ("pk", "shard"),
    [("S#default#prod#payments/db-password", "59"), ("S#default#prod#a", "11"), ("K#default#prod", "6")],
)
def test_fence_of_a_key_never_moves(pk: str, shard: str) -> None:
    """Every process and every release must agree on which fence guards a key."""
    assert layout.fence_of(pk) == ("FENCE", shard)


def test_fences_are_used_evenly() -> None:
    """A thousand secrets meet every one of the 64 fences."""
    assert len({layout.fence_of(f"S#default#prod#secret-{n}") for n in range(1000)}) == 64


def test_version_sort_keys_read_back_and_sort_by_number() -> None:
    """The table's own order is the order of the numbers."""
    keys = [VersionKey(number, 1) for number in (1, 2, 10, 11, 100)]
    sort_keys = [layout.version_key(NAME, key).sk for key in keys]
    assert sort_keys == sorted(sort_keys)
    assert [layout.parse_version_sort_key(sk) for sk in sort_keys] == keys


def test_attribute_names_are_pinned() -> None:
    """Names of stored attributes, as the items that exist have them."""
    names = {
        key: value
        for key, value in vars(layout).items()
        if key.isupper()
        and isinstance(value, str)
        and key not in {"HEAD", "VERSION_PREFIX", "BY_PATH", "CONTROL_LEASE", "GRANT_PREFIX", "OPEN_GRANTS"}
    }
    assert names == {
        "PK": "PK", "SK": "SK", "NAMESPACE": "namespace", "PATH": "path", "SECRET_ID": "secretId",
        "OWNER_TEAM": "ownerTeam", "ROTATION_STRATEGY": "rotationStrategy", "DESCRIPTION": "description",
        "TAGS": "tags", "STATUS": "status", "LATEST_VERSION": "latestVersion", "ALIASES": "aliases",
        "VERSIONS": "versions", "ENVELOPES": "envelopes", "CLIENT_TOKENS": "clientTokens", "CREATED_AT": "createdAt",
        "UPDATED_AT": "updatedAt", "DELETED_AT": "deletedAt", "RESTORE_UNTIL": "restoreUntil", "EPOCH": "epoch",
        "REVISION": "revision", "ENVELOPE": "envelope", "CREATED_BY": "createdBy", "BLOB": "blob",
        "NAMESPACE_KEY_ID": "namespaceKeyId", "WRAPPED_NAMESPACE_KEY": "wrappedNamespaceKey", "KEY_ID": "keyId",
        "PROMOTED_AT": "promotedAt", "FINGERPRINT": "fingerprint", "EXPIRES_AT": "expiresAt", "DIGEST": "digest",
        "OPERATION": "operation", "VERSION": "version", "USED_AT": "usedAt", "TENANT": "tenant",
        "ENVIRONMENT": "environment", "OPEN": "open", "CONTROL_PK": "PK", "WRITER_REGION": "writerRegion",
        "DIGEST_KEY": "digestKey", "CHUNKS": "chunks", "STORED": "stored", "ROTATION_DUE": "rotationDue",
        "SINCE": "since", "REASON": "reason", "GRANT_ID": "grantId", "REQUESTER": "requester", "PREFIX": "prefix",
        "TICKET": "ticket", "MINUTES": "minutes", "REQUIRED": "required", "REQUESTED_AT": "requestedAt",
        "APPROVALS": "approvals", "PRINCIPAL": "principal", "TIME": "time", "ACTIVE_FROM": "activeFrom",
        "UNTIL": "until", "CLOSED_AT": "closedAt", "CLOSED_BY": "closedBy", "SETTLING": "settling", "DUE": "due",
        "SCANS": "scans", "READS": "reads", "UNANSWERED": "unanswered", "SETTLED": "settled",
    }  # fmt: skip
