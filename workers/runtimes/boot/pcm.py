"""Audio files as samples: what speech models are trained on."""

from __future__ import annotations

from typing import BinaryIO

import av
import av.error
import numpy as np
import numpy.typing as npt

from workers.runtimes.boot.transcription import BadAudio

RATE = 16_000
Samples = npt.NDArray[np.float32]


def read_samples(audio: BinaryIO) -> Samples:
    """The first audio track of anything ffmpeg reads: mono, 16 kHz, from −1 to 1. Raises BadAudio."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts: list[npt.NDArray[np.int16]] = []
    try:
        with av.open(audio, mode="r", metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise BadAudio("the file has no audio track")
            for frame in container.decode(audio=0):
                parts.extend(_samples(part) for part in resampler.resample(frame))
        parts.extend(_samples(part) for part in resampler.resample(None))
    except av.error.FFmpegError as error:
        raise BadAudio(str(error)) from error
    if not parts:
        raise BadAudio("it holds no samples")
    return np.concatenate(parts).astype(np.float32) / 32768.0


def _samples(frame: av.AudioFrame) -> npt.NDArray[np.int16]:
    return frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)
