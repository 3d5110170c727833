"""KMS region by region: the nearest first, another when one gives no answer, none past a decision."""

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from strongroom_service.adapters.aws_client import AwsCallFailed
from strongroom_service.adapters.breaker import CircuitBreaker
from strongroom_service.adapters.envelope.kms import RegionalKms
from strongroom_service.usecases.ports import Metric
from tests.support.auditing import FakeMeasurements
from tests.support.scripted_aws import Answer, ScriptedAws, scripted_aws

HOME, OTHER = "us-east-1", "us-west-2"
KEY_ID = "mrk-0123456789abcdef0123456789abcdef"
RAW = bytes(range(32))
OPENED = Answer({"Plaintext": base64.b64encode(RAW).decode()})
NO_ANSWER = {
    "hung up": Answer(hang_up=True),
    "internal": Answer.error("KMSInternalException", status=500),
    "dependency": Answer.error("DependencyTimeoutException", status=503),
    "no code": Answer(raw=b"<html>", status=502),
}
DECISIONS = (
    "DisabledException",
    "AccessDeniedException",
    "KMSInvalidStateException",
    "NotFoundException",
    "InvalidCiphertextException",
    "IncorrectKeyException",
)


class Time:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Regions:
    """Two regions' KMS, and the key over them as a function in the first sees it."""

    def __init__(self, stack: ExitStack) -> None:
        self.aws = {region: stack.enter_context(scripted_aws()) for region in (HOME, OTHER)}
        self.time = Time()
        self.measurements = FakeMeasurements()
        self.slept: list[float] = []
        self.kms = self.over(OTHER, HOME)

    def over(self, *regions: str) -> RegionalKms:
        return RegionalKms(
            clients={region: self.aws[region].client(region) for region in regions},
            key_arn=f"arn:aws:kms:{HOME}:123456789012:key/{KEY_ID}",
            measurements=self.measurements,
            breaker=lambda: CircuitBreaker(monotonic=self.time),
            sleep=self.slept.append,
        )

    def open(self) -> bytes:
        return bytes(self.kms.decrypt(b"wrapped", key_id=KEY_ID, context={"purpose": "test"}))

    def asked(self, region: str, operation: str = "Decrypt") -> list[dict[str, Any]]:
        return self.aws[region].asked(operation)


@pytest.fixture
def regions() -> Iterator[Regions]:
    with ExitStack() as stack:
        yield Regions(stack)


def script(aws: ScriptedAws, *answers: Answer) -> None:
    aws.script("Decrypt", *answers)


def test_this_regions_kms_is_asked_first_and_alone(regions: Regions) -> None:
    """Whatever the order in which regions are given."""
    script(regions.aws[HOME], OPENED)
    assert regions.open() == RAW
    (request,) = regions.asked(HOME)
    assert request["KeyId"] == f"arn:aws:kms:{HOME}:123456789012:key/{KEY_ID}"
    assert regions.asked(OTHER) == []
    assert regions.measurements.counts == {Metric.KMS_CALLS: 1}


@pytest.mark.parametrize("failure", NO_ANSWER.values(), ids=NO_ANSWER)
def test_without_an_answer_the_other_regions_copy_opens(regions: Regions, failure: Answer) -> None:
    """The same key by its ARN there, with the same ciphertext and context."""
    script(regions.aws[HOME], failure)
    script(regions.aws[OTHER], OPENED)
    assert regions.open() == RAW
    (request,) = regions.asked(OTHER)
    assert request["KeyId"] == f"arn:aws:kms:{OTHER}:123456789012:key/{KEY_ID}"
    assert {**request, "KeyId": ""} == {**regions.asked(HOME)[0], "KeyId": ""}
    assert regions.measurements.counts[Metric.KMS_FALLBACKS] == 1


@pytest.mark.parametrize("code", DECISIONS)
def test_a_decision_of_kms_is_asked_nowhere_else(regions: Regions, code: str) -> None:
    """A key that was disabled on purpose must not open through the next region."""
    script(regions.aws[HOME], Answer.error(code))
    script(regions.aws[OTHER], OPENED)
    with pytest.raises(AwsCallFailed) as refused:
        regions.open()
    assert refused.value.code == code
    assert regions.asked(OTHER) == []


def test_a_decision_of_the_other_region_is_final_too(regions: Regions) -> None:
    script(regions.aws[HOME], Answer(hang_up=True))
    script(regions.aws[OTHER], Answer.error("DisabledException"))
    with pytest.raises(AwsCallFailed) as refused:
        regions.open()
    assert refused.value.code == "DisabledException"
    assert len(regions.asked(HOME)) == 1


def test_a_region_that_gave_no_answer_is_left_alone_for_half_a_minute(regions: Regions) -> None:
    """Each new key would otherwise wait for its time-out first."""
    script(regions.aws[HOME], Answer(hang_up=True), OPENED)
    script(regions.aws[OTHER], OPENED)
    for _ in range(3):
        regions.open()
    assert len(regions.asked(HOME)) == 1
    regions.time.seconds = 31.0
    regions.open()
    regions.open()
    assert len(regions.asked(HOME)) == 3
    assert len(regions.asked(OTHER)) == 3


def test_a_region_that_is_well_again_is_believed_when_it_is_needed(regions: Regions) -> None:
    """While the nearest one answers, nobody uses up the trial that is due to another."""
    script(regions.aws[HOME], Answer(hang_up=True), OPENED)
    script(regions.aws[OTHER], Answer(hang_up=True), OPENED)
    regions.open()
    regions.time.seconds = 31.0
    regions.open()
    script(regions.aws[HOME], NO_ANSWER["internal"])
    asked = len(regions.asked(HOME))
    regions.open()
    assert len(regions.asked(HOME)) == asked + 1, "the failing region was asked twice"
    assert len(regions.asked(OTHER)) == 2


def test_over_its_quota_a_region_is_passed_over_once(regions: Regions) -> None:
    """It is alive: the next key may be opened by it again."""
    script(regions.aws[HOME], Answer.error("ThrottlingException"), OPENED)
    script(regions.aws[OTHER], OPENED)
    regions.open()
    regions.open()
    assert (len(regions.asked(HOME)), len(regions.asked(OTHER))) == (2, 1)


def test_when_no_region_answers_the_call_fails_after_three_tries(regions: Regions) -> None:
    for aws in regions.aws.values():
        script(aws, Answer(hang_up=True))
    with pytest.raises(AwsCallFailed) as failed:
        regions.open()
    assert failed.value.code == "Unreachable"
    assert len(regions.asked(HOME)) + len(regions.asked(OTHER)) == 3


def test_with_every_breaker_open_the_regions_are_asked_all_the_same(regions: Regions) -> None:
    """Better a slow answer than none."""
    for aws in regions.aws.values():
        script(aws, Answer(hang_up=True))
    with pytest.raises(AwsCallFailed):
        regions.open()
    script(regions.aws[HOME], OPENED)
    assert regions.open() == RAW


def test_a_single_region_is_tried_again_after_a_pause(regions: Regions) -> None:
    regions.kms = regions.over(HOME)
    script(regions.aws[HOME], Answer.error("ThrottlingException"), NO_ANSWER["internal"], OPENED)
    assert regions.open() == RAW
    assert len(regions.slept) == 2


def test_data_keys_are_made_by_another_region_too(regions: Regions) -> None:
    """A first secret can be stored while this region's KMS is down; its wrapped key opens in every region."""
    regions.aws[HOME].script("GenerateDataKey", Answer(hang_up=True))
    made = {"Plaintext": base64.b64encode(RAW).decode(), "CiphertextBlob": base64.b64encode(b"wrapped").decode()}
    regions.aws[OTHER].script("GenerateDataKey", Answer(made))
    plaintext, wrapped = regions.kms.generate_data_key(context={"purpose": "test"})
    assert (bytes(plaintext), wrapped) == (RAW, b"wrapped")
    (request,) = regions.asked(OTHER, "GenerateDataKey")
    assert request["KeyId"] == f"arn:aws:kms:{OTHER}:123456789012:key/{KEY_ID}"
    assert regions.kms.key_id == KEY_ID
