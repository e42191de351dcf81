"""Whether engines compute on this machine's GPU."""

from __future__ import annotations

import platform
import sys

#: On Apple silicon they do, in memory that the GPU shares with everything else.
HAS_METAL = sys.platform == "darwin" and platform.machine() == "arm64"
