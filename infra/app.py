"""The CDK application: options in, stacks out. Run by the CDK's command line, as `cdk.json` says."""

import json
import os
import sys
from pathlib import Path

from aws_cdk import Annotations, App

from infra.config import Options
from infra.option_reader import OptionError
from infra.stacks.api import ApiStack, RegionKeys
from infra.stacks.audit import AuditStack
from infra.stacks.data import DataStack
from infra.stacks.key_replica import KeyReplicaStack
from infra.stacks.keys import KeysStack
from infra.stacks.operations import OperationsStack
from infra.stacks.workers import WorkersStack
from layers.build import LayerBuildError

OPTIONS = "strongroom"
"""The context key in cdk.json that holds the options."""
OPTIONS_FILE = "strongroom-config"
"""The context key (`-c strongroom-config=<path>`) of a JSON file whose options are used instead."""


def options_of(app: App) -> Options:
    """Read the options; raises `OptionError`."""
    path = app.node.try_get_context(OPTIONS_FILE)
    value = app.node.try_get_context(OPTIONS) if path is None else _from_file(Path(str(path)))
    if value is None:
        raise OptionError(OPTIONS, f"must be in the context, or in a file given by -c {OPTIONS_FILE}=<path>")
    return Options.parse(value, default_account=os.environ.get("CDK_DEFAULT_ACCOUNT"))


def _from_file(path: Path) -> object:
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise OptionError(OPTIONS_FILE, f"must name a readable file: {path}: {error.strerror}") from None
    except ValueError as error:
        raise OptionError(OPTIONS_FILE, f"must name a JSON file: {path}: {error}") from None


def build(app: App, options: Options) -> None:
    """Make every stack, in the order in which they are deployed: Keys, KeyReplica, Data, Audit, Api and Workers."""
    keys = KeysStack(app, options=options)
    keys_of = {
        options.primary_region: RegionKeys(
            envelope=keys.envelope.key_arn,
            envelope_id=keys.envelope.key_id,
            table=keys.table.key_arn,
            digest=keys.digest.key_arn,
        ),
    }
    replicas = []
    for region in options.replica_regions:
        replica = KeyReplicaStack(app, options=options, region=region, keys=keys)
        replica.add_stack_dependency(keys)
        keys_of[region] = RegionKeys(
            envelope=replica.envelope.attr_arn,
            envelope_id=replica.envelope.ref,
            table=replica.table.attr_arn,
            digest=replica.digest.attr_arn,
        )
        replicas.append(replica)

    data = DataStack(app, options=options, keys=keys)
    if options.tenants_without_administrator:
        names = ", ".join(options.tenants_without_administrator)
        Annotations.of(data).add_warning_v2(
            "strongroom:no-administrator",
            f"The option roles names no administrator of: {names}. Nobody can change policies there by the API.",
        )
    for stack in (keys, *replicas):
        # The replica tables are encrypted under replica keys, which nothing in the template says.
        data.add_stack_dependency(stack)

    audits = {region: AuditStack(app, options=options, region=region) for region in options.regions}
    for region, audit in audits.items():
        if options.alarm_address:
            OperationsStack(app, options=options, region=region, address=options.alarm_address)
        audit.add_stack_dependency(data)
        api = ApiStack(app, options=options, region=region, keys=keys_of[region], audit=audit)
        api.add_stack_dependency(audit)
        # Functions find the table by its name, so no reference makes them wait for it.
        api.add_stack_dependency(data)
        workers = WorkersStack(
            app, options=options, region=region, keys=keys_of[region], audits=audits, environment=api.variables
        )
        for asked in audits.values():
            # What was read under a grant is asked of every region's index.
            workers.add_stack_dependency(asked)
        workers.add_stack_dependency(data)


def run(app: App) -> int:
    """Synthesize; a wrong option or a layer that cannot be built is one line on standard error."""
    try:
        build(app, options_of(app))
    except (OptionError, LayerBuildError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(run(App()))
