"""What OpenAI's own client does with eight seconds of speech: `python openai_audio.py URL RECORDING`."""

from __future__ import annotations

import sys
from pathlib import Path

from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.audio import (
    Transcription,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionVerbose,
    TranslationVerbose,
)

client = OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", timeout=300)
RECORDING = Path(sys.argv[2])
HEARD = {"model": "whisper", "file": RECORDING}
BEGINNING = "It was the best of times"

plain = client.audio.transcriptions.create(**HEARD)
Transcription.model_validate(plain.model_dump(), strict=True)
assert plain.text.startswith(BEGINNING)
assert plain.usage.type == "duration"
assert 7.9 < plain.usage.seconds < 8.1

words = client.audio.transcriptions.create(
    **HEARD,
    response_format="verbose_json",
    timestamp_granularities=["word", "segment"],
    language="en",
    prompt="Charles Dickens, A Tale of Two Cities.",
    temperature=0.0,
)
TranscriptionVerbose.model_validate(words.model_dump(), strict=True)
assert (words.language, 7.9 < words.duration < 8.1) == ("english", True)
assert all(segment.tokens and segment.end > segment.start for segment in words.segments)
assert [segment.id for segment in words.segments] == list(range(len(words.segments)))
assert words.words[0].word == "It"
assert [word.start for word in words.words] == sorted(word.start for word in words.words)

for form, head in (("text", BEGINNING), ("srt", "1\n00:00:"), ("vtt", "WEBVTT\n\n00:00:")):
    said = client.audio.transcriptions.create(**HEARD, response_format=form)
    assert isinstance(said, str)
    assert said.startswith(head)

*deltas, done = client.audio.transcriptions.create(**HEARD, stream=True, include=["logprobs"])
assert deltas
assert all(isinstance(delta, TranscriptionTextDeltaEvent) for delta in deltas)
assert isinstance(done, TranscriptionTextDoneEvent)
TranscriptionTextDoneEvent.model_validate(done.model_dump(), strict=True)
assert "".join(delta.delta for delta in deltas) == done.text
assert done.text == plain.text

english = client.audio.translations.create(**HEARD, response_format="verbose_json")
TranslationVerbose.model_validate(english.model_dump(), strict=True)
assert english.language == "english"
assert english.text.startswith(BEGINNING)
assert english.segments

for wrong, error in (
    ({"model": "whispr"}, NotFoundError),
    ({"model": "smollm2"}, BadRequestError),
    ({"file": b"this is no recording"}, BadRequestError),
    ({"response_format": "diarized_json"}, BadRequestError),
    ({"language": "klingon"}, BadRequestError),
):
    try:
        client.audio.transcriptions.create(**(HEARD | wrong))
    except error:
        continue
    raise AssertionError(f"{wrong} was answered")
