"""The deployment of Strongroom: CDK stacks, their options, and the local cloud under `local/`."""

import os
import sys
from pathlib import Path

# The CDK wants Node 22 or 24 and would start the first `node` of PATH; the environment brings one of its own.
_NODE = Path(sys.executable).parent / "node"
if _NODE.exists():
    os.environ.setdefault("JSII_NODE", str(_NODE))
