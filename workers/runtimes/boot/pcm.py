"""Audio files as samples: what speech models are trained on."""

from __future__ import annotations

from tempfile import SpooledTemporaryFile
from typing import BinaryIO

import av
import av.error
import numpy as np
import numpy.typing as npt

from workers.runtimes.boot.transcription import BadAudio

RATE = 16_000
Samples = npt.NDArray[np.float32]

_SAMPLE_BYTES = 2
#: Four minutes stay in memory.
_IN_MEMORY = 4 * 60 * RATE * _SAMPLE_BYTES


class Recording:
    """A decoded recording: mono, 16 kHz, 16 bits, on disk when it is long."""

    def __init__(self, audio: BinaryIO) -> None:
        """Decodes the first audio track of anything ffmpeg reads. Raises BadAudio."""
        self._file = SpooledTemporaryFile[bytes](max_size=_IN_MEMORY)
        try:
            self._decode(audio)
        except BaseException:
            self.close()
            raise
        self.seconds = self._file.tell() / (RATE * _SAMPLE_BYTES)

    def part(self, start: float, stop: float) -> Samples:
        """Samples from −1 to 1, between two times in seconds."""
        first, last = round(start * RATE), round(stop * RATE)
        self._file.seek(first * _SAMPLE_BYTES)
        data = self._file.read((last - first) * _SAMPLE_BYTES)
        return np.frombuffer(data, np.int16).astype(np.float32) / 32768.0

    def close(self) -> None:
        self._file.close()

    def _decode(self, audio: BinaryIO) -> None:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        try:
            with av.open(audio, mode="r", metadata_errors="ignore") as container:
                if not container.streams.audio:
                    raise BadAudio("the file has no audio track")
                for frame in container.decode(audio=0):
                    self._write(resampler.resample(frame))
            self._write(resampler.resample(None))
        except av.error.FFmpegError as error:
            raise BadAudio(str(error)) from error
        if not self._file.tell():
            raise BadAudio("it holds no samples")

    def _write(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self._file.write(frame.to_ndarray().tobytes())
