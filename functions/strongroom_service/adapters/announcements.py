"""Announcements over SNS."""

from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from strongroom_service.usecases.ports import Announcement, NotAnnounced

_MAX_SUBJECT: Final = 100
"""Characters of a subject (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html)."""
_MAX_TEXT: Final = 64 * 1024
"""Characters of a text: below SNS's 256 KB in any script."""


class SnsAnnouncements:
    """The announcements port. `client` is botocore's SNS client, which bounds the time and the tries of a call."""

    def __init__(self, *, client: Any, topic: str) -> None:  # noqa: ANN401  # botocore's clients are untyped
        self._client = client
        self._topic = topic

    def publish(self, announcement: Announcement) -> None:
        """Publish; raises `NotAnnounced`, without what the service quotes of the text."""
        attributes = {
            name: {"DataType": "String", "StringValue": value} for name, value in announcement.attributes.items()
        }
        try:
            self._client.publish(
                TopicArn=self._topic,
                Subject=announcement.title[:_MAX_SUBJECT],
                Message=announcement.text[:_MAX_TEXT],
                MessageAttributes={
                    **attributes,
                    "eventId": {"DataType": "String", "StringValue": announcement.event_id},
                },
            )
        except (ClientError, BotoCoreError):
            raise NotAnnounced from None
