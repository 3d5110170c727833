"""The command behind `make demo`; exits non-zero unless every step was seen to work."""

import sys
from contextlib import ExitStack

from infra.local.borrowing import own_cloud
from infra.local.demo.show import Show, StepFailed
from infra.local.demo.story import Story
from infra.local.errors import LocalCloudError
from infra.local.paths import LocalPaths
from strongroom import Client, StrongroomError

_INTERRUPTED = 130
_NAME = "demo"


def main() -> int:
    """Deploy, tell the story, stop everything; returns the exit code."""
    show = Show()
    show.open(
        "Strongroom: secrets in two regions of an AWS on this machine",
        "Requests to the deployed API, signed as on AWS; nothing but loopback is touched.",
    )
    show.chapter("Deploy")
    try:
        _run(show)
    except (StepFailed, LocalCloudError, StrongroomError) as error:
        show.complain(str(error))
    except KeyboardInterrupt:
        show.complain("interrupted; what was started has been stopped")
        return _INTERRUPTED
    return 0 if show.summary() else 1


def _run(show: Show) -> None:
    with ExitStack() as stack:
        with show.step("cdk bootstrap and cdk deploy --all, two regions"):
            cloud = stack.enter_context(own_cloud(_NAME, show.tell))
        file = LocalPaths.default().beside(_NAME).cloud
        # No cache: each read of the demo is one that the platform has to serve.
        client = stack.enter_context(Client(config_file=file, identity="reader", cache_entries=0))
        Story(cloud, client, show).tell()


if __name__ == "__main__":
    sys.exit(main())
