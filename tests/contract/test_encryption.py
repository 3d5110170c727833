"""What every envelope encryption promises: it opens for what it was sealed for, and for nothing else."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.envelope.encryption import KmsEncryption
from strongroom_service.adapters.envelope.kms import RegionalKms
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.errors import IntegrityFailure
from strongroom_service.domain.names import Namespace, SecretName
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.ports import Encryption, VersionBinding
from tests.support.auditing import FakeMeasurements
from tests.support.fakes import FakeEncryption
from tests.support.local_aws import REGION, LocalAws

NAME = SecretName("default", "prod", "payments/db-password")
BINDING = VersionBinding(NAME, "sec_00000001", 1, 1)


@pytest.fixture(params=["fake", "kms"])
def encryption(request: pytest.FixtureRequest) -> Iterator[Encryption]:
    if request.param == "fake":
        yield FakeEncryption()
        return
    aws: LocalAws = request.getfixturevalue("aws")
    with closing(AwsClient(region=REGION)) as client:
        yield KmsEncryption(
            kms=RegionalKms(clients={REGION: client}, key_arn=aws.key_arn, measurements=FakeMeasurements()),
            randomness=SystemRandomness(),
            measurements=FakeMeasurements(),
        )


def text(value: str = "made-up-value") -> SecretValue:
    return SecretValue.from_text(value)


def test_what_was_sealed_opens(encryption: Encryption) -> None:
    key = encryption.new_namespace_key(NAME.namespace)
    for value in (text(), SecretValue(bytearray(range(256)), is_text=False)):
        envelope = encryption.seal(value, BINDING, key)
        opened = encryption.open(envelope, BINDING)
        assert (opened.buffer, opened.is_text) == (value.buffer, value.is_text)
        assert bytes(value.buffer) not in envelope.blob


@pytest.mark.parametrize(
    "other",
    [
        replace(BINDING, name=replace(NAME, path="payments/other")),
        replace(BINDING, secret_id="sec_00000002"),
        replace(BINDING, number=2),
        replace(BINDING, epoch=2),
    ],
)
def test_it_opens_for_nothing_else(encryption: Encryption, other: VersionBinding) -> None:
    envelope = encryption.seal(text(), BINDING, encryption.new_namespace_key(NAME.namespace))
    with pytest.raises(IntegrityFailure):
        encryption.open(envelope, other)


def test_a_key_is_of_one_namespace_and_new_each_time(encryption: Encryption) -> None:
    keys = [encryption.new_namespace_key(Namespace("default", "prod")) for _ in range(2)]
    assert {(key.tenant, key.environment) for key in keys} == {("default", "prod")}
    assert len({key.namespace_key_id for key in keys}) == 2


def test_fingerprints_tell_equal_values_of_one_secret_only(encryption: Encryption) -> None:
    key, other_key = (encryption.new_namespace_key(NAME.namespace) for _ in range(2))
    fingerprint = encryption.fingerprint(text(), secret_id="sec_1", key=key)
    assert len(fingerprint) == 64
    assert fingerprint == encryption.fingerprint(text(), secret_id="sec_1", key=key)
    others = {
        encryption.fingerprint(text("other"), secret_id="sec_1", key=key),
        encryption.fingerprint(text(), secret_id="sec_2", key=key),
        encryption.fingerprint(text(), secret_id="sec_1", key=other_key),
        encryption.keyed_digest("made-up-value", purpose="sec_1", key=key),
    }
    assert len(others) == 4
    assert fingerprint not in others


def test_digests_depend_on_text_purpose_and_key(encryption: Encryption) -> None:
    key = encryption.new_namespace_key(NAME.namespace)
    digest = encryption.keyed_digest("text", purpose="cursor", key=key)
    assert digest == encryption.keyed_digest("text", purpose="cursor", key=key)
    assert digest != encryption.keyed_digest("text", purpose="client-token", key=key)
    assert digest != encryption.keyed_digest("other", purpose="cursor", key=key)
