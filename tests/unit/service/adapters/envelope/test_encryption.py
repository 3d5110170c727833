"""Keys by KMS, values by message: what KMS is asked, how its answers and refusals are understood."""

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest

from strongroom_service.adapters.envelope.encryption import KmsEncryption
from strongroom_service.adapters.envelope.kms import RegionalKms
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.errors import DomainError, IntegrityFailure, KmsUnavailable
from strongroom_service.domain.names import Namespace, SecretName
from strongroom_service.domain.secret import WrappedNamespaceKey
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.ports import VersionBinding
from tests.support.auditing import FakeMeasurements
from tests.support.scripted_aws import REGION, Answer, ScriptedAws, scripted_aws

ARN = "arn:aws:kms:us-east-1:123456789012:key/mrk-0123456789abcdef0123456789abcdef"
NAME = SecretName("default", "prod", "payments/db-password")
BINDING = VersionBinding(NAME, "sec_0123-4567-89ab-cdef01234567", 1, 1)
RAW = bytes(range(32))
KEY = WrappedNamespaceKey("default", "prod", "0" * 32, b"wrapped", "mrk-0123456789abcdef0123456789abcdef")
PLAINTEXT = Answer({"Plaintext": base64.b64encode(RAW).decode(), "KeyId": ARN})


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as script:
        yield script


def encryption(aws: ScriptedAws) -> KmsEncryption:
    kms = RegionalKms(
        clients={REGION: aws.client()}, key_arn=ARN, measurements=FakeMeasurements(), sleep=lambda _: None
    )
    return KmsEncryption(kms=kms, randomness=SystemRandomness(), measurements=FakeMeasurements())


def test_a_new_namespace_key_is_made_by_kms_and_bound_to_its_namespace(aws: ScriptedAws) -> None:
    """KMS sees tenant, environment, the key's own random id and the purpose; the id of the KMS key is kept."""
    aws.script(
        "GenerateDataKey",
        Answer({"Plaintext": base64.b64encode(RAW).decode(), "CiphertextBlob": base64.b64encode(b"w").decode()}),
    )
    key = encryption(aws).new_namespace_key(Namespace("default", "prod"))
    assert aws.asked("GenerateDataKey") == [
        {
            "KeyId": ARN,
            "KeySpec": "AES_256",
            "EncryptionContext": {
                "tenant": "default",
                "environment": "prod",
                "namespaceKeyId": key.namespace_key_id,
                "purpose": "strongroom/namespace-key",
            },
        }
    ]
    assert key.wrapped == b"w"
    assert key.key_id == "mrk-0123456789abcdef0123456789abcdef"
    assert len(key.namespace_key_id) == 32


def test_a_key_that_was_just_made_needs_no_decryption(aws: ScriptedAws) -> None:
    """The first value of a namespace is sealed with the key as KMS handed it out."""
    aws.script(
        "GenerateDataKey",
        Answer({"Plaintext": base64.b64encode(RAW).decode(), "CiphertextBlob": base64.b64encode(b"w").decode()}),
    )
    subject = encryption(aws)
    key = subject.new_namespace_key(Namespace("default", "prod"))
    envelope = subject.seal(SecretValue.from_text("made-up"), BINDING, key)
    assert subject.open(envelope, BINDING).reveal_text() == "made-up"
    assert aws.asked("Decrypt") == []


def test_many_values_of_a_namespace_cost_one_call(aws: ScriptedAws) -> None:
    """Twenty versions have twenty data keys and one namespace key; KMS is asked once, in this region."""
    aws.script("Decrypt", PLAINTEXT)
    subject = encryption(aws)
    for number in range(1, 21):
        binding = replace(BINDING, number=number)
        envelope = subject.seal(SecretValue.from_text(f"made-up-{number}"), binding, KEY)
        assert subject.open(envelope, binding).reveal_text() == f"made-up-{number}"
    assert aws.asked("Decrypt") == [
        {
            "KeyId": ARN,
            "CiphertextBlob": base64.b64encode(b"wrapped").decode(),
            "EncryptionContext": {
                "tenant": "default",
                "environment": "prod",
                "namespaceKeyId": "0" * 32,
                "purpose": "strongroom/namespace-key",
            },
        }
    ]


def test_a_key_is_cached_for_its_own_namespace_only(aws: ScriptedAws) -> None:
    """An envelope of another namespace that claims a known key id is taken to KMS all the same."""
    aws.script("Decrypt", PLAINTEXT, Answer.error("InvalidCiphertextException"))
    subject = encryption(aws)
    envelope = subject.seal(SecretValue.from_text("made-up"), BINDING, KEY)
    with pytest.raises(IntegrityFailure):
        subject.open(envelope, replace(BINDING, name=SecretName("other", "prod", "payments/db-password")))
    assert len(aws.asked("Decrypt")) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer.error("AccessDeniedException"), KmsUnavailable),
        (Answer.error("DisabledException"), KmsUnavailable),
        (Answer.error("KMSInvalidStateException"), KmsUnavailable),
        (Answer.error("ThrottlingException"), KmsUnavailable),
        (Answer.error("KMSInternalException", status=500), KmsUnavailable),
        (Answer(hang_up=True), KmsUnavailable),
        (Answer.error("InvalidCiphertextException"), IntegrityFailure),
        (Answer.error("IncorrectKeyException"), IntegrityFailure),
        (Answer({"Plaintext": base64.b64encode(b"short").decode()}), IntegrityFailure),
    ],
)
def test_failures_of_kms_become_errors_of_the_domain(
    aws: ScriptedAws, answer: Answer, error: type[DomainError]
) -> None:
    """Trouble and refusals are `kms_unavailable`; what KMS finds not to be its own is an integrity failure."""
    aws.script("Decrypt", answer)
    with pytest.raises(error) as failed:
        encryption(aws).seal(SecretValue.from_text("CANARY-VALUE"), BINDING, KEY)
    assert "CANARY" not in f"{failed.value}{failed.value.__cause__}"


def test_a_namespace_key_cannot_be_made_without_kms(aws: ScriptedAws) -> None:
    """No key, no namespace: a clear error."""
    aws.script("GenerateDataKey", Answer(hang_up=True))
    with pytest.raises(KmsUnavailable):
        encryption(aws).new_namespace_key(Namespace("default", "prod"))


def test_fingerprints_and_digests_are_pinned(aws: ScriptedAws) -> None:
    """Known answers: stored fingerprints and digests must compare for as long as the namespace key lives."""
    aws.script("Decrypt", PLAINTEXT)
    subject = encryption(aws)
    assert subject.fingerprint(SecretValue.from_text("made-up"), secret_id="sec_1", key=KEY) == (
        "822e5cfd92565331b5647ef9c2c2efa1cd1a929ea4910815bb09f5cf2c85c118"
    )
    assert subject.keyed_digest("token-0001", purpose="client-token/prod/a", key=KEY) == (
        "f25d19b11a5f580d46aea6534da425cb1167b5aacd3be4f996c671c0d5e2ba6b"
    )


def test_equal_values_of_two_secrets_do_not_look_equal(aws: ScriptedAws) -> None:
    """Fingerprints compare within one secret; purposes keep digests apart."""
    aws.script("Decrypt", PLAINTEXT)
    subject = encryption(aws)
    value = SecretValue.from_text("made-up")
    assert subject.fingerprint(value, secret_id="sec_1", key=KEY) != subject.fingerprint(
        value, secret_id="sec_2", key=KEY
    )
    assert subject.keyed_digest("x", purpose="a", key=KEY) != subject.keyed_digest("x", purpose="b", key=KEY)
