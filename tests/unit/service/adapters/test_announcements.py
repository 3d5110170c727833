"""Announcements over SNS: what is sent, and what a failure tells."""

from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.stub import Stubber

from strongroom_service.adapters.announcements import SnsAnnouncements
from strongroom_service.entry.announcer import make_announcer
from strongroom_service.usecases.ports import Announcement, NotAnnounced

TOPIC = "arn:aws:sns:us-east-1:111122223333:strongroom-dev-break-glass"
ANNOUNCEMENT = Announcement("event-1", "Break-glass USED", "who, what, when\n", {"grantId": "bg_1"})


@pytest.fixture
def sns(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    return botocore.session.get_session().create_client(
        "sns", region_name="us-east-1", config=Config(retries={"total_max_attempts": 1})
    )


def test_an_announcement_is_a_message_with_its_event_to_tell_it_by(sns: Any) -> None:
    with Stubber(sns) as stub:
        stub.add_response(
            "publish",
            {"MessageId": "1"},
            {
                "TopicArn": TOPIC,
                "Subject": "Break-glass USED",
                "Message": "who, what, when\n",
                "MessageAttributes": {
                    "grantId": {"DataType": "String", "StringValue": "bg_1"},
                    "eventId": {"DataType": "String", "StringValue": "event-1"},
                },
            },
        )
        SnsAnnouncements(client=sns, topic=TOPIC).publish(ANNOUNCEMENT)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "KMSDisabled", "Message": "canary"}}, "Publish"),
        ConnectTimeoutError(endpoint_url="https://sns"),
    ],
)
def test_whatever_fails_is_told_without_its_words(error: Exception) -> None:
    class Refusing:
        def publish(self, **_said: object) -> None:
            raise error

    with pytest.raises(NotAnnounced) as failed:
        SnsAnnouncements(client=Refusing(), topic=TOPIC).publish(ANNOUNCEMENT)
    assert failed.value.__cause__ is None
    assert str(failed.value) == ""


def test_a_deployment_without_a_topic_announces_nothing() -> None:
    assert make_announcer({"AWS_REGION": "us-east-1"}) is None


@pytest.mark.usefixtures("sns")
def test_an_announcer_waits_for_seconds_and_no_longer() -> None:
    announcer = make_announcer({"AWS_REGION": "us-east-1", "STRONGROOM_ANNOUNCEMENTS": TOPIC})
    assert announcer is not None
    config = announcer._announcements._client.meta.config  # type: ignore[attr-defined]  # the adapter's own client
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (3, 3, 2)
