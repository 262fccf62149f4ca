"""Results as JUnit XML, in the form that build servers read: a test case for each bundle.

A bundle that diverged is a failure; one without a verdict is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ledger.render import safe
from replay.isolation.corpus import Result


def junit(results: Sequence[Result], *, folder: Path) -> bytes:
    """The document. What XML has no place for is written as an escape."""
    failures = sum(one.verdict is not None and one.code != 0 for one in results)
    errors = sum(one.verdict is None for one in results)
    counts = {"tests": str(len(results)), "failures": str(failures), "errors": str(errors)}
    took = {"time": f"{sum(one.took_s for one in results):.3f}"}
    root = Element("testsuites", {**counts, **took})
    suite = SubElement(root, "testsuite", {"name": "stagesetctl replay test", **counts, "skipped": "0", **took})
    for one in results:
        _case(suite, one, folder)
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _case(suite: Element, result: Result, folder: Path) -> None:
    name = result.path.relative_to(folder)
    classname = ".".join(("replay", *name.parent.parts))
    fields = {"classname": safe(classname), "name": safe(name.stem), "time": f"{result.took_s:.3f}"}
    case = SubElement(suite, "testcase", fields)
    if result.code == 0:
        return
    kind = "failure" if result.verdict is not None else "error"
    found = SubElement(case, kind, {"type": result.word, "message": safe(result.told)})
    found.text = _details(result)


def _details(result: Result) -> str:
    divergence = result.verdict.divergence if result.verdict is not None else None
    if divergence is None:
        return safe(result.told)
    first = divergence.first
    lines = (
        divergence.message,
        f"after position {divergence.fact_seq} ({divergence.fact_type})",
        f"field {first.field}",
        f"recorded {first.recorded}",
        f"now {first.decided}",
    )
    return "\n".join(safe(line) for line in lines)
