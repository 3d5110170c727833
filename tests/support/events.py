"""API Gateway's proxy events, as both functions get them."""

import json
from typing import Any, Final

ACCOUNT: Final = "111122223333"
ENVIRONMENT: Final = {
    "AWS_REGION": "us-east-1",
    "STRONGROOM_STAGE": "test",
    "STRONGROOM_TABLE": "strongroom-test-secrets",
    "STRONGROOM_WRITER_REGION": "us-east-1",
    "STRONGROOM_ENVELOPE_KEY": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/mrk-0",
    "STRONGROOM_AUDIT_STREAM": "strongroom-test-audit",
    "STRONGROOM_REGIONS": "us-east-1,us-west-2",
    "STRONGROOM_AUDIT_BUFFER": "strongroom-test-audit-buffer",
    "STRONGROOM_AUDIT_BUFFER_EVENTS": "300000",
    "STRONGROOM_AUDIT_INDEX": "strongroom-test-audit-index",
    "STRONGROOM_TENANTS": json.dumps({"default": [ACCOUNT]}),
    "STRONGROOM_OPERATORS": json.dumps([f"iam:arn:aws:iam::{ACCOUNT}:role/operator"]),
    "STRONGROOM_ROLES": json.dumps(
        [{"principal": f"iam:arn:aws:iam::{ACCOUNT}:role/app", "role": "owner", "tenant": "default"}]
    ),
}


def proxy_event(
    method: str,
    path: str,
    body: Any = None,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    resource: str = "/{proxy+}",
    parameters: dict[str, str] | None = None,
    account: str = ACCOUNT,
    role: str = "app",
) -> dict[str, Any]:
    """One request of an assumed role; a body that is no text is sent as JSON."""
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": {"Host": "example.execute-api.us-east-1.amazonaws.com", **(headers or {})},
        "multiValueHeaders": {name: [value] for name, value in (headers or {}).items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} if query else None,
        "pathParameters": parameters,
        "stageVariables": None,
        "requestContext": {
            "requestId": "request-1",
            "apiId": "api-1",
            "stage": "v1",
            "identity": {
                "userArn": f"arn:aws:sts::{account}:assumed-role/{role}/session",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
        },
        "body": body if isinstance(body, str) or body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
