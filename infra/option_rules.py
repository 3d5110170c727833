"""Rules between options, which no single one of them can break alone."""

from typing import TYPE_CHECKING, Final

from infra.option_reader import OptionError
from infra.regions import share_a_consistent_set

if TYPE_CHECKING:
    from infra.config import Options

ENVIRONMENT_BYTES: Final = 4096
"""Lambda's limit for the names and values of a function's environment together."""
ENVIRONMENT_RESERVED: Final = 1024
"""Kept for the variables whose length does not depend on lists: names, ARNs, what later functions add."""

WRITERS_WITH_WITNESS: Final = 2
WRITERS_ALONE: Final = 3


def check_regions(options: "Options", *, at: str) -> None:
    """Each region serves once."""
    if len(set(options.regions)) != len(options.regions):
        raise OptionError(f"{at}.replicaRegions", "must name each region once, and not the primary")


def check_writers(options: "Options", *, at: str) -> None:
    """The control table is strongly consistent over regions: DynamoDB wants two and a witness, or three, of one set."""
    option, writers, witness = f"{at}.writerCandidates", options.writer_candidates, options.witness_region
    if not options.replica_regions:
        if writers or witness:
            raise OptionError(option, "must be empty, and witnessRegion absent, in a deployment of a single region")
        return
    if len(set(writers)) != len(writers) or not set(writers) <= set(options.regions):
        raise OptionError(option, "must each be the primary region or one of the replica regions, named once")
    if options.primary_region not in writers:
        raise OptionError(option, "must contain the primary region")
    if len(writers) != (WRITERS_WITH_WITNESS if witness else WRITERS_ALONE):
        raise OptionError(option, "must be exactly two and a witnessRegion, or exactly three without one")
    if witness in writers:
        raise OptionError(f"{at}.witnessRegion", "must not be one of the writer candidates")
    if not share_a_consistent_set(frozenset({*writers, *([witness] if witness else [])})):
        raise OptionError(
            option,
            "must lie, with the witness, in one set of multi-region strong consistency: "
            "us-east-1, us-east-2, us-west-2; "
            "or eu-west-1, eu-west-2, eu-west-3, eu-central-1; or ap-northeast-1, ap-northeast-2, ap-northeast-3",
        )


def check_environment(options: "Options", *, at: str) -> None:
    """What grows with the deployment's size must still fit into a function's environment."""
    size = sum(len(it.encode()) for it in (options.tenants_json, options.roles_json, options.operators_json))
    limit = ENVIRONMENT_BYTES - ENVIRONMENT_RESERVED
    if size > limit:
        raise OptionError(
            f"{at}.roles",
            f"must fit, with tenants and operators, into {limit} bytes of a function's environment as compact JSON; "
            f"they take {size}",
        )
