"""From a body that bears a value to the proposal that the use cases take."""

from datetime import datetime

from strongroom_service.domain.times import parse_future
from strongroom_service.usecases.propose_version import Proposal

from .models import ValueBody


def proposal_of(body: ValueBody, *, now: datetime) -> Proposal:
    """The proposal; raises `InvalidRequest`. A value is generated last, when nothing can refuse it any more."""
    expires = 0
    if body.expires_at is not None:
        # Whole seconds, rounded down: a value is never readable past the time that was named.
        expires = int(parse_future(body.expires_at, field="expiresAt", now=now).timestamp())
    return Proposal(
        value=body.take_value(),
        generated=body.generate is not None,
        expires_at_unix=expires,
        client_token=body.client_token,
    )
