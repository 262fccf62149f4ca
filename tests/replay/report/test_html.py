from __future__ import annotations

import pytest

from replay.report import html
from replay.report.html import Markup, clean, element, style
from tests.replay.hostile import ATTACK, UNPRINTABLE


def test_text_is_escaped_and_elements_are_not() -> None:
    assert element("p", "a < b & \"c\" 'd'") == "<p>a &lt; b &amp; &quot;c&quot; &#x27;d&#x27;</p>"
    assert element("p", element("b", "x"), None, ["y", Markup("<i></i>")]) == "<p><b>x</b>y<i></i></p>"
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_no_text_becomes_markup_as_child_or_attribute() -> None:
    found = element("p", ATTACK, class_=ATTACK, aria_label=ATTACK)
    assert found.count("<") == 2
    assert found.count('"') == 4


def test_attributes() -> None:
    found = element("details", class_="x", open=True, hidden=False, id=None, tabindex=-1)
    assert found == '<details class="x" open tabindex="-1"></details>'
    assert element("svg", viewbox="0 0 1 1") == '<svg viewBox="0 0 1 1"></svg>'


@pytest.mark.parametrize(
    "made",
    [
        lambda: element("script", "x"),
        lambda: element("p><script", "x"),
        lambda: element("a", href="javascript:x"),
        lambda: element("a", href="http://elsewhere.example/"),
        lambda: element("p", onclick="x"),
        lambda: element("p", style="color:red"),
        lambda: element("p", **{"a b": "x"}),
        lambda: style("</style>"),
    ],
)
def test_what_a_report_must_not_have_is_a_bug(made) -> None:
    with pytest.raises(AssertionError):
        made()


def test_what_is_not_printable_is_written_as_an_escape_and_lines_stay() -> None:
    assert clean("a\nb\x1b[31m\u202e") == "a\nb\\x1b[31m\\u202e"
    assert all(c.isprintable() or c == "\n" for c in clean(UNPRINTABLE))


def test_long_texts_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "TEXT_MAX", 3)
    assert clean("abcdef") == "abc… 3 more characters"
