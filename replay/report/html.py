"""Elements of a page. Text becomes markup nowhere else: every `str` is escaped, and only `element` makes `Markup`.

Not a template language. What a recording holds can be a child or the value of an attribute, never a name.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from ledger.render import safe

#: Longer texts are cut, in characters.
TEXT_MAX = 256 * 1024
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z]+)*")
_VOID = frozenset({"meta"})
#: Attributes that lead somewhere, and what they may begin with.
_LEADING = frozenset({"href", "src", "action", "formaction", "srcset", "data", "poster"})
_ALLOWED = ("#", "https://stageset.projects.metio.wtf/")


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | Iterable["Child"] | None


def element(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """`<name …>children</name>`. `class_` is `class`, `aria_label` is `aria-label`; None and False leave one out."""
    assert _NAME.fullmatch(name), name
    assert name != "script", "a report has no script"
    start = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    if name in _VOID:
        return Markup(start)
    return Markup(f"{start}{''.join(_rendered(child) for child in children)}</{name}>")


def style(text: str) -> Markup:
    """A style sheet of ours: nothing in it is escaped, so nothing recorded may be in it."""
    assert "<" not in text
    return Markup(f"<style>{text}</style>")


def clean(text: str) -> str:
    """A text as it may be shown: lines are kept, whatever else is not printable is written as an escape."""
    if len(text) > TEXT_MAX:
        text = f"{text[:TEXT_MAX]}… {len(text) - TEXT_MAX} more characters"
    return "\n".join(safe(line) for line in text.split("\n"))


def _rendered(child: Child) -> str:
    match child:
        case None:
            return ""
        case Markup():
            return child
        case str():
            return html.escape(clean(child))
        case _:
            return "".join(_rendered(one) for one in child)


def _attribute(key: str, value: str | int | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if name == "viewbox":
        name = "viewBox"
    elif name == "preserveaspectratio":
        name = "preserveAspectRatio"
    else:
        assert _NAME.fullmatch(name), name
    assert not name.startswith("on"), "a report has no script"
    assert name != "style", "the policy of the page allows no inline style"
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    assert name not in _LEADING or str(value).startswith(_ALLOWED), value
    return f' {name}="{html.escape(clean(str(value)))}"'
