"""botocore clients for the local cloud."""

from typing import Any, TypeAlias

from botocore.config import Config
from botocore.session import Session

from infra.local.requests import Identity

AwsClient: TypeAlias = Any
"""A botocore client: its operations are made at run time from the service's model, so no type names them."""


def client(session: Session, service: str, region: str, *, endpoint: str, identity: Identity) -> AwsClient:
    """A client that makes one attempt per call, so that each fault is seen."""
    return session.create_client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=identity.access_key_id,
        aws_secret_access_key=identity.secret_access_key,
        aws_session_token=identity.session_token or None,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
