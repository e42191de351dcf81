from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidParameters
from shared.references import ModelRef, friendly_name
from shared.vocabulary import Provider


@pytest.mark.parametrize(
    ("text", "canonical", "name"),
    [
        ("org/name", "hf:org/name", "org/name"),
        ("hf:org/name", "hf:org/name", "org/name"),
        (" org/Name-1.5 ", "hf:org/Name-1.5", "org/Name-1.5"),
        ("org/name@v1.0", "hf:org/name@v1.0", "org/name"),
        ("hf:org/name:Q8_0", "hf:org/name:Q8_0", "org/name:Q8_0"),
        ("hf:org/name:*q8_0*", "hf:org/name:*q8_0*", "org/name:q8_0"),
        ("org/name:sub/Name-Q8_0.gguf@refs/pr/3", "hf:org/name:sub/Name-Q8_0.gguf@refs/pr/3", "org/name:Name-Q8_0"),
        ("/data/Some-Model.Q4_K_M.gguf", "local:/data/Some-Model.Q4_K_M.gguf", "some-model"),
        ("local:/data/a b/", "local:/data/a b", "a b"),
        ("https://x.org/m/Tiny-F16.gguf?x=1", "url:https://x.org/m/Tiny-F16.gguf?x=1", "tiny"),
        ("url:https://x.org/a%20b.gguf", "url:https://x.org/a%20b.gguf", "a b"),
    ],
)
def test_a_reference_is_read_as_people_write_it(text: str, canonical: str, name: str) -> None:
    reference = ModelRef.parse(text)
    assert (str(reference), reference.name) == (canonical, name)


@pytest.mark.parametrize(
    "text",
    [
        *("", "name", "a/b/c", "../x", "org/..", "org/name:", "org/name@", "org/name:../x", "org/name:/etc/passwd"),
        *("org/name@../../x", "org/name@a..b", "org/name@/x", "org/na--me", "org/name.git", "org /name", "ftp://x/y"),
        *("local:x", "local:~/x", "local:/a/../b", "local:", "url:x", "url:file:///etc/passwd", "https://"),
        *("https://user:secret@x.org/m.gguf", "https://[::1/x", "hf:", "hf:local:/x", "https://x.org/a b"),
    ],
)
def test_what_names_no_model_is_refused_with_the_ways_to_write_one(text: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        ModelRef.parse(text)
    assert "secret" not in str(caught.value)
    assert "hf:org/name:file@revision" in caught.value.problem.fix


@given(st.text(max_size=60) | st.from_regex(r"(hf:|local:|url:)?[a-zA-Z0-9:/@.*_-]{0,40}", fullmatch=True))
def test_any_text_is_read_the_same_twice_or_refused(text: str) -> None:
    try:
        reference = ModelRef.parse(text)
    except InvalidParameters:
        return
    assert ModelRef.parse(str(reference)) == reference
    assert reference.name


_word = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._]{0,20}", fullmatch=True).filter(
    lambda word: ".." not in word and not word.endswith((".", ".git"))
)


@given(_word, _word, st.none() | _word, st.none() | _word)
def test_a_repository_survives_being_written_and_read(
    org: str, name: str, file: str | None, revision: str | None
) -> None:
    reference = ModelRef(provider=Provider.HF, repo=f"{org}/{name}", file=file, revision=revision)
    assert ModelRef.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct"),
        ("Qwen3-8B-Q4_K_M.gguf", "qwen3-8b"),
        ("Qwen3-30B-A3B-UD-Q4_K_XL.gguf", "qwen3-30b-a3b"),
        ("big-IQ2_XXS-00001-of-00003.gguf", "big"),
        ("gpt-oss-20b-mxfp4.gguf", "gpt-oss-20b"),
        ("Model-BF16.gguf", "model"),
        ("Q4_0.gguf", "q4_0"),
        ("llama-2-7b", "llama-2-7b"),
    ],
)
def test_a_name_for_people_has_no_quantisation_and_no_part_number(filename: str, name: str) -> None:
    assert friendly_name(filename) == name
