"""One version's value as a message of the AWS Encryption SDK, under a namespace key.

The message format is the SDK's own (https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/message-format.html),
suite AES-256-GCM with HKDF-SHA-512 and key commitment: whoever holds two keys cannot make one message that opens
to two values. The suite is named because the SDK's default signs as well, for which this system has no use: the
readers hold the same key as the writers.

The encryption context binds a message to its place; it is compared with what the caller asked for when the
message is opened, so that an envelope copied to another secret, version or epoch does not open there. `encoding`
is authenticated with it and tells text from bytes.
"""

import logging
from typing import Any, Final, Self

from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.identifiers import Algorithm, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider
from cryptography.exceptions import InvalidTag

from strongroom_service.domain.errors import IntegrityFailure
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.ports import VersionBinding

# The SDK's debug records describe keys and messages; nothing of that belongs into a log.
for _name in ("aws_encryption_sdk", "aws_encryption_sdk.key_providers.base", "aws_encryption_sdk.key_providers.raw"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_SUITE: Final = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
_FRAME_BYTES: Final = 65536
"""One frame for the largest value."""
_PROVIDER_ID: Final = "strongroom-namespace-key"
_TEXT: Final = "utf-8"
_BINARY: Final = "binary"

_CLIENT: Final = EncryptionSDKClient(
    commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
    max_encrypted_data_keys=1,
)


class _NamespaceKeyProvider(RawMasterKeyProvider):  # type: ignore[misc]  # the SDK is untyped
    """A namespace key as the SDK's wrapping key. Made for one use: the SDK's index keeps the raw key."""

    provider_id = _PROVIDER_ID

    def __new__(cls, **kwargs: Any) -> Self:  # noqa: ANN401  # the SDK's own signature
        kwargs.pop("key")
        return super().__new__(cls, **kwargs)  # type: ignore[no-any-return]  # the SDK is untyped

    def __init__(self, *, key: bytearray) -> None:
        super().__init__()
        self._key = key

    def _get_raw_key(self, key_id: bytes) -> WrappingKey:
        del key_id  # the only key that this provider has
        return WrappingKey(
            wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
            wrapping_key=self._key,
            wrapping_key_type=EncryptionKeyType.SYMMETRIC,
        )


def seal_message(value: SecretValue, binding: VersionBinding, *, key_id: str, key: bytearray) -> bytes:
    """Encrypt a value under a fresh data key that `key` wraps."""
    provider = _NamespaceKeyProvider(key=key)
    provider.add_master_key(key_id.encode())
    message, _ = _CLIENT.encrypt(
        source=bytes(value.buffer),
        key_provider=provider,
        algorithm=_SUITE,
        encryption_context={**_context(binding), "encoding": _TEXT if value.is_text else _BINARY},
        frame_length=_FRAME_BYTES,
    )
    return bytes(message)


def open_message(message: bytes, binding: VersionBinding, *, key_id: str, key: bytearray) -> SecretValue:
    """Decrypt a message that was sealed for this binding; raises `IntegrityFailure` for any other."""
    provider = _NamespaceKeyProvider(key=key)
    provider.add_master_key(key_id.encode())
    stream = _CLIENT.stream(mode="decrypt-unsigned", source=message, key_provider=provider)
    try:
        plaintext = stream.read()
        stream.close()
    except (AWSEncryptionSDKClientError, InvalidTag, ValueError, TypeError, KeyError, IndexError, EOFError):
        # Closing a stream that has failed fails too: when it is collected, Python 3.13 would write that to the log.
        stream.close = _do_nothing
        # Whatever the parser stumbled over: the stored message is not what was written.
        raise IntegrityFailure from None
    context = dict(stream.header.encryption_context)
    encoding = context.pop("encoding", None)
    if context != _context(binding) or encoding not in {_TEXT, _BINARY}:
        raise IntegrityFailure
    return SecretValue(bytearray(plaintext), is_text=encoding == _TEXT)


def _do_nothing() -> None:
    pass


def _context(binding: VersionBinding) -> dict[str, str]:
    name = binding.name
    return {
        "tenant": name.tenant,
        "environment": name.environment,
        "path": name.path,
        "secretId": binding.secret_id,
        "version": str(binding.number),
        "epoch": str(binding.epoch),
    }
