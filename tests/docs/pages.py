"""The pages of docs/ as tests read them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,4} (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def text(page: str) -> str:
    """A page, by its path from the root of the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Fenced blocks of a language."""
    return [body for _, kind, body in _BLOCK.findall(text(page)) if kind == language]


def documents(page: str) -> list[dict[str, Any]]:
    """What the YAML blocks hold."""
    return [found for block in blocks(page, "yaml") for found in yaml.safe_load_all(block)]


def anchors(page: str) -> set[str]:
    """What links to a page's sections name, as GitHub makes it of the headings."""
    headings = _HEADING.findall(text(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: str) -> list[str]:
    """Targets of a page's links within the repository."""
    return [target for target in _LINK.findall(text(page)) if "://" not in target]
