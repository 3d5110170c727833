"""Clients of AWS for reading an archive, with credentials from botocore's chain or a given session."""

from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

USER_AGENT = "strongroom-audit"


def client(service: str, *, region: str, session: Any = None) -> Any:  # noqa: ANN401  # botocore's clients are untyped
    """A client that retries; `session` is botocore's or boto3's. `AWS_ENDPOINT_URL` is honoured."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        user_agent_extra=USER_AGENT,
        max_pool_connections=16,
        s3={"addressing_style": "path"} if service == "s3" else None,
    )
    if session is None:
        session = Session()
    make = getattr(session, "create_client", None) or session.client
    return make(service, region_name=region, config=config)


def told(error: Exception) -> str:
    """An error of AWS in a few words: its code, or its kind. Never its text, which may quote a profile or an answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "no code"))
    return type(error).__name__
