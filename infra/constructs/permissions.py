"""The statements that functions' roles are made of: exact actions on exact ARNs.

Written out, never by the CDK's `grant_*`: on a replicated table those add `kms:Decrypt` on every key, Scan and streams.
"""

from aws_cdk import aws_iam as iam

from infra.naming import DIGESTS_PREFIX, NAMESPACE_KEY_PURPOSE, RECORDS_PREFIX, REGISTRY_ITEMS


def allow(sid: str, actions: list[str], resources: list[str], **conditions: dict[str, object]) -> iam.PolicyStatement:
    """One statement; conditions are given as operator = {key: value}."""
    return iam.PolicyStatement(sid=sid, actions=actions, resources=resources, conditions=conditions or None)


def via(service: str, region: str) -> dict[str, object]:
    """The condition that a key is used by an AWS service of this region on the role's behalf, never by the role."""
    return {"kms:ViaService": f"{service}.{region}.amazonaws.com"}


def read_secrets(table_arn: str) -> iam.PolicyStatement:
    """By key: no query, no scan."""
    return allow("ReadSecrets", ["dynamodb:BatchGetItem"], [table_arn])


def read_registry(table_arn: str) -> iam.PolicyStatement:
    """Items of the registry's partition and of no other (IAM user guide, "dynamodb:LeadingKeys")."""
    conditions: dict[str, dict[str, object]] = {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [REGISTRY_ITEMS]},
        # Without it a request that names no key at all would satisfy the condition above.
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    return allow("ReadRegistry", ["dynamodb:BatchGetItem"], [table_arn], **conditions)


def change_secrets(table_arn: str) -> iam.PolicyStatement:
    """Everything that the life of a secret needs; DynamoDB judges a transaction by the actions within it."""
    actions = ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem")
    return allow("ChangeSecrets", [f"dynamodb:{action}" for action in actions], [table_arn])


def list_secrets(table_arn: str) -> iam.PolicyStatement:
    """The index of metadata; it holds no envelopes."""
    return allow("ListSecrets", ["dynamodb:Query"], [f"{table_arn}/index/byPath"])


def put_items(sid: str, table_arn: str) -> iam.PolicyStatement:
    """Writing whole items, and nothing else."""
    return allow(sid, ["dynamodb:PutItem"], [table_arn])


def read_encrypted_table(key_arn: str, region: str, *, sid: str = "ReadTableUnderItsKey") -> iam.PolicyStatement:
    """A table under a customer key wants its readers to hold that key, through DynamoDB."""
    return allow(sid, ["kms:Decrypt"], [key_arn], StringEquals=via("dynamodb", region))


def write_encrypted_table(key_arn: str, region: str, *, sid: str = "WriteTableUnderItsKey") -> iam.PolicyStatement:
    """The same for writers (DynamoDB developer guide, "Encryption at rest usage notes")."""
    actions = ("Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo")
    return allow(sid, [f"kms:{it}" for it in actions], [key_arn], StringEquals=via("dynamodb", region))


def open_namespace_keys(key_arns: list[str]) -> iam.PolicyStatement:
    """Unwrap namespace keys, of nothing but that purpose, by any region's copy of the key."""
    return allow("OpenNamespaceKeys", ["kms:Decrypt"], key_arns, StringEquals=_purpose())


def make_namespace_keys(key_arns: list[str]) -> iam.PolicyStatement:
    """Make namespace keys, of nothing but that purpose, by any region's copy of the key."""
    return allow("MakeNamespaceKeys", ["kms:GenerateDataKey"], key_arns, StringEquals=_purpose())


def record_audit(stream_arn: str) -> iam.PolicyStatement:
    """Put records on the audit stream, one at a time; never read it."""
    return allow("RecordAudit", ["kinesis:PutRecord"], [stream_arn])


def buffer_audit(table_arn: str) -> iam.PolicyStatement:
    """Put records into the buffer beside their shard's counter, and read counters; never take a record out."""
    actions = ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    return allow("BufferAudit", actions, [table_arn])


def drain_buffer(table_arn: str) -> iam.PolicyStatement:
    """Read records, remove them and count them off."""
    actions = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:UpdateItem"]
    return allow("DrainBuffer", actions, [table_arn])


def drain_into_stream(stream_arn: str) -> iam.PolicyStatement:
    """Put what waited on the audit stream."""
    return allow("DrainIntoStream", ["kinesis:PutRecords"], [stream_arn])


def list_archive(bucket_arn: str) -> iam.PolicyStatement:
    """See every version of records and digests, and nothing else of the bucket."""
    prefixes = [RECORDS_PREFIX, DIGESTS_PREFIX]
    return allow("ListArchive", ["s3:ListBucketVersions"], [bucket_arn], StringEquals={"s3:prefix": prefixes})


def tell_what_is_gone(bucket_arn: str) -> iam.PolicyStatement:
    """Without this S3 answers 403 for what is not there, and nobody could tell a lost digest from a refusal.

    (Amazon S3 API reference, GetObject, "Permissions".) No condition on a prefix: reading an object has none.
    """
    return allow("TellWhatIsGone", ["s3:ListBucket"], [bucket_arn])


def read_archive(bucket_arn: str) -> iam.PolicyStatement:
    """Read records and digests, by version."""
    objects = [f"{bucket_arn}/{prefix}*" for prefix in (RECORDS_PREFIX, DIGESTS_PREFIX)]
    return allow("ReadArchive", ["s3:GetObjectVersion"], objects)


def store_digests(bucket_arn: str) -> iam.PolicyStatement:
    """Store digests beside the records; never a record, and never delete anything."""
    return allow("StoreDigests", ["s3:PutObject"], [f"{bucket_arn}/{DIGESTS_PREFIX}*"])


def use_archive_key(key_arn: str, region: str) -> iam.PolicyStatement:
    """A bucket under a customer key wants its users to hold that key, through S3."""
    actions = ["kms:Decrypt", "kms:GenerateDataKey"]
    return allow("UseArchiveKey", actions, [key_arn], StringEquals=via("s3", region))


def sign_digests(key_arn: str) -> iam.PolicyStatement:
    """Sign by one algorithm, what was hashed by the function; and tell whether a signature is the key's own."""
    conditions: dict[str, object] = {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}
    return allow("SignDigests", ["kms:Sign", "kms:Verify"], [key_arn], StringEquals=conditions)


def tend_grants(table_arn: str) -> iam.PolicyStatement:
    """Close requests, take grants out of access sets, flag heads; every write puts whole items or removes one."""
    actions = ("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query")
    return allow("TendGrants", [f"dynamodb:{action}" for action in actions], [table_arn])


def announce(topic_arn: str) -> iam.PolicyStatement:
    """Publish on one topic."""
    return allow("Announce", ["sns:Publish"], [topic_arn])


def encrypt_topic(key_arn: str, region: str) -> iam.PolicyStatement:
    """A topic under a customer key wants its publishers to hold that key, through SNS."""
    actions = ["kms:Decrypt", "kms:GenerateDataKey"]
    return allow("EncryptAnnouncements", actions, [key_arn], StringEquals=via("sns", region))


def encrypt_stream(key_arn: str, region: str) -> iam.PolicyStatement:
    """A stream under a customer key wants its producers to hold that key, through Kinesis."""
    return allow("EncryptAuditStream", ["kms:GenerateDataKey"], [key_arn], StringEquals=via("kinesis", region))


def read_audit_stream(stream_arn: str) -> iam.PolicyStatement:
    """What Lambda needs of a function's role to poll a stream for it (developer guide, "Using Lambda with Kinesis")."""
    actions = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
    return allow("ReadAuditStream", [f"kinesis:{it}" for it in actions], [stream_arn])


def decrypt_stream(key_arn: str, region: str) -> iam.PolicyStatement:
    """A stream under a customer key wants its readers to hold that key, through Kinesis."""
    return allow("DecryptAuditStream", ["kms:Decrypt"], [key_arn], StringEquals=via("kinesis", region))


def index_audit(table_arn: str) -> iam.PolicyStatement:
    """Write into the index of the audit; never read it."""
    return allow("IndexAudit", ["dynamodb:BatchWriteItem"], [table_arn])


def ask_audit(*table_arns: str) -> iam.PolicyStatement:
    """Query indexes of the audit; never write them."""
    return allow("AskAudit", ["dynamodb:Query"], list(table_arns))


def tell_given_up(queue_arn: str) -> iam.PolicyStatement:
    """Tell which part of the stream was given up."""
    return allow("TellGivenUp", ["sqs:SendMessage"], [queue_arn])


def write_logs(log_group_arn: str) -> iam.PolicyStatement:
    """Write into the function's own log group, which exists already."""
    return allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:*"])


def send_traces() -> iam.PolicyStatement:
    """Send spans to X-Ray, which knows no resources (service authorization reference, "AWS X-Ray")."""
    return allow("SendTraces", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"])


def _purpose() -> dict[str, object]:
    return {"kms:EncryptionContext:purpose": NAMESPACE_KEY_PURPOSE}
