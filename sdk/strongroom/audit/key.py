"""The public key that digests are verified by: P-256, pinned in a file or told by KMS."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from .errors import KeyUnusable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

_MAX_FILE_BYTES: Final = 64 * 1024


class PublicKey:
    """A public key of the curve P-256."""

    def __init__(self, key: "EllipticCurvePublicKey", *, origin: str) -> None:
        self._key = key
        self.origin = origin
        """Where it was taken from, for people."""

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a file in PEM or DER. Raises `KeyUnusable`."""
        try:
            with Path(path).open("rb") as file:
                content = file.read(_MAX_FILE_BYTES)
        except OSError as error:
            raise KeyUnusable(f"the public key {path} cannot be read: {error.strerror}") from None
        return cls.parse(content, origin=f"file {path}")

    @classmethod
    def parse(cls, content: bytes, *, origin: str = "given bytes") -> Self:
        """Take a key in PEM or DER (SubjectPublicKeyInfo). Raises `KeyUnusable`."""
        try:
            from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  # an extra's package
            from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  # the same
            from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  # the same
                load_der_public_key,
                load_pem_public_key,
            )
        except ImportError:
            raise KeyUnusable("verifying needs the package cryptography: pip install 'strongroom[audit]'") from None
        try:
            key = load_pem_public_key(content) if b"-----BEGIN" in content else load_der_public_key(content)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyUnusable(f"the public key ({origin}) is neither PEM nor DER: {type(error).__name__}") from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise KeyUnusable(f"the public key ({origin}) is not of the curve P-256")
        return cls(key, origin=origin)

    @classmethod
    def from_kms(cls, key_id: str, *, region: str, session: Any = None) -> Self:  # noqa: ANN401  # botocore's or boto3's
        """Ask KMS for the key of an ARN or alias (`kms:GetPublicKey`). Raises `KeyUnusable`."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # not needed with a pinned key

        from .aws import client, told  # noqa: PLC0415  # the same

        try:
            answer = client("kms", region=region, session=session).get_public_key(KeyId=key_id)
        except (BotoCoreError, ClientError) as error:
            raise KeyUnusable(f"KMS does not tell the public key {key_id} in {region}: {told(error)}") from None
        return cls.parse(answer["PublicKey"], origin=f"KMS, {answer['KeyId']}")

    def pem(self) -> str:
        """The key as PEM, to be pinned somewhere else."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415  # see above

        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the key's owner signed the message (ECDSA with SHA-256)."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # see above
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  # see above
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  # see above

        try:
            self._key.verify(signature, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True
