"""The REST API of one region: signed with SigV4, with bearer tokens under `/workload`, and open for its health."""

import json

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import Options
from infra.constructs.checks import acknowledge
from infra.constructs.gateway_responses import add_gateway_responses
from infra.constructs.retention import log_retention
from infra.naming import API_STAGE, Names

ACCESS_LOG_FIELDS = {
    "time": "$context.requestTimeEpoch",
    "requestId": "$context.requestId",
    "caller": "$context.identity.userArn",
    "bearer": "$context.authorizer.principalId",
    "account": "$context.identity.accountId",
    "address": "$context.identity.sourceIp",
    "userAgent": "$context.identity.userAgent",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "path": "$context.path",
    "status": "$context.status",
    "refusal": "$context.error.responseType",
    "latencyMs": "$context.responseLatency",
    "responseBytes": "$context.responseLength",
}
"""Who asked for what and how it ended: the only trace of what API Gateway refuses. No header, no query, no body."""


TOKEN_ROUTES = ("GET/workload/values/*", "POST/workload/batch/values", "POST/workload/revisions")
"""The methods whose callers bring a token."""


class HttpApi(Construct):
    """Routes to the reader and the admin function, always through their aliases."""

    def __init__(
        self,
        scope: Construct,
        *,
        options: Options,
        names: Names,
        region: str,
        reader: lambda_.Alias,
        admin: lambda_.Alias,
        authorizer: lambda_.Alias,
    ) -> None:
        super().__init__(scope, "Http")
        # Named by CloudFormation: kept when the stack goes, it must not be in the way of the next one.
        access_log = logs.LogGroup(
            self,
            "AccessLog",
            retention=log_retention(options.access_log_retention),
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        self.api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=names.api,
            description=f"Strongroom {options.stage} in {region}",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            policy=resource_policy(options),
            cloud_watch_role=False,
            default_method_options=apigateway.MethodOptions(authorization_type=apigateway.AuthorizationType.IAM),
            deploy_options=apigateway.StageOptions(
                stage_name=API_STAGE,
                access_log_destination=apigateway.LogGroupLogDestination(access_log),
                access_log_format=apigateway.AccessLogFormat.custom(json.dumps(ACCESS_LOG_FIELDS)),
                # Execution logs can carry parts of what integrations answer, which is where the values are.
                logging_level=apigateway.MethodLoggingLevel.OFF,
                data_trace_enabled=False,
                tracing_enabled=False,
                metrics_enabled=True,
                throttling_rate_limit=options.throttle.rate,
                throttling_burst_limit=options.throttle.burst,
            ),
        )
        # The CDK's own output ends in a slash; the stack gives one that does not.
        self.api.node.try_remove_child("Endpoint")
        acknowledge(self.api, "APIG2", "The functions validate, and name field and rule in one error body")
        acknowledge(
            self.api, "APIG3", "Callers sign their requests; a web ACL is the owner's choice and attaches to the stage"
        )
        acknowledge(self.api, "APIG6", "Execution logs can carry integration responses, which bear the values")
        acknowledge(self.api, "COG4", "Callers are IAM principals, or bearers whom the authorizer checks: no users")
        self._may_log_access()
        self._routes(_integration(reader), _integration(admin))
        self._token_routes(_integration(reader), authorizer)
        add_gateway_responses(self.api, region)
        self.endpoint = f"https://{self.api.rest_api_id}.execute-api.{region}.amazonaws.com/{API_STAGE}"

    def _may_log_access(self) -> None:
        """API Gateway writes logs by a role that is set once for a region of an account, and so outlives this stack."""
        role = iam.Role(
            self,
            "LoggingRole",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonAPIGatewayPushToCloudWatchLogs")
            ],
        )
        role.apply_removal_policy(RemovalPolicy.RETAIN)
        acknowledge(
            role,
            "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]",
            "The policy that API Gateway asks for by name when the account's logging role is set",
        )
        account = apigateway.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        account.apply_removal_policy(RemovalPolicy.RETAIN)
        self.api.deployment_stage.node.add_dependency(account)

    def _routes(self, reader: apigateway.LambdaIntegration, admin: apigateway.LambdaIntegration) -> None:
        """The reader's routes are explicit. All else is the admin's, other methods on the reader's paths included."""
        root = self.api.root
        root.add_resource("{proxy+}").add_method("ANY", admin)
        health = root.add_resource("health")
        unsigned = health.add_method("GET", reader, authorization_type=apigateway.AuthorizationType.NONE)
        acknowledge(unsigned, "APIG4", "Health checks do not sign; the answer names the region and nothing else")
        value = root.add_resource("values").add_resource("{environment}").add_resource("{path+}")
        value.add_method("GET", reader)
        value.add_method("PUT", admin)
        batch = root.add_resource("batch").add_resource("values")
        batch.add_method("POST", reader)
        revisions = root.add_resource("revisions")
        revisions.add_method("POST", reader)
        for resource in (health, value, batch, revisions):
            resource.add_method("ANY", admin)

    def _token_routes(self, reader: apigateway.LambdaIntegration, authorizer: lambda_.Alias) -> None:
        """What is read with a token. Other methods of these paths fall to the admin's route: it wants a signature."""
        tokens = apigateway.RequestAuthorizer(
            self,
            "Tokens",
            authorizer_name="tokens",
            handler=authorizer,
            # Without a token the function is asked too, so that the refusal is a 403 that it has recorded; and each
            # request is judged anew: an issuer that was removed counts from the next call on.
            identity_sources=[],
            results_cache_ttl=Duration.seconds(0),
        )
        workload = self.api.root.add_resource("workload")
        value = workload.add_resource("values").add_resource("{environment}").add_resource("{path+}")
        batch = workload.add_resource("batch").add_resource("values")
        revisions = workload.add_resource("revisions")
        for resource, verb in ((value, "GET"), (batch, "POST"), (revisions, "POST")):
            resource.add_method(verb, reader, authorizer=tokens, authorization_type=apigateway.AuthorizationType.CUSTOM)


def _integration(alias: lambda_.Alias) -> apigateway.LambdaIntegration:
    # One permission for the whole API: a function's resource policy has room for 20 KB, not for every route.
    return apigateway.LambdaIntegration(alias, scope_permission_to_method=False, allow_test_invoke=False)


def resource_policy(options: Options) -> iam.PolicyDocument:
    """Who may reach the API beside the identities of its own account, whose own IAM policies decide.

    The own account must not be allowed here: within one account API Gateway takes either policy's allow as enough, so
    an allow would admit identities without `execute-api:Invoke`. Other accounts need this policy and their own.
    """
    statements = [
        iam.PolicyStatement(
            sid="AnyoneAsksForHealth",
            principals=[iam.AnyPrincipal()],
            actions=["execute-api:Invoke"],
            resources=[f"execute-api:/{API_STAGE}/GET/health"],
        ),
        # The authorizer decides here: its Deny outweighs this, and it answers nothing but an allow or a deny. Exactly
        # the methods that have it, since to a signed request in this account an allow would be enough.
        iam.PolicyStatement(
            sid="AnyoneShowsATokenToTheAuthorizer",
            principals=[iam.AnyPrincipal()],
            actions=["execute-api:Invoke"],
            resources=[f"execute-api:/{API_STAGE}/{route}" for route in TOKEN_ROUTES],
        ),
    ]
    callers = [account for account in options.caller_accounts if account != options.account]
    if callers:
        statements.append(
            iam.PolicyStatement(
                sid="CallerAccounts",
                principals=[iam.AccountPrincipal(account) for account in callers],
                actions=["execute-api:Invoke"],
                resources=[f"execute-api:/{API_STAGE}/*"],
            )
        )
    if options.organization_id:
        statements.append(
            iam.PolicyStatement(
                sid="Organization",
                principals=[iam.AnyPrincipal()],
                actions=["execute-api:Invoke"],
                resources=[f"execute-api:/{API_STAGE}/*"],
                conditions={
                    "StringEquals": {"aws:PrincipalOrgID": options.organization_id},
                    "StringNotEquals": {"aws:PrincipalAccount": options.account},
                },
            )
        )
    return iam.PolicyDocument(statements=statements)
