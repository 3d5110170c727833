"""What AWS lays down about regions: their names, and the sets that multi-region strong consistency may span."""

from typing import Final

REGION_PATTERN: Final = r"(?!cn-|us-gov-|us-iso)[a-z]{2}(-[a-z]+)+-[1-9]"
REGION_RULE: Final = "must be the name of a region of the standard partition, such as us-east-1"

CONSISTENT_SETS: Final = (
    frozenset({"us-east-1", "us-east-2", "us-west-2"}),
    frozenset({"eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"}),
    frozenset({"ap-northeast-1", "ap-northeast-2", "ap-northeast-3"}),
)
"""Region sets of DynamoDB's multi-region strong consistency (developer guide, "How DynamoDB global tables work")."""


def share_a_consistent_set(regions: frozenset[str]) -> bool:
    """Whether one strongly consistent table may span all of these regions."""
    return any(regions <= allowed for allowed in CONSISTENT_SETS)
