"""Runs the fault proxy: `python -m infra.local.faults --upstream PORT --aws PORT --control PORT --region NAME=PORT`."""

import argparse
import asyncio
import signal

from infra.local.faults import control
from infra.local.faults.http import LIMIT
from infra.local.faults.proxy import Proxy, Upstream
from infra.local.faults.rules import RuleBook

_HOST = "127.0.0.1"


def _region_port(text: str) -> tuple[str, int]:
    region, separator, port = text.partition("=")
    if not separator or not port.isdigit():
        raise argparse.ArgumentTypeError("must be <region>=<port>")
    return region, int(port)


async def run(*, upstream: int, aws: int, control_port: int, regions: dict[str, int], admin_key: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    proxy = Proxy(Upstream(_HOST, upstream), RuleBook(), admin_key)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    handlers = [(proxy.listener(None), aws), (control.listener(proxy), control_port)]
    handlers += [(proxy.listener(region), port) for region, port in regions.items()]
    servers = [await asyncio.start_server(handler, _HOST, port, limit=LIMIT) for handler, port in handlers]
    await stop.wait()
    for server in servers:
        server.close()
    proxy.upstream.close()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", type=int, required=True, help="the emulator's port")
    parser.add_argument("--aws", type=int, required=True, help="where functions and tools send AWS calls")
    parser.add_argument("--control", type=int, required=True, help="where rules are set")
    parser.add_argument("--region", type=_region_port, action="append", default=[], help="a region's own API port")
    parser.add_argument("--admin-key", default="test", help="an access key id of the emulator's account root")
    options = parser.parse_args()
    asyncio.run(
        run(
            upstream=options.upstream,
            aws=options.aws,
            control_port=options.control,
            regions=dict(options.region),
            admin_key=options.admin_key,
        )
    )


if __name__ == "__main__":
    main()
