"""A report as one page: the failure first, then what happened, then the details. The same bundle gives the same bytes.

It loads nothing and runs nothing: its policy allows one style sheet, by its hash, and no script, address or form.
"""

from __future__ import annotations

from replay.report import heading, sections
from replay.report.axis import axis
from replay.report.html import Child, Markup, element, style
from replay.report.manifests import manifests
from replay.report.style import POLICY, SHEET
from replay.report.subject import Subject

_CONTENTS = (
    ("stages", "Stages"),
    ("happened", "What happened"),
    ("axis", "Time"),
    ("evidence", "Evidence"),
    ("objects", "Objects"),
    ("tries", "Waits and tries"),
    ("manifests", "Manifests"),
    ("inputs", "Inputs"),
    ("records", "All records"),
    ("proof", "Integrity"),
)


def page(subject: Subject) -> bytes:
    """The page in UTF-8."""
    parts = [
        heading.standing(subject),
        heading.happened(subject),
        axis(subject),
        sections.evidence(subject),
        sections.objects(subject),
        sections.holds(subject),
        manifests(subject),
        sections.inputs(subject),
        sections.records(subject),
        sections.proof(subject),
    ]
    there = {name for name, part in zip(dict(_CONTENTS), parts, strict=True) if part is not None}
    body = element(
        "body",
        element("a", "Skip to what happened", href="#main", class_="skip"),
        heading.heading(subject),
        _contents(there),
        element("main", *parts, id="main", tabindex=-1),
        _footer(subject),
    )
    return b"<!doctype html>\n" + element("html", _head(subject), body, lang="en").encode() + b"\n"


def _head(subject: Subject) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", heading.title(subject.story)),
        style(SHEET),
    )


def _contents(there: set[str]) -> Markup:
    links: list[Child] = [
        element("li", element("a", text, href=f"#{name}")) for name, text in _CONTENTS if name in there
    ]
    return element("nav", element("ul", links), aria_label="On this page")


def _footer(subject: Subject) -> Markup:
    version = subject.bundle.environment.version
    told = f"Made from a recording that version {version} exported. It loads nothing from anywhere and runs no script."
    return element("footer", element("p", told, class_="dim"))
