"""A process that reads as the reader function does, so many times as its argument says, and then holds still."""

import gc
import os
import sys

from strongroom_service.entry.read import make_reader
from tests.bench.reader_fixture import read_event

READY = "ready"


def main() -> None:
    """Make some reads, forget their answers, say so, and wait to be ended."""
    reader = make_reader(os.environ)
    event = read_event()
    for _ in range(int(sys.argv[1])):
        status = reader.handle(event)["statusCode"]
        if status != 200:  # OK
            raise SystemExit(f"the read answered {status}")
    gc.collect()
    print(READY, flush=True)  # noqa: T201  # the sign that the other side waits for
    sys.stdin.readline()


if __name__ == "__main__":
    main()
