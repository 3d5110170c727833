"""What every stack shares: its place, its protection, its tags."""

from aws_cdk import Environment, RemovalPolicy, Stack, Tags
from constructs import Construct

from infra.config import Options
from infra.naming import Names

RETAIN = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""State outlives its stack; only what a failed first deployment made is cleaned away, so that it can be repeated."""


class StrongroomStack(Stack):
    """A stack of one deployment in one region."""

    def __init__(
        self,
        scope: Construct,
        kind: str,
        *,
        options: Options,
        region: str,
        per_region: bool,
        stateful: bool,
        description: str,
    ) -> None:
        self.names = Names(stage=options.stage, account=options.account)
        name = self.names.stack(kind, region if per_region else None)
        super().__init__(
            scope,
            name,
            stack_name=name,
            description=f"Strongroom {options.stage}: {description}",
            env=Environment(account=options.account, region=region),
            termination_protection=stateful and options.termination_protection,
        )
        self.place = region
        Tags.of(self).add("strongroom:stage", options.stage)
