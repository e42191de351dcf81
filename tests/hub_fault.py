"""What can go wrong with one answer of the loopback hub."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """Fields combine; the default is an answer with nothing wrong."""

    #: Answer with this status and these headers instead.
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    #: End the connection after so many bytes of content; below zero, counted from the end.
    drop_after: int | None = None
    #: Send so many bytes of content, then wait until the test goes on; below zero, counted from the end.
    hold_after: int | None = None
    #: Seconds between pieces of content.
    pause: float = 0.0
    #: Bytes by which the promised length is wrong; what is promised beyond the content is sent as noise or not at all.
    length_off: int = 0
    noise: bool = True
    #: One bit of the content is flipped.
    corrupt: bool = False
    #: 200 and everything, whatever was asked for.
    ignore_range: bool = False
    #: 206, but from so many bytes further on.
    shift: int = 0
    #: Other content than the address promises, well-formed and as long as this, with an ETag of its own.
    instead: bytes | None = None
    #: The hub names this as the content's checksum.
    linked_etag: str | None = None
