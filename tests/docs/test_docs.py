"""What the documentation says is so."""

from __future__ import annotations

import json
import re

import pytest

from api.schemas.jobs import JobIn
from docs.generate import stale
from docs.generator.frontdoor import roles
from scheduler.reasons import Code
from shared.invariants import INVARIANTS
from shared.kinds import kinds
from shared.memory import Engine, Family, estimate
from shared.runtimes import ModelShape
from shared.settings import Settings
from shared.units import MIB, Bytes
from tests.docs.command_line import check, check_names
from tests.docs.reading import DOCS, ROOT, Page, pages
from tests.load.__main__ import measures

PAGES = pages()
MADE_HERE = [page for page in PAGES if page.path.is_relative_to(DOCS)]
DECISIONS = [page for page in MADE_HERE if page.path.parent.name == "decisions"]

each_page = pytest.mark.parametrize("page", PAGES, ids=str)


def test_generated_pages_say_what_the_code_says() -> None:
    assert not [path.name for path in stale()], "run: make docs"


def test_the_reference_says_of_every_call_which_role_it_needs() -> None:
    assert {path for (_, path), role in roles().items() if not role} == {
        "/", "/api/version", "/docs", "/health", "/openapi.json", "/v1/health",
    }  # fmt: skip


@each_page
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links():
        target, _, part = link.partition("#")
        found = Page((page.path.parent / target).resolve()) if target else page
        assert found.path.exists(), f"{page}: {link}"
        assert not part or part in found.anchors(), f"{page}: {link}"


@pytest.mark.parametrize("page", [page for page in MADE_HERE if page not in DECISIONS], ids=str)
def test_the_first_line_says_who_the_page_is_for(page: Page) -> None:
    lines = [line for line in page.text.splitlines() if line and not line.startswith("<!--")]
    assert lines[0].startswith("# ")
    assert lines[1].startswith("For ")


@each_page
def test_commands_can_be_typed_as_they_stand(page: Page) -> None:
    for words in page.commands():
        if words[0] == "cidermill" and "…" not in words:
            check(words[1:])


@each_page
def test_commands_can_be_typed_in_zsh_too(page: Page) -> None:
    """The shell of macOS knows no comments where people type, and fails at a pattern that no file fits."""
    for block in page.shell():
        bare = re.sub(r"""\\.|'[^']*'|"[^"]*\"""", "", block)
        assert not [line for line in bare.splitlines() if re.search(r"[#*?\[]", line)], page


@each_page
def test_commands_in_sentences_exist(page: Page) -> None:
    for said in page.code_words():
        words = said.split()
        if words[0] == "cidermill" and len(words) > 1 and words[1][0].isalpha() and words[1].islower():
            check_names(words[1:])


@each_page
def test_make_words_exist(page: Page) -> None:
    words = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = [command for command in page.commands() if command[0] == "make"]
    said += [word.split() for word in page.code_words() if word.startswith("make ")]
    for command in said:
        assert command[1] in words, f"{page}: {' '.join(command)}"


@each_page
def test_example_jobs_are_accepted(page: Page) -> None:
    for text in [*page.blocks("json"), *_posted(page)]:
        said = json.loads(text.splitlines()[0] if "\n{" in text else text)
        if isinstance(said, dict) and "kind" in said:
            job = JobIn.model_validate(said)
            kinds()[job.kind].model_validate(job.params)


def _posted(page: Page) -> list[str]:
    """Bodies that curl is told to send."""
    return [words[words.index("-d") + 1] for words in page.commands() if words[0] == "curl" and "-d" in words]


@each_page
def test_settings_named_exist(page: Page) -> None:
    for name in re.findall(r"CIDERMILL_([A-Z]\w*)", page.text):
        assert name.lower() in Settings.model_fields, f"{page}: CIDERMILL_{name}"


@each_page
def test_settings_files_are_read(page: Page) -> None:
    for block in page.blocks("toml"):
        for name in re.findall(r"^(\w+) =", block, re.MULTILINE):
            assert name in Settings.model_fields, f"{page}: {name}"


@each_page
def test_metrics_named_exist(page: Page) -> None:
    known = set(re.findall(r"^\| `(cidermill_\w+)`", (DOCS / "reference" / "metrics.md").read_text(), re.MULTILINE))
    for name in re.findall(r"`(cidermill_[a-z_]+)", page.prose):
        assert name in known, f"{page}: {name}"


def test_decisions_are_short_and_alike() -> None:
    for number, page in enumerate(DECISIONS, 1):
        assert page.path.name.startswith(f"{number:04d}-")
        assert page.headings()[0].startswith(f"{number}. ")
        assert page.headings()[1:] == ["Context", "Decision", "Consequences"]
        assert len(page.text.splitlines()) <= 40


def test_every_page_can_be_reached_from_the_index() -> None:
    index = Page(DOCS / "index.md")
    linked = {(DOCS / link).resolve() for link in index.links()}
    assert {page.path for page in MADE_HERE} - {index.path} <= linked


def test_every_invariant_and_every_reason_is_explained() -> None:
    text = (DOCS / "concepts" / "queue.md").read_text()
    assert not {invariant.code for invariant in INVARIANTS} - set(re.findall(r"^\| (I\d+) \|", text, re.MULTILINE))
    assert not {code for code in Code if code is not Code.LATER and f"`{code}`" not in text}


def test_the_worked_example_of_memory_is_what_the_code_estimates() -> None:
    text = (DOCS / "concepts" / "runs-and-memory.md").read_text()
    shape = ModelShape(
        layers=32, attention_layers=32, kv_heads=8, key_dim=128, value_dim=128,
        query_heads=32, hidden=4096, feed_forward=14_336, vocabulary=128_256,
    )  # fmt: skip
    examples = re.findall(r"^\| (\d+) × (\d+) \| (.*) \|$", text, re.MULTILINE)
    assert examples
    for context, slots, said in examples:
        metal = Engine(Family.LLAMA, gpu=True)
        need = estimate(shape, Bytes(4_920_739_232), int(context), int(slots), Bytes(160 * MIB), metal)
        assert said == need.sentence()


def test_every_load_test_is_on_the_performance_page() -> None:
    text = (DOCS / "reference" / "performance.md").read_text()
    assert not [name for name in measures() if f"`{name.removeprefix('measure_')}`" not in text]
