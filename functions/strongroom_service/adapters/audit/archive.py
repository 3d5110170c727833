"""The archive of one region over S3, as its sealing sees it."""

import heapq
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from strongroom_service.domain.digest import DIGESTS, RECORDS, ArchivedVersion
from strongroom_service.domain.errors import StoreUnavailable, Throttled
from strongroom_service.usecases.ports import VersionNotThere

_CHUNK: Final = 1024 * 1024
_ABSENT: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
_TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_THROTTLING: Final = frozenset({"SlowDown", "RequestLimitExceeded", "ThrottlingException", "503"})


class S3DigestArchive:
    """The digests' archive port. `client` is botocore's S3 client."""

    def __init__(self, *, client: Any, bucket: str) -> None:  # noqa: ANN401  # botocore's clients are untyped
        self._client = client
        self._bucket = bucket

    def digests(self) -> Iterator[ArchivedVersion]:
        """Every version under the digests' prefix. Raises `StoreUnavailable` or `Throttled`."""
        return self._versions(DIGESTS, {})

    def records(self, since: str) -> Iterator[ArchivedVersion]:
        """Every version of the records' objects from a key on. Raises `StoreUnavailable` or `Throttled`."""
        # A listing begins after its marker: the prefix itself, without its last character, comes before all of it.
        marker = {} if since == RECORDS else {"KeyMarker": since[:-1]}
        return (entry for entry in self._versions(RECORDS, marker) if entry.key >= since)

    def read(self, key: str, version_id: str) -> Iterator[bytes]:
        """A version's content in pieces. Raises `VersionNotThere`, `StoreUnavailable` or `Throttled`."""
        with _translated():
            answer = self._client.get_object(Bucket=self._bucket, Key=key, VersionId=version_id)
        body = answer["Body"]
        try:
            with _translated():
                yield from body.iter_chunks(_CHUNK)
        finally:
            body.close()

    def put_digest(self, key: str, stored: bytes) -> str | None:
        """Store a digest where nothing is yet; None when another was first.

        A put whose answer was lost is repeated by botocore and then finds its own object: that counts as another's,
        and the next sealing goes on from it. Raises `StoreUnavailable` or `Throttled`.
        """
        try:
            with _translated():
                answer = self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=stored,
                    ContentType="application/json",
                    IfNoneMatch="*",
                    ChecksumAlgorithm="SHA256",
                )
        except _TakenError:
            return None
        return str(answer.get("VersionId", "null"))

    def _versions(self, prefix: str, start: Mapping[str, str]) -> Iterator[ArchivedVersion]:
        marker = dict(start)
        while True:
            with _translated():
                page = self._client.list_object_versions(Bucket=self._bucket, Prefix=prefix, **marker)
            # S3 lists versions and delete markers apart, each by key and the newest first.
            yield from heapq.merge(
                (_entry(it) for it in page.get("Versions", ())),
                (_entry(it, is_delete_marker=True) for it in page.get("DeleteMarkers", ())),
                key=lambda it: it.key,
            )
            if not page.get("IsTruncated"):
                return
            marker = {"KeyMarker": page["NextKeyMarker"]}
            if page.get("NextVersionIdMarker"):
                marker["VersionIdMarker"] = page["NextVersionIdMarker"]


class _TakenError(Exception):
    """The condition of a put did not hold."""


@contextmanager
def _translated() -> Iterator[None]:
    """Botocore's errors as the domain's: what they quote stops here."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if code in _ABSENT:
            raise VersionNotThere from None
        if code in _TAKEN:
            raise _TakenError from None
        raise (Throttled() if code in _THROTTLING else StoreUnavailable()) from None
    except BotoCoreError:
        raise StoreUnavailable from None


def _entry(listed: Mapping[str, Any], *, is_delete_marker: bool = False) -> ArchivedVersion:
    return ArchivedVersion(
        key=listed["Key"],
        version_id=listed["VersionId"],
        size=listed.get("Size", 0),
        modified_at=listed["LastModified"],
        is_delete_marker=is_delete_marker,
    )
