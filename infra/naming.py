"""Names and ARNs of what a deployment makes: deterministic, so that policies can name what another stack makes."""

from dataclasses import dataclass
from typing import Final

READER: Final = "reader"
ADMIN: Final = "admin"
AUTHORIZER: Final = "authorizer"
SEEDER: Final = "seeder"
DRAIN: Final = "drain"
GRANTS: Final = "grants"
INDEXER: Final = "indexer"
DIGESTS: Final = "digests"
ARCHIVER: Final = "archiver"

ALIAS: Final = "live"
API_STAGE: Final = "v1"

METRICS: Final = "Strongroom"
"""The functions' namespace in CloudWatch."""

RECORDS_PREFIX: Final = "records/"
"""Where the archive's records lie."""
FAILED_PREFIX: Final = "failed/"
"""Where what could not be archived as a record lies."""
DIGESTS_PREFIX: Final = "digests/"
"""Where the archive's digests lie."""

NAMESPACE_KEY_PURPOSE: Final = "strongroom/namespace-key"
"""The encryption context's `purpose` under the envelope key. Functions send it, key policies demand it."""

REGISTRY_ITEMS: Final = "A#@registry"
"""The partition of the secrets table in which the registry lies, and all of it that the authorizer may read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Every name of one stage in one account."""

    stage: str
    account: str

    def stack(self, kind: str, region: str | None = None) -> str:
        """A stack's name; stacks that every region has carry its name."""
        return "-".join(part for part in ("Strongroom", self.stage, kind, region) if part)

    def of(self, thing: str) -> str:
        """`strongroom-<stage>-<thing>`."""
        return f"strongroom-{self.stage}-{thing}"

    @property
    def api(self) -> str:
        """The REST API, in every region."""
        return f"strongroom-{self.stage}"

    @property
    def secrets_table(self) -> str:
        """The table of secrets, in every region."""
        return self.of("secrets")

    @property
    def control_table(self) -> str:
        """The table that says which region writes."""
        return self.of("control")

    @property
    def audit_stream(self) -> str:
        """The stream that every region's functions record into."""
        return self.of("audit")

    @property
    def audit_buffer(self) -> str:
        """The table that takes audit records while the stream does not."""
        return self.of("audit-buffer")

    @property
    def audit_index(self) -> str:
        """The table in which the audit of the last 90 days can be asked."""
        return self.of("audit-index")

    @property
    def audit_not_indexed(self) -> str:
        """The queue that tells what the indexer had to give up."""
        return self.of("audit-not-indexed")

    @property
    def audit_database(self) -> str:
        """The archive's database in Glue, where hyphens have to be quoted."""
        return f"strongroom_{self.stage}_audit"

    @property
    def audit_delivery(self) -> str:
        """The delivery of the audit stream into its archive."""
        return self.of("audit-archive")

    @property
    def break_glass_topic(self) -> str:
        """The topic on which break-glass is announced, in every region."""
        return self.of("break-glass")

    def topic_arn(self, region: str, topic: str) -> str:
        """A topic's ARN."""
        return f"arn:aws:sns:{region}:{self.account}:{topic}"

    def bucket(self, thing: str, region: str) -> str:
        """A bucket's name, unique in the world by account and region."""
        return f"{self.of(thing)}-{self.account}-{region}"

    def archive(self, region: str) -> str:
        """The bucket that keeps a region's audit."""
        return self.bucket("audit", region)

    def archive_arn(self, region: str) -> str:
        """The archive's ARN."""
        return f"arn:aws:s3:::{self.archive(region)}"

    def key_alias(self, thing: str) -> str:
        """`alias/strongroom-<stage>-<thing>`."""
        return f"alias/{self.of(thing)}"

    def role(self, region: str, function: str) -> str:
        """A role's name. IAM is global, hence the region in it."""
        return self.of(f"{region}-{function}")

    def role_arn(self, region: str, function: str) -> str:
        """A role's ARN."""
        return f"arn:aws:iam::{self.account}:role/{self.role(region, function)}"

    def table_arn(self, region: str, table: str) -> str:
        """A table's ARN in one region."""
        return f"arn:aws:dynamodb:{region}:{self.account}:table/{table}"

    def key_arn(self, region: str, key_id: str) -> str:
        """The ARN of a key's copy in one region."""
        return f"arn:aws:kms:{region}:{self.account}:key/{key_id}"

    def stream_arn(self, region: str) -> str:
        """The audit stream's ARN."""
        return f"arn:aws:kinesis:{region}:{self.account}:stream/{self.audit_stream}"

    def queue_arn(self, region: str, queue: str) -> str:
        """A queue's ARN."""
        return f"arn:aws:sqs:{region}:{self.account}:{queue}"

    def log_group(self, function: str) -> str:
        """A function's log group."""
        return f"/aws/lambda/{self.of(function)}"

    def log_group_arn(self, region: str, name: str) -> str:
        """A log group's ARN."""
        return f"arn:aws:logs:{region}:{self.account}:log-group:{name}"
