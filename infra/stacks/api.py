"""One region's API with the functions behind it. Stateless: it can go and come back at any time."""

from dataclasses import dataclass
from datetime import timedelta

from aws_cdk import CfnOutput
from constructs import Construct

from infra.config import Options
from infra.constructs import permissions
from infra.constructs.http_api import HttpApi
from infra.constructs.layers import layer, service_code
from infra.constructs.service_function import FunctionShape, ServiceFunction
from infra.naming import ADMIN, AUTHORIZER, READER
from infra.stacks.audit import AuditStack
from infra.stacks.base import StrongroomStack

READER_TIMEOUT = timedelta(seconds=10)
AUTHORIZER_TIMEOUT = timedelta(seconds=10)
ADMIN_TIMEOUT = timedelta(seconds=15)
"""Shorter than the margin that the writer lease keeps: no write of a function that lost its lease lands later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionKeys:
    """ARNs of the keys as this region has them."""

    envelope: str
    envelope_id: str
    """The key's id, which a multi-region key has in every region."""
    table: str
    digest: str
    """The key that signs the audit's digests."""


class ApiStack(StrongroomStack):
    """Reader, admin, authorizer, and the REST API in front of them."""

    def __init__(self, scope: Construct, *, options: Options, region: str, keys: RegionKeys, audit: AuditStack) -> None:
        super().__init__(
            scope, "Api", options=options, region=region, per_region=True, stateful=False, description="API"
        )
        names = self.names
        table = names.table_arn(region, names.secrets_table)
        code = service_code(options.target)
        environment = {
            "STRONGROOM_STAGE": options.stage,
            "STRONGROOM_TABLE": names.secrets_table,
            "STRONGROOM_WRITER_REGION": options.primary_region,
            "STRONGROOM_ENVELOPE_KEY": keys.envelope,
            "STRONGROOM_REGIONS": ",".join(options.regions),
            "STRONGROOM_AUDIT_STREAM": names.audit_stream,
            "STRONGROOM_AUDIT_BUFFER": names.audit_buffer,
            "STRONGROOM_AUDIT_BUFFER_EVENTS": str(options.audit_buffer_events),
            "STRONGROOM_TENANTS": options.tenants_json,
            "STRONGROOM_ROLES": options.roles_json,
            "STRONGROOM_BREAK_GLASS_APPROVALS": str(options.break_glass.approvals),
            "STRONGROOM_OPERATORS": options.operators_json,
        }
        self.variables = environment
        """What every function that decides by policies is told."""
        audited = [
            permissions.record_audit(names.stream_arn(region)),
            permissions.encrypt_stream(audit.key.key_arn, region),
            permissions.buffer_audit(names.table_arn(region, names.audit_buffer)),
            permissions.write_encrypted_table(audit.key.key_arn, region, sid="WriteBufferUnderItsKey"),
        ]
        # This region's copy first; the others' ARNs differ by the region alone.
        envelope_keys = [
            keys.envelope,
            *(names.key_arn(other, keys.envelope_id) for other in options.regions if other != region),
        ]
        reader_layer = layer(self, "reader", names=names, target=options.target)
        self.reader = ServiceFunction(
            self,
            "Reader",
            shape=FunctionShape(
                name=READER,
                handler="strongroom_service.entry.read.handler",
                purpose="Reads secrets",
                memory_mb=512,
                timeout=READER_TIMEOUT,
                snap_start=True,
                traced=options.tracing == "all",
            ),
            names=names,
            region=region,
            code=code,
            layer=reader_layer,
            environment=environment,
            statements=[
                permissions.read_secrets(table),
                permissions.read_encrypted_table(keys.table, region),
                permissions.open_namespace_keys(envelope_keys),
                *audited,
            ],
            retention=options.log_retention,
        )
        self.admin = ServiceFunction(
            self,
            "Admin",
            shape=FunctionShape(
                name=ADMIN,
                handler="strongroom_service.entry.admin.handler",
                purpose="Changes and lists secrets",
                memory_mb=512,
                timeout=ADMIN_TIMEOUT,
                snap_start=True,
                traced=options.tracing != "none",
                reserved_concurrency=options.reserved_concurrency.admin if options.reserved_concurrency else None,
            ),
            names=names,
            region=region,
            code=code,
            layer=layer(self, "admin", names=names, target=options.target),
            environment={**environment, "STRONGROOM_AUDIT_INDEX": names.audit_index},
            statements=[
                permissions.change_secrets(table),
                permissions.list_secrets(table),
                permissions.write_encrypted_table(keys.table, region),
                permissions.open_namespace_keys(envelope_keys),
                permissions.make_namespace_keys(envelope_keys),
                # Under the same key as the buffer, whose statement allows its use.
                permissions.ask_audit(names.table_arn(region, names.audit_index)),
                *audited,
            ],
            retention=options.log_retention,
        )
        self.authorizer = ServiceFunction(
            self,
            "Authorizer",
            shape=FunctionShape(
                name=AUTHORIZER,
                handler="strongroom_service.entry.authorizer.handler",
                purpose="Finds out who the bearer of a token is",
                memory_mb=512,
                timeout=AUTHORIZER_TIMEOUT,
                snap_start=True,
                traced=options.tracing == "all",
            ),
            names=names,
            region=region,
            code=code,
            layer=reader_layer,
            environment={
                name: environment[name]
                for name in (
                    "STRONGROOM_STAGE",
                    "STRONGROOM_TABLE",
                    "STRONGROOM_AUDIT_STREAM",
                    "STRONGROOM_AUDIT_BUFFER",
                    "STRONGROOM_AUDIT_BUFFER_EVENTS",
                )
            },
            statements=[
                permissions.read_registry(table),
                permissions.read_encrypted_table(keys.table, region),
                *audited,
            ],
            retention=options.log_retention,
        )
        self.http = HttpApi(
            self,
            options=options,
            names=names,
            region=region,
            reader=self.reader.publish(),
            admin=self.admin.publish(),
            authorizer=self.authorizer.publish(),
        )
        CfnOutput(self, "ApiId", value=self.http.api.rest_api_id)
        CfnOutput(self, "Endpoint", value=self.http.endpoint)
