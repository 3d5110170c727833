"""The drain's ends over scripted AWS: what cannot be brought about in a table that is asked by one alone."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from strongroom_service.adapters.audit.draining import DynamoBufferedRecords
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.errors import StoreUnavailable


class Dynamo:
    """A client whose updates end in an error."""

    def __init__(self, code: str) -> None:
        self._code = code
        self.asked: list[dict[str, Any]] = []

    def update_item(self, **request: Any) -> None:
        self.asked.append(request)
        raise ClientError({"Error": {"Code": self._code, "Message": "quotes CANARY"}}, "UpdateItem")


def correct(dynamo: Dynamo) -> None:
    records = DynamoBufferedRecords(client=dynamo, table="strongroom-test-buffer", randomness=SystemRandomness())
    records.correct(3, counted=2)


@pytest.mark.parametrize("code", ["ConditionalCheckFailedException", "TransactionConflictException"])
def test_a_counter_that_a_request_is_counting_on_needs_no_correction(code: str) -> None:
    """Under way or done: the counter is alive, and the drain has other shards to go to."""
    dynamo = Dynamo(code)
    correct(dynamo)
    assert len(dynamo.asked) == 1


def test_a_correction_that_fails_otherwise_is_an_error_of_the_domain() -> None:
    with pytest.raises(StoreUnavailable) as failed:
        correct(Dynamo("AccessDeniedException"))
    assert "CANARY" not in f"{failed.value}{failed.value.__cause__}"
