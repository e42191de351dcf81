"""Audio as speech models want it: 16 kHz, mono, 16 bits, decoded to disk and sent in slices as WAV."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from shared.errors import InvalidInput
from shared.loopback import Check

RATE = 16_000
_SAMPLE_BYTES = 2
_SECOND_BYTES = RATE * _SAMPLE_BYTES
#: The loudest sample (of 32,768) of a recording in which nobody can be heard: −60 dB.
_SILENCE = 32
_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Recording:
    """Decoded samples in a file, without a header."""

    samples: IO[bytes]
    size: int

    @property
    def seconds(self) -> float:
        return self.size / _SECOND_BYTES

    def wav(self, start: float, end: float) -> tuple[int, Iterator[bytes]]:
        """The part between two times in seconds, as the bytes of a WAV file: how many, and the pieces."""
        first = min(int(start * RATE) * _SAMPLE_BYTES, self.size)
        length = min(int(end * RATE) * _SAMPLE_BYTES, self.size) - first
        return 44 + length, self._pieces(first, length)

    def _pieces(self, first: int, length: int) -> Iterator[bytes]:
        yield _wav_head(length)
        self.samples.seek(first)
        while length:
            piece = self.samples.read(min(_PIECE, length))
            length -= len(piece)
            yield piece


def decode(source: IO[bytes], into: IO[bytes], check: Check) -> Recording:
    """Decode the first audio track of anything ffmpeg reads, keeping no more than a frame in memory.

    Packets that cannot be decoded are left out, as players do. Raises InvalidInput when it is no recording, has no
    audio or nothing can be heard in it, and whatever `check` raises.
    """
    import av  # 20 MB that only workers which transcribe need

    try:
        with av.open(source, "r") as container:
            if not container.streams.audio:
                raise InvalidInput(
                    "The file has no audio",
                    f"its tracks are: {', '.join(stream.type for stream in container.streams) or 'none'}",
                    "give a recording with an audio track",
                )
            loudest = _copy(_frames(container, check), into)
    except (av.error.FFmpegError, ValueError) as error:  # ValueError: its sample format changes midway
        raise _unreadable(str(error)) from error
    size = into.tell()
    if not size:
        raise _unreadable("not one frame of its audio can be decoded")
    if loudest < _SILENCE:
        raise InvalidInput(
            "The recording is silent",
            f"its loudest sample is {loudest} of 32768",
            "check the microphone or the file, and record it again",
        )
    return Recording(into, size)


def _frames(container: Any, check: Check) -> Iterator[bytes]:
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    for packet in container.demux(container.streams.audio[0]):
        check()
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            yield from (_samples(part) for part in resampler.resample(frame))
    yield from (_samples(part) for part in resampler.resample(None))


def _samples(frame: Any) -> bytes:
    """The frame's own samples: its buffer is padded."""
    return bytes(frame.planes[0])[: frame.samples * _SAMPLE_BYTES]


def _copy(frames: Iterator[bytes], into: IO[bytes]) -> int:
    """Write the frames; return the loudest sample, or the first that is loud enough to settle it."""
    loudest = 0
    for frame in frames:
        into.write(frame)
        if loudest < _SILENCE and frame:
            samples = array("h", frame)
            loudest = max(loudest, max(samples), -min(samples))
    return loudest


def _unreadable(why: str) -> InvalidInput:
    return InvalidInput(
        "The file is not a recording that can be decoded",
        why,
        "give a whole audio or video file, such as WAV, MP3, M4A, FLAC, OGG, MP4 or MKV",
    )


def _wav_head(length: int) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, _SECOND_BYTES, _SAMPLE_BYTES, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + length, b"WAVE") + form + struct.pack("<4sI", b"data", length)
