"""Documentation as its readers see it: headings, links, blocks of code, commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.generator.markdown import anchor

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_ENDS = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<"})


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def prose(self) -> str:
        """Without blocks of code."""
        return _FENCE.sub("", self.text)

    def headings(self) -> list[str]:
        return [line.lstrip("#").strip() for line in self.prose.splitlines() if line.startswith("#")]

    def anchors(self) -> set[str]:
        return {anchor(heading) for heading in self.headings()}

    def links(self) -> list[str]:
        """Targets of links that stay inside the repository."""
        text = _CODE.sub("", self.prose)
        return [link for link in _LINK.findall(text) if "://" not in link and not link.startswith("mailto:")]

    def blocks(self, *languages: str) -> list[str]:
        return [body for language, body in _FENCE.findall(self.text) if language in languages]

    def code_words(self) -> list[str]:
        """What stands between single backquotes."""
        return _CODE.findall(self.prose)

    def commands(self) -> Iterator[list[str]]:
        """Each simple command that people type, as words."""
        for block in self.shell():
            for line in block.replace("\\\n", " ").splitlines():
                yield from _simple(line)

    def shell(self) -> Iterator[str]:
        """What people type: its shell blocks, and of its consoles what follows `$ `."""
        yield from self.blocks("bash", "sh")
        for block in self.blocks("console"):
            yield "\n".join(line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))


def pages() -> list[Page]:
    """Every page of the documentation, and those at the root of the repository."""
    return [Page(path) for path in [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md"))]]


def _simple(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word in _ENDS:
            if words:
                yield words
            words = []
        elif words or "=" not in word.partition("/")[0]:
            words.append(word)
