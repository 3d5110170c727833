"""The key that signs digests, over KMS."""

import hashlib
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from strongroom_service.domain.digest import ALGORITHM
from strongroom_service.domain.errors import KmsUnavailable

_WRONG: Final = "KMSInvalidSignatureException"


class KmsDigestSigner:
    """The digests' signer port. `client` is botocore's KMS client."""

    def __init__(self, *, client: Any, key_arn: str) -> None:  # noqa: ANN401  # botocore's clients are untyped
        self._client = client
        self._key_arn = key_arn

    @property
    def key_id(self) -> str:
        """The key's ARN."""
        return self._key_arn

    def sign(self, message: bytes) -> bytes:
        """A signature in DER over a message, of which KMS is sent the hash. Raises `KmsUnavailable`."""
        try:
            answer = self._client.sign(**self._request(message))
        except (ClientError, BotoCoreError):
            raise KmsUnavailable from None
        return bytes(answer["Signature"])

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this key signed the message. Raises `KmsUnavailable`."""
        if not signature:
            return False
        try:
            answer = self._client.verify(Signature=signature, **self._request(message))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == _WRONG:
                return False
            raise KmsUnavailable from None
        except BotoCoreError:
            raise KmsUnavailable from None
        return bool(answer["SignatureValid"])

    def _request(self, message: bytes) -> dict[str, Any]:
        return {
            "KeyId": self._key_arn,
            "Message": hashlib.sha256(message).digest(),
            "MessageType": "DIGEST",
            "SigningAlgorithm": ALGORITHM,
        }
