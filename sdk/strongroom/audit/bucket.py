"""An archive in its bucket: `s3:ListBucketVersions` and `s3:GetObjectVersion`, and `kms:Decrypt` through S3."""

import heapq
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from .aws import client, told
from .errors import ArchiveUnreadable
from .source import Entry

_CHUNK: Final = 1024 * 1024


class BucketArchive:
    """The archive of one region. `session` is botocore's or boto3's; by default botocore's chain finds credentials."""

    has_versions: Final = True
    readers: Final = 8

    def __init__(self, *, bucket: str, region: str, session: Any = None) -> None:  # noqa: ANN401  # see above
        self.bucket = bucket
        self.region = region
        try:
            self._client = client("s3", region=region, session=session)
        except (BotoCoreError, ValueError) as error:
            raise ArchiveUnreadable(f"no client for the region {region}: {told(error)}") from None

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Every version under a prefix. Raises `ArchiveUnreadable`."""
        marker: Mapping[str, str] = {}
        while True:
            try:
                page = self._client.list_object_versions(Bucket=self.bucket, Prefix=prefix, **marker)
            except (BotoCoreError, ClientError) as error:
                raise ArchiveUnreadable(f"the bucket {self.bucket} cannot be listed: {told(error)}") from None
            # S3 lists versions and delete markers apart, each by key and the newest first.
            yield from heapq.merge(
                (_entry(it) for it in page.get("Versions", ())),
                (_entry(it, is_delete_marker=True) for it in page.get("DeleteMarkers", ())),
                key=lambda it: it.key,
            )
            if not page.get("IsTruncated"):
                return
            names = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
            marker = {name: page[following] for name, following in names.items() if page.get(following)}

    def read(self, entry: Entry) -> Iterator[bytes]:
        """A version's content in pieces. Raises `ArchiveUnreadable`."""
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=entry.key, VersionId=entry.version_id)
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(_CHUNK)
        except (BotoCoreError, ClientError) as error:
            raise ArchiveUnreadable(f"{entry.key} cannot be read: {told(error)}") from None


def _entry(listed: Mapping[str, Any], *, is_delete_marker: bool = False) -> Entry:
    return Entry(listed["Key"], listed["VersionId"], listed["LastModified"], is_delete_marker, listed.get("Size", 0))
