"""Where the local cloud keeps its files: one state directory per cloud."""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
"""The root of the checkout."""

STATE_VARIABLE = "STRONGROOM_LOCAL_STATE"
"""Names another state directory than `.local`, for a cloud beside the usual one."""


@dataclass(frozen=True, slots=True)
class LocalPaths:
    """The files of one local cloud."""

    root: Path

    @classmethod
    def default(cls) -> "LocalPaths":
        """The state directory of `make up`."""
        return cls(Path(os.environ.get(STATE_VARIABLE) or PROJECT / ".local").resolve())

    def beside(self, name: str) -> "LocalPaths":
        """A second cloud's files, apart from this one's."""
        return LocalPaths(self.root / name)

    @property
    def cloud(self) -> Path:
        """What clients read: endpoints and identities."""
        return self.root / "cloud.json"

    @property
    def processes(self) -> Path:
        """The processes that were started and are to be stopped."""
        return self.root / "processes.json"

    @property
    def lock(self) -> Path:
        """Held while a cloud starts or stops."""
        return self.root / "lock"

    @property
    def owner(self) -> Path:
        """Held for the whole life of a cloud that belongs to one run of tests, demo or bench."""
        return self.root / "owner"

    @property
    def options(self) -> Path:
        """The deployment options given to the CDK."""
        return self.root / "options.json"

    @property
    def assembly(self) -> Path:
        """The synthesized cloud assembly."""
        return self.root / "cdk.out"

    @property
    def scratch(self) -> Path:
        """Temporary files of the emulator and of its function workers."""
        return self.root / "tmp"

    def log(self, name: str) -> Path:
        """The output of a process or step."""
        return self.root / f"{name}.log"
