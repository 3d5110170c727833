"""Starts MiniStack in this process with the extensions loaded before its first request."""

import ministack.app

from infra.local.emulator import (
    api_gateway,
    control,
    custom_resources,
    function_workers,
    global_tables,
    object_lock,
    plain_http,
    policy_conditions,
    replica_keys,
    replication,
    sessions,
    stack_outputs,
    stream_failures,
)


def main() -> None:
    """Load every extension, then serve until a signal ends the process."""
    for extension in (
        replica_keys,
        global_tables,
        stack_outputs,
        object_lock,
        plain_http,
        policy_conditions,
        api_gateway,
        sessions,
        custom_resources,
        function_workers,
        stream_failures,
    ):
        extension.install()
    replicator = replication.install()
    control.install(replicator)
    ministack.app.main()


main()
