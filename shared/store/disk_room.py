"""Whether a host's disk has room for a model. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from shared.units import MIB, format_bytes


@dataclass(frozen=True)
class DiskRoom:
    """A host's disk for models as a download of one model would find it, in bytes."""

    host: str
    #: What is still to come; 0: all of it is there.
    need: int
    free: int
    #: What stays free whatever comes.
    reserve: int
    #: What other downloads that are on their way there will still fill.
    promised: int = 0
    #: What a cleaning that stops as soon as there is room would delete.
    deletable: int = 0

    @property
    def lacks(self) -> int:
        """Bytes by which it is too full; what is there already needs none."""
        return max(0, self.wanted_free - self.free) if self.need else 0

    @property
    def fits(self) -> bool:
        return self.lacks == 0

    @property
    def wanted_free(self) -> int:
        """Bytes that would have to be free."""
        return self.need + self.reserve + self.promised

    @property
    def sentence(self) -> str:
        """What is known of the disk, with numbers, and what would make room."""
        if not self.need:
            return "its files are there"
        others = f", {format_bytes(self.promised)} of them for other downloads" if self.promised else ""
        facts = (
            f"{format_bytes(self.need)} are to come; {self.host} has {format_bytes(self.free)} of disk free{others}, "
            f"and {format_bytes(self.reserve)} must stay free"
        )
        return facts if self.fits else f"would not fit on disk: {facts}; {self._remedy()}"

    def _remedy(self) -> str:
        command = f"cidermill models gc --host {self.host} --free {-(-self.wanted_free // MIB)}MiB"
        if self.deletable >= self.lacks:
            return f"{command} would free {format_bytes(self.deletable)}"
        if self.deletable:
            return f"{command} would free {format_bytes(self.deletable)}, which is not enough"
        return "no model there may be deleted to make room"
