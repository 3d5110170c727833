"""Public keys as the cryptographic library has them."""

from typing import cast

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from strongroom_service.domain.public_keys import PublicKey


def load_key(key: PublicKey) -> EllipticCurvePublicKey | RSAPublicKey:
    """The key; raises `ValueError` when its numbers are no key."""
    document = {"kty": key.kty, **dict(key.parameters)}
    try:
        if key.kty == "EC":
            return cast("EllipticCurvePublicKey", ECAlgorithm.from_jwk(document))
        return cast("RSAPublicKey", RSAAlgorithm.from_jwk(document))
    except PyJWTError as error:
        raise ValueError("not a key") from error


def is_usable(key: PublicKey) -> bool:
    """Whether the numbers are a key: an elliptic curve's point lies on its curve."""
    try:
        load_key(key)
    except ValueError:
        return False
    return True
