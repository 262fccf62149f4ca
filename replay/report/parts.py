"""What sections are made of: words in their colour, tables, folds, blocks of text and of differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from replay.report.html import Child, Markup, element

_SIGNS = {
    "ok": ("good", "✓ "),
    "succeeded": ("good", "✓ "),
    "done": ("good", "✓ "),
    "REPRODUCED": ("good", "✓ "),
    "failed": ("bad", "✗ "),
    "refused": ("bad", "✗ "),
    "DIVERGED": ("bad", "✗ "),
    "indeterminate": ("wait", "? "),
    "unanswered": ("wait", "? "),
    "unfinished": ("wait", "? "),
    "under way": ("wait", "? "),
    "held": ("wait", "? "),
}


def word(text: str) -> Markup:
    """An outcome with its sign and in its colour."""
    colour, sign = _SIGNS.get(text, ("dim", ""))
    return element("span", sign + text, class_=f"word {colour}")


def section(ident: str, heading: str, *children: Child) -> Markup:
    """A section that the list of contents leads to."""
    return element("section", element("h2", heading, id=ident), children, aria_labelledby=ident)


def fold(summary: Child, *children: Child, opened: bool = False) -> Markup:
    """What is shown when asked for, and on paper."""
    return element("details", element("summary", summary), children, open=opened)


def table(names: Sequence[str], rows: Iterable[Sequence[Child]], *, label: str) -> Markup:
    """A table that is wider than a phone scrolls by itself, by keyboard too."""
    head = element("tr", (element("th", name, scope="col") for name in names))
    body = (element("tr", (element("td", cell) for cell in row)) for row in rows)
    found = element("table", element("thead", head), element("tbody", body))
    wide = "scroll wide" if "Told" in names else "scroll"
    return element("div", found, class_=wide, tabindex=0, role="region", aria_label=label)


def listed(pairs: Iterable[tuple[str, Child]]) -> Markup:
    """Names and what they stand for."""
    return element("dl", ((element("dt", name), element("dd", value)) for name, value in pairs))


def code(text: str) -> Markup:
    return element("code", text)


def block(lines: Iterable[str], *, label: str) -> Markup:
    """Lines of text as they are."""
    return element("pre", "\n".join(lines), tabindex=0, role="region", aria_label=label)


def difference(lines: Iterable[str], *, label: str) -> Markup:
    """The lines of a unified diff."""
    kinds = {"+": "add", "-": "del", "@": "at"}
    # Each line is a block of its own: a line end between two of them would be an empty line.
    rows = (element("span", line or " ", class_=kinds.get(line[:1], "same")) for line in lines)
    return element("pre", rows, tabindex=0, role="region", aria_label=label)


def more(count: int, what: str) -> Markup | None:
    """That something was cut."""
    return element("p", f"… and {count} more {what}; `stagesetctl replay inspect` has them all.") if count > 0 else None


def counted(count: int, what: str) -> str:
    """`1 object`, `2 objects`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
