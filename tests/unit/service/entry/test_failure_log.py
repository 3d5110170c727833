"""Logs of failures say where and what kind, and never what."""

import json

import pytest

from strongroom_service.adapters.aws_client import AwsCallFailed
from strongroom_service.domain.errors import InternalError, KmsUnavailable
from strongroom_service.entry.failure_description import describe_failure
from strongroom_service.entry.failure_log import FailureLog

CANARY = "CANARY-VALUE"


def parse() -> None:
    raise ValueError(f"could not parse {CANARY}")


def failing() -> Exception:
    try:
        try:
            parse()
        except ValueError as cause:
            raise KmsUnavailable(CANARY) from cause
    except KmsUnavailable as error:
        return error
    raise AssertionError


def test_a_failure_is_described_by_types_and_places() -> None:
    """The chain of causes, each with the functions it passed through, without any message."""
    described = describe_failure(failing())
    assert [entry["type"] for entry in described] == [
        "strongroom_service.domain.errors.KmsUnavailable",
        "builtins.ValueError",
    ]
    assert described[0]["code"] == "kms_unavailable"
    assert described[0]["frames"][0].endswith("failing")
    assert CANARY not in json.dumps(described)


def test_the_code_of_a_foreign_error_is_not_told() -> None:
    """`sys.exit("...")` keeps its words there, an HTTP library whatever it was given."""
    assert [entry["code"] for entry in describe_failure(SystemExit(CANARY))] == [None]


def test_aws_and_the_domain_have_codes_of_their_own() -> None:
    assert describe_failure(AwsCallFailed("Decrypt", "DisabledException"))[0]["code"] == "DisabledException"


def test_a_chain_of_causes_that_bites_its_tail_ends() -> None:
    """Exceptions can be made to form a ring."""
    error = ValueError()
    error.__cause__ = KeyError()
    error.__cause__.__cause__ = error
    assert len(describe_failure(error)) <= 6


def test_a_record_carries_the_request_and_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    """One structured line on standard output, where Lambda collects it."""
    FailureLog(service="strongroom-test-reader").write(failing(), told=InternalError(), request_id="request-1")
    captured = capsys.readouterr()
    assert captured.err == ""
    record = json.loads(captured.out)
    assert record["requestId"] == "request-1"
    assert record["code"] == "internal_error"
    assert record["service"] == "strongroom-test-reader"
    assert CANARY not in captured.out
