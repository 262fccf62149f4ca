from __future__ import annotations

import click
from hypothesis import given
from hypothesis import strategies as st

from ledger import events
from ledger.events import Item, Pin
from ledger.render import Columns, instant, outcome, safe, summary


@given(st.text())
def test_safe_text_is_printable(text: str) -> None:
    assert safe(text).isprintable()
    assert safe(text) == text or not text.isprintable()


def test_what_is_escaped_can_be_told() -> None:
    assert safe("a\x1b[2J\x9b\u202e\n\u2028é") == "a\\x1b[2J\\x9b\\u202e\\n\\u2028é"


def test_an_outcome_has_a_colour_and_none_is_nothing() -> None:
    assert outcome("failed") == click.style("failed", fg="red")
    assert outcome("") == ""
    assert "\x1b[2J" not in outcome("\x1b[2J")


def test_an_instant_is_read_with_a_space() -> None:
    assert instant("2030-01-31T12:00:00.000Z") == "2030-01-31 12:00:00.000"


def test_a_summary_says_what_it_is_about() -> None:
    item = Item(id="shop_web_apps_Deployment", v="v1", action="configured")
    pin = Pin(stage="a", source="OCIRepository/x/y", revision="1.0", digest="sha256:" + "0" * 64)
    assert summary(events.FetchIntended(pin=pin)) == "OCIRepository/x/y 1.0"
    assert summary(events.ApplyFinished(objects=[item])) == "shop_web_apps_Deployment configured"
    assert summary(events.ApplyFinished(objects=[item, item])) == "2 objects"
    assert summary(events.VerifyFinished(reason="Timeout", message="not ready", objects=[item])) == "Timeout not ready"
    assert summary(events.RunSucceeded()) == ""
    assert summary(None) == "(its body was erased)"


def test_columns_grow_and_ignore_colours() -> None:
    columns = Columns(("A", "B"))
    red = click.style("xx", fg="red")
    assert columns.heading([(red, "y")]) == click.style("A   B", bold=True)
    assert columns.lines([(red, "y"), ("xxxx", "y")]) == [red + "    y", "xxxx  y"]


def test_a_line_is_cut_at_the_width_of_the_terminal() -> None:
    assert Columns(("A", "B"), width=10).lines([("1", "0123456789")]) == ["1  012345…"]
    assert Columns(("A", "B"), width=13).lines([("1", "0123456789")]) == ["1  0123456789"]
