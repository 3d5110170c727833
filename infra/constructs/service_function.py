"""A function with its role, its log group, and, where it serves requests, an alias over SnapStart versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.checks import acknowledge
from infra.constructs.layers import ARCHITECTURE, RUNTIME
from infra.constructs.permissions import send_traces, write_logs
from infra.constructs.retention import log_retention
from infra.naming import ALIAS, Names


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionShape:
    """What distinguishes one function from another."""

    name: str
    handler: str
    purpose: str
    memory_mb: int
    timeout: timedelta
    snap_start: bool
    reserved_concurrency: int | None = None
    traced: bool = False


class ServiceFunction(Construct):
    """One function of the service. Its role has exactly the statements given, and its own log group."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        shape: FunctionShape,
        names: Names,
        region: str,
        code: lambda_.Code,
        layer: lambda_.ILayerVersion,
        environment: dict[str, str],
        statements: Sequence[iam.PolicyStatement],
        retention: timedelta,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group_arn = names.log_group_arn(region, names.log_group(shape.name))
        log_group = logs.LogGroup(
            self,
            "Log",
            log_group_name=names.log_group(shape.name),
            retention=log_retention(retention),
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(
            self,
            "Role",
            role_name=names.role(region, shape.name),
            description=shape.purpose,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={
                "Work": iam.PolicyDocument(
                    statements=[*statements, write_logs(log_group_arn), *([send_traces()] if shape.traced else [])]
                )
            },
        )
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=names.of(shape.name),
            description=shape.purpose,
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            handler=shape.handler,
            code=code,
            layers=[layer],
            # Resolved outside this construct's tree, the role stays exactly as written above.
            role=self.role.without_policy_updates(),
            memory_size=shape.memory_mb,
            timeout=Duration.seconds(shape.timeout.total_seconds()),
            environment=environment,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            # The platform's START, END and REPORT lines would cost more than the records of the function itself.
            system_log_level_v2=lambda_.SystemLogLevel.WARN,
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if shape.snap_start else None,
            reserved_concurrent_executions=shape.reserved_concurrency,
            tracing=lambda_.Tracing.ACTIVE if shape.traced else lambda_.Tracing.DISABLED,
            # A version that the alias has left is deleted: each kept SnapStart version is billed.
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.DESTROY),
        )

        acknowledge(self.role, f"IAM5[Resource::{log_group_arn}:*]", "The streams of one log group")
        if shape.traced:
            acknowledge(self.role, "IAM5[Resource::*]", "X-Ray has no resources to name")
        acknowledge(self.function, "L1", "The layers are locked, built and tested for Python 3.13")

    def publish(self) -> lambda_.Alias:
        """Publish a version and put the alias on it."""
        return lambda_.Alias(self, "Alias", alias_name=ALIAS, version=self.function.current_version)
