"""What the grants function searches."""

from collections.abc import Mapping

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.usecases.ports import AuditIndex

from .environment import Environment
from .shared_wiring import audit_index


def audit_indexes(environment: Environment) -> Mapping[str, AuditIndex]:
    """The audit index of every region that serves reads, in its own region."""
    return {region: audit_index(environment, AwsClient(region=region)) for region in environment.regions}
