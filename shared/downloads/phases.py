"""What a download does, in the words it says it by; disks are planned by them."""

from __future__ import annotations

#: The hub is asked what the model consists of.
RESOLVING = "resolving"
#: Bytes come; the names of the hosts that they come from may follow.
DOWNLOADING = "downloading"
#: All is here; headers and checksums are read.
CHECKING = "checking"
