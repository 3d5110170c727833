"""The encryption port: KMS wraps namespace keys, namespace keys wrap each message's data key."""

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from strongroom_service.adapters.aws_client import AwsCallFailed
from strongroom_service.domain.errors import DomainError, IntegrityFailure, KmsUnavailable
from strongroom_service.domain.ids import random_name
from strongroom_service.domain.names import Namespace
from strongroom_service.domain.secret import Envelope, WrappedNamespaceKey
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.ports import Measurements, Metric, Randomness, VersionBinding

from .kms import RegionalKms
from .messages import open_message, seal_message
from .sealed_cache import SealedKeyCache

PURPOSE: Final = "strongroom/namespace-key"
"""Encryption context `purpose` of every KMS call; the key's policy admits no other."""

_NOT_OURS: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_KEY_BYTES: Final = 32


class KmsEncryption:
    """Envelope encryption under the multi-region envelope key."""

    def __init__(
        self,
        *,
        kms: RegionalKms,
        randomness: Randomness,
        measurements: Measurements,
        cache: SealedKeyCache | None = None,
    ) -> None:
        self._kms = kms
        self._randomness = randomness
        self._measurements = measurements
        self._cache = cache or SealedKeyCache(randomness=randomness)

    def new_namespace_key(self, namespace: Namespace) -> WrappedNamespaceKey:
        """A fresh key for a namespace, wrapped by KMS. Raises `KmsUnavailable`."""
        name = random_name(self._randomness.token(16))
        try:
            plaintext, wrapped = self._kms.generate_data_key(
                context=_kms_context(namespace.tenant, namespace.environment, name)
            )
        except AwsCallFailed as failure:
            raise KmsUnavailable from failure
        self._cache.put(_cache_key(namespace.tenant, namespace.environment, name), plaintext)
        plaintext[:] = bytes(len(plaintext))
        return WrappedNamespaceKey(namespace.tenant, namespace.environment, name, wrapped, self._kms.key_id)

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
        is_hit = True

        def fetch() -> bytearray:
            nonlocal is_hit
            is_hit = False
            return self._unwrap(key)

        with self._cache.opened(_cache_key(key.tenant, key.environment, key.namespace_key_id), fetch) as raw:
            if is_hit:
                self._measurements.count(Metric.KEY_CACHE_HITS)
            yield raw

    def _unwrap(self, key: WrappedNamespaceKey) -> bytearray:
        context = _kms_context(key.tenant, key.environment, key.namespace_key_id)
        try:
            raw = self._kms.decrypt(key.wrapped, key_id=key.key_id, context=context)
        except AwsCallFailed as failure:
            raise _translate(failure) from failure
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


def _derive(raw: bytearray, info: str) -> bytes:
    """HKDF-SHA-256 (RFC 5869) without salt: the source is a uniformly random key already."""
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info.encode()).derive(raw)
