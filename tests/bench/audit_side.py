"""What verifying an archive costs: time, and whether memory grows with the archive."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from tests.bench.harness import REGISTRY, Result, median
from tests.support.archives import GeneratedArchive

_RECORDS, _TENTH = 100_000, 10_000
_CHAINS = 40
"""Execution environments that are busy at the same time; each lives for hours."""
_A_MINUTE = timedelta(minutes=1)
_ROUNDS = 3
_MOST_SECONDS, _MOST_GROWTH = 60, 1.2
_PROJECT = Path(__file__).resolve().parents[2]

_RUN = """
import json, re, sys, time
from pathlib import Path
from strongroom.audit import FolderArchive, PublicKey, verify
key = PublicKey.read(sys.argv[2])
started = time.perf_counter()
report = verify(FolderArchive(sys.argv[1]), key=key)
taken = time.perf_counter() - started
# Not getrusage: its peak begins with that of the process which started this one.
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(json.dumps({"seconds": taken, "peakMib": peak / 1024, "sound": report.is_sound, "records": report.records}))
"""


def _is_reached(result: Result) -> bool:
    return result.value < _MOST_SECONDS and result.ratio is not None and result.ratio <= _MOST_GROWTH


@REGISTRY.add("audit_verify_100k", reach=f"< {_MOST_SECONDS} s; memory <= {_MOST_GROWTH}", reached=_is_reached)
def audit_verify_100k() -> Result:
    """100,000 records of a day, an object a minute, a digest an hour; memory against that for 10,000."""
    with tempfile.TemporaryDirectory() as folder:
        large, small = (_archive(Path(folder) / str(records), records) for records in (_RECORDS, _TENTH))
        runs = [(_verify(small, _TENTH), _verify(large, _RECORDS)) for _ in range(_ROUNDS)]
    seconds = [run["seconds"] for _, run in runs]
    before, after = (median([run["peakMib"] for run in column]) for column in zip(*runs, strict=True))
    return Result(
        value=median(seconds),
        unit="s",
        ratio=after / before,
        p99=max(seconds),
        note=f"peak {after:.0f} MiB; {before:.0f} MiB for a tenth",
    )


def _archive(folder: Path, records: int) -> Path:
    """A day of a platform: as many records in each minute, of environments that come and go."""
    archive = GeneratedArchive()
    chains = [archive.chain() for _ in range(_CHAINS)]
    made = minute = 0
    while made < records:
        wanted = (minute + 1) * records // (24 * 60) - made
        if wanted:
            # Each environment has its share of the minute; one of them ends every quarter of an hour.
            lines = [line for at in range(wanted) for line in archive.lines(chains[at % _CHAINS], 1)]
            archive.deliver(lines)
        made += wanted
        minute += 1
        archive.clock.advance(_A_MINUTE)
        if minute % 15 == 0:
            chains[minute // 15 % _CHAINS] = archive.chain()
        if minute % 60 == 0:
            archive.seal()
    archive.seal()
    archive.bucket.copy_to(folder)
    (folder / "digest.pem").write_bytes(archive.signer.pem())
    return folder


def _verify(folder: Path, records: int) -> dict[str, float]:
    """In a process of its own, whose peak of memory is its own too."""
    done = subprocess.run(  # noqa: S603  # our own interpreter and code
        [sys.executable, "-c", _RUN, str(folder), str(folder / "digest.pem")],
        env={**os.environ, "PYTHONPATH": str(_PROJECT / "sdk")},
        capture_output=True,
        text=True,
        check=True,
    )
    run: dict[str, float] = json.loads(done.stdout)
    if not run["sound"] or run["records"] != records:
        raise RuntimeError("the archive was not verified whole")
    return run
