"""The page as a whole: what stands where, and that nothing recorded becomes markup."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache

import pytest
from msgspec.structs import replace

from replay.bundle.format import Derived, Omitted, Sealed, Shortened
from replay.report import axis, heading, manifests, parts, sections, style
from replay.report import subject as subjects
from replay.report.page import page
from replay.report.subject import Subject, lasting, stages
from replay.story import Moment
from tests.docs.pages import anchors
from tests.replay import making
from tests.replay.cases import CASES
from tests.replay.hostile import ATTACK, UNPRINTABLE, hostile
from tests.replay.report.reading import Read
from tests.replay.told import subject

#: All elements and attributes that a report has.
_ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section", "footer", "a", "div", "p"),
    *("h1", "h2", "h3", "strong", "code", "span", "time", "ul", "ol", "li", "dl", "dt", "dd", "pre"),
    *("table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "details", "summary"),
}
_ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "href", "id", "tabindex", "role", "scope"),
    *("aria-label", "aria-labelledby", "aria-hidden", "datetime", "open"),
    *("viewbox", "preserveaspectratio", "x", "y", "width", "height"),
}


@cache
def _told(number: int) -> Subject:
    """A run of the ledger in which every operation fails once: 1 fetch, 2 build, 3 apply, 4 verify."""
    log = making.failures()
    return subject(making.bundle(log, *list(making.runs(log))[number]))


def test_the_failure_stands_first() -> None:
    told = _told(4)
    read = Read(page(told))
    assert read.declarations == ["doctype html"]
    words = read.words
    assert words.startswith("shop/rel: stage two: verify: 0 of 1 objects ready")
    order = [
        words.index(part)
        for part in (
            "Skip to what happened",
            "stage two: verify: 0 of 1 objects ready; failed: Deployment shop/web",
            "Reason VerifyFailed. It may pass by itself. The next try was planned for 2030-01-01 ",
            "Where the stages stand",
            "three not reached, keeps what it had",
            "A source showed a new revision: the run began.",
            "Stage one is done.",
            "Stage two failed at verify: 0 of 1 objects ready",
            "verify.finished of stage two",
            "progressDeadlineSeconds: 600",
            "Tries of this snapshot",
            "Deployment shop/web",
            "ExternalArtifact/shop/src-one",
            "All records",
            "each held by the hash of the one after it",
            "✓ REPRODUCED",
            "Nothing of the run was left out.",
        )
    ]
    assert all(at >= 0 for at in order)
    links = [attributes["href"] for tag, attributes in read.elements if tag == "a"]
    assert "https://stageset.projects.metio.wtf/runbooks/stagefailed/#verify-verifyfailed" in links
    there = {attributes["id"] for _, attributes in read.elements if "id" in attributes}
    assert {str(link)[1:] for link in links if str(link).startswith("#")} <= there


def test_the_link_to_the_runbook_leads_to_a_section() -> None:
    there = anchors("docs/runbooks/stagefailed.md")
    failed = _told(4).story.failed
    assert failed is not None
    for case in CASES:
        assert heading.anchor(replace(failed, operation=case.operation, reason=case.reason)) in there


def test_the_same_bundle_gives_the_same_bytes() -> None:
    log = making.failures()
    data = making.bundle(log, *making.failed(log))
    assert page(subject(data)) == page(subject(data))


@pytest.mark.parametrize("number", range(8))
def test_every_run_of_every_ending_has_a_page_of_known_elements(number: int) -> None:
    read = Read(page(_told(number)))
    assert {tag for tag, _ in read.elements} <= _ELEMENTS
    assert {name for _, attributes in read.elements for name in attributes} <= _ATTRIBUTES


def test_it_loads_nothing_and_its_policy_says_so() -> None:
    read = Read(page(_told(4)))
    (policy,) = [a["content"] for tag, a in read.elements if tag == "meta" and "http-equiv" in a]
    mark = base64.b64encode(hashlib.sha256(style.SHEET.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{mark}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"url\(|@import|expression|//", style.SHEET)
    assert not {"script", "img", "link", "iframe", "base", "form"} & {tag for tag, _ in read.elements}


@pytest.mark.parametrize("number", [2, 4])
def test_an_attack_in_every_text_stays_text(number: int) -> None:
    log = making.failures()
    told = subject(hostile(making.bundle(log, *list(making.runs(log))[number])))
    told = told._replace(problem=ATTACK + UNPRINTABLE, verdict=None)
    data = page(told)
    read = Read(data)
    assert {tag for tag, _ in read.elements} <= _ELEMENTS
    assert {name for _, attributes in read.elements for name in attributes} <= _ATTRIBUTES
    assert all(
        str(a["href"]).startswith(("#", "https://stageset.projects.metio.wtf/runbooks/"))
        for _, a in read.elements
        if "href" in a
    )
    assert b"<script" not in data
    assert "".join(read.text).count(ATTACK) > 100
    assert all(c.isprintable() or c == "\n" for c in data.decode())
    # Nothing recorded is a class or an id, which a style could take for its own.
    known = {a.get(name) for _, a in read.elements for name in ("class", "id")}
    assert not [value for value in known if value and "<" in value]


def test_an_unfinished_run_says_so() -> None:
    told = _told(4)
    story = replace(told.story, outcome="unfinished", message="", failed=None, retry_at="")
    words = Read(page(told._replace(story=story))).words
    assert "The run was not over after 1.3 s, where this recording ends." in words


def test_a_run_that_succeeded_and_one_that_was_superseded() -> None:
    told = _told(0)
    assert "Every stage is ready. It took " in Read(page(told)).words
    story = replace(told.story, outcome="superseded")
    assert "because something newer came" in Read(bytes(heading.heading(told._replace(story=story)), "utf-8")).words


def test_manifests_are_shown_against_the_run_before_where_the_bundle_has_them() -> None:
    told, other = _told(4), _told(3)
    plain = Read(manifests.manifests(told).encode()).words  # type: ignore[union-attr]
    assert "which failed; the bundle does not have those." in plain
    beside = told._replace(
        against=other.run,
        manifests=told.manifests._replace(found={**other.manifests.found, **told.manifests.found}),
    )
    found = Read(manifests.manifests(beside).encode())  # type: ignore[union-attr]
    assert f"Against run {other.run.id}, which failed: 1 difference." in found.words
    kinds = [attributes.get("class") for tag, attributes in found.elements if tag == "span"]
    assert {"add", "del", "at"} <= set(kinds)
    nothing = told._replace(manifests=told.manifests._replace(found={}, withheld={}))
    assert "Not shown: it is not in the bundle." in Read(manifests.manifests(nothing).encode()).words  # type: ignore[union-attr]


def test_what_was_left_out_is_listed() -> None:
    told = _told(0)
    gone = Omitted(seq=7, digest="sha256:1", what="payload", why="it was lost")
    derived = Derived(seq=8, digest="sha256:2", member="", files=("secret.yaml", "other.yaml"))
    cut = Shortened(seq=9, fields=("/evidence/logs",))
    sealed = Sealed(recipients=("age1abc",), artifacts=())
    changes = {"omitted": (gone,), "derived": (derived,), "shortened": (cut,), "sealed": sealed}
    manifest = replace(told.bundle.manifest, **changes)
    words = Read(sections.proof(told._replace(bundle=told.bundle._replace(manifest=manifest))).encode()).words
    for part in (
        "7 payload sha256:1 it was lost",
        "8 artifact sha256:2 stand-ins stand for values of Secrets in secret.yaml, other.yaml",
        "9 log tails they decide nothing: /evidence/logs",
        "Encrypted inside artifacts for age1abc",
        "What the exporter says of secrets",
    ):
        assert part in words


def test_tries_of_the_same_snapshot_are_listed() -> None:
    told = _told(4)
    again = replace(told.run, id="another", outcome="failed", message="once more")
    words = Read(sections.holds(told._replace(runs=(*told.runs, again))).encode()).words  # type: ignore[union-attr]
    assert words.index(told.run.id) < words.index("another") < words.index("once more")


def test_gates_are_told_where_people_look_for_them() -> None:
    told = _told(4)
    held = Moment(
        seq=900, at=told.story.last_at, after_ms=1_329, stage="two", what="action.held", action="page", told="sent?"
    )
    wait = Moment(
        seq=901, at=held.at, after_ms=0, stage="two", what="action", action="calm", took_ms=7_000, outcome="ok",
        told="pre wait calm",
    )  # fmt: skip
    again = Moment(seq=902, at=held.at, after_ms=9, stage="two", what="action.retry.scheduled", action="page")
    story = replace(told.story, moments=(*told.story.moments, held, wait, again))
    made = told._replace(story=story)
    gates = Read(sections.holds(made).encode()).words  # type: ignore[union-attr]
    assert "two action.held page ? held sent?" in gates
    assert "two action calm 7.0 s ✓ ok pre wait calm" in gates
    assert "Action page of stage two is held: sent?" in Read(heading.happened(made).encode()).words
    rows = Read(axis.axis(made).encode()).words
    assert "page at 1.3 s? held" in rows
    assert "page at 9 mstried again later" in rows


def test_bars_stay_on_the_axis_and_the_shortest_is_seen() -> None:
    read = Read(axis.axis(_told(4)).encode())
    bars = [a for tag, a in read.elements if tag == "rect"]
    assert len(bars) == 12
    spans = [(int(a["x"] or 0), int(a["width"] or 0)) for a in bars]
    assert all(start >= 0 and width >= 6 and start + width <= 1_000 for start, width in spans)
    # One after the other in each stage, up to the end.
    assert spans[1][0] == spans[0][0] == 0
    assert [start for start, _ in spans[1:6]] == sorted(start for start, _ in spans[1:6])
    assert 999 <= sum(spans[-1]) <= 1_000 > spans[-1][1]
    shapes = [a["class"] for tag, a in read.elements if tag == "svg"]
    assert shapes.count("bar failed") == 1


def test_long_tables_are_cut_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (axis, heading, sections, subjects):
        monkeypatch.setattr(module, "ROWS_MAX", 3)
    assert "… and 14 more records" in Read(page(_told(4))).words


def test_durations() -> None:
    assert [lasting(ms) for ms in (0, 999, 1_000, 59_949, 60_000, 3_600_000 * 25 + 61_000)] == [
        "0 ms", "999 ms", "1.0 s", "59.9 s", "1 min 0 s", "25 h 1 min",
    ]  # fmt: skip


def test_stages_stand_where_the_run_left_them() -> None:
    assert [(one.name, one.stands) for one in stages(_told(4))] == [
        ("one", "done"), ("two", "failed"), ("three", "not reached"),
    ]  # fmt: skip


def test_words_have_a_sign_beside_their_colour() -> None:
    assert parts.word("failed") == '<span class="word bad">✗ failed</span>'
    assert parts.word("<b>") == '<span class="word dim">&lt;b&gt;</span>'
    assert parts.counted(1, "object") == "1 object"
