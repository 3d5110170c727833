"""The encryption port: KMS wraps namespace keys, namespace keys wrap each message's data key."""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from strongroom_service.adapters.aws_client import AwsCallFailed, AwsClient, Operation
from strongroom_service.domain.errors import DomainError, IntegrityFailure, KmsUnavailable
from strongroom_service.domain.ids import random_name
from strongroom_service.domain.names import Namespace
from strongroom_service.domain.secret import Envelope, WrappedNamespaceKey
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.ports import Randomness, VersionBinding

from .messages import open_message, seal_message
from .sealed_cache import SealedKeyCache

PURPOSE: Final = "strongroom/namespace-key"
"""Encryption context `purpose` of every KMS call; the key's policy admits no other."""

_TIMEOUT: Final = timedelta(seconds=1)
_CONTENT_TYPE: Final = "application/x-amz-json-1.1"
DECRYPT: Final = Operation(service="kms", target="TrentService.Decrypt", content_type=_CONTENT_TYPE, timeout=_TIMEOUT)
GENERATE_DATA_KEY: Final = Operation(
    service="kms", target="TrentService.GenerateDataKey", content_type=_CONTENT_TYPE, timeout=_TIMEOUT
)
_NOT_OURS: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_KEY_BYTES: Final = 32


class KmsEncryption:
    """Envelope encryption under the multi-region key, whose copy in this region `key_arn` names."""

    def __init__(
        self, *, client: AwsClient, key_arn: str, randomness: Randomness, cache: SealedKeyCache | None = None
    ) -> None:
        self._client = client
        self._key_arn = key_arn
        self._randomness = randomness
        self._cache = cache or SealedKeyCache(randomness=randomness)

    def new_namespace_key(self, namespace: Namespace) -> WrappedNamespaceKey:
        """A fresh key for a namespace, wrapped by KMS. Raises `KmsUnavailable`."""
        name = random_name(self._randomness.token(16))
        request = {
            "KeyId": self._key_arn,
            "KeySpec": "AES_256",
            "EncryptionContext": _kms_context(namespace.tenant, namespace.environment, name),
        }
        try:
            answer = self._client.call(GENERATE_DATA_KEY, request)
        except AwsCallFailed as failure:
            raise KmsUnavailable from failure
        plaintext = bytearray(base64.b64decode(answer["Plaintext"]))
        self._cache.put(_cache_key(namespace.tenant, namespace.environment, name), plaintext)
        plaintext[:] = bytes(len(plaintext))
        wrapped = base64.b64decode(answer["CiphertextBlob"])
        return WrappedNamespaceKey(namespace.tenant, namespace.environment, name, wrapped, _key_id(self._key_arn))

    def seal(self, value: SecretValue, binding: VersionBinding, key: WrappedNamespaceKey) -> Envelope:
        """Encrypt a value under a data key of its own. Raises `KmsUnavailable`."""
        with self._opened(key) as raw:
            blob = seal_message(value, binding, key_id=key.namespace_key_id, key=raw)
        return Envelope(blob, key.namespace_key_id, key.wrapped, key.key_id)

    def open(self, envelope: Envelope, binding: VersionBinding) -> SecretValue:
        """Decrypt. Raises `IntegrityFailure` or `KmsUnavailable`."""
        with self._opened(envelope.namespace_key(binding.name)) as raw:
            return open_message(envelope.blob, binding, key_id=envelope.namespace_key_id, key=raw)

    def fingerprint(self, value: SecretValue, *, secret_id: str, key: WrappedNamespaceKey) -> str:
        """HMAC-SHA-256 of the value under a key for this secret alone, 64 hex digits."""
        with self._opened(key) as raw:
            return hmac.new(
                _derive(raw, f"strongroom/fingerprint/{secret_id}"), value.buffer, hashlib.sha256
            ).hexdigest()

    def keyed_digest(self, text: str, *, purpose: str, key: WrappedNamespaceKey) -> str:
        """HMAC-SHA-256 of the text under a key for this purpose alone, 64 hex digits."""
        with self._opened(key) as raw:
            derived = _derive(raw, f"strongroom/digest/{purpose}")
            return hmac.new(derived, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    @contextmanager
    def _opened(self, key: WrappedNamespaceKey) -> Iterator[bytearray]:
        with self._cache.opened(
            _cache_key(key.tenant, key.environment, key.namespace_key_id), lambda: self._unwrap(key)
        ) as raw:
            yield raw

    def _unwrap(self, key: WrappedNamespaceKey) -> bytearray:
        request = {
            "KeyId": f"{self._key_arn.rpartition('/')[0]}/{key.key_id}",
            "CiphertextBlob": base64.b64encode(key.wrapped).decode("ascii"),
            "EncryptionContext": _kms_context(key.tenant, key.environment, key.namespace_key_id),
        }
        try:
            answer = self._client.call(DECRYPT, request)
        except AwsCallFailed as failure:
            raise _translate(failure) from failure
        raw = bytearray(base64.b64decode(answer["Plaintext"]))
        if len(raw) != _KEY_BYTES:
            raise IntegrityFailure
        return raw


def _translate(failure: AwsCallFailed) -> DomainError:
    return IntegrityFailure() if failure.code in _NOT_OURS else KmsUnavailable()


def _cache_key(tenant: str, environment: str, namespace_key_id: str) -> str:
    """All that KMS bound the wrapped key to: an id alone could be claimed by another namespace's envelope."""
    return f"{tenant}#{environment}#{namespace_key_id}"


def _kms_context(tenant: str, environment: str, namespace_key_id: str) -> dict[str, str]:
    return {
        "tenant": tenant,
        "environment": environment,
        "namespaceKeyId": namespace_key_id,
        "purpose": PURPOSE,
    }


def _key_id(arn: str) -> str:
    return arn.rpartition("/")[2]


def _derive(raw: bytearray, info: str) -> bytes:
    """HKDF-SHA-256 (RFC 5869) without salt: the source is a uniformly random key already."""
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info.encode()).derive(raw)
