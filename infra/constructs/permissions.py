"""The statements that functions' roles are made of: exact actions on exact ARNs.

Written out, never by the CDK's `grant_*`: on a replicated table those add `kms:Decrypt` on every key, Scan and streams.
"""

from aws_cdk import aws_iam as iam

from infra.naming import NAMESPACE_KEY_PURPOSE, REGISTRY_ITEMS


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


def read_encrypted_table(key_arn: str, region: str) -> iam.PolicyStatement:
    """A table under a customer key wants its readers to hold that key, through DynamoDB."""
    return allow("ReadTableUnderItsKey", ["kms:Decrypt"], [key_arn], StringEquals=via("dynamodb", region))


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


def encrypt_stream(key_arn: str, region: str) -> iam.PolicyStatement:
    """A stream under a customer key wants its producers to hold that key, through Kinesis."""
    return allow("EncryptAuditStream", ["kms:GenerateDataKey"], [key_arn], StringEquals=via("kinesis", region))


def write_logs(log_group_arn: str) -> iam.PolicyStatement:
    """Write into the function's own log group, which exists already."""
    return allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:*"])


def send_traces() -> iam.PolicyStatement:
    """Send spans to X-Ray, which knows no resources (service authorization reference, "AWS X-Ray")."""
    return allow("SendTraces", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"])


def _purpose() -> dict[str, object]:
    return {"kms:EncryptionContext:purpose": NAMESPACE_KEY_PURPOSE}
