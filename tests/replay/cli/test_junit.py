from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from replay.cli.junit import junit
from replay.divergence import Difference, Divergence
from replay.isolation.corpus import Result
from replay.replayer import Verdict


def _verdict(divergence: Divergence | None = None) -> Verdict:
    word = "DIVERGED" if divergence else "REPRODUCED"
    return Verdict(
        verdict=word,
        stream="s",
        facts=1,
        decisions=1,
        states=1,
        last_seq=9,
        state="",
        divergence=divergence,  # type: ignore[arg-type]
    )


def test_failures_errors_and_what_xml_has_no_place_for() -> None:
    first = Difference(field="body/x", recorded='"\x00<&>"', decided="\x1b]]>")
    found = Divergence(kind="CODE", seq=7, version=7, type="t", fact_seq=6, fact_type="f", message="\x07", first=first)
    folder = Path("corpus")
    results = [
        Result(folder / "deeper" / "good.stagereplay", 0, _verdict(), "", 0.25),
        Result(folder / "other.stagereplay", 1, _verdict(found), "", 0.5),
        Result(folder / "cut.stagereplay", 3, None, "it ends \x00 early", 0.0),
    ]
    data = junit(results, folder=folder)
    assert data == junit(results, folder=folder)
    root = ElementTree.fromstring(data)
    suite = root[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert suite.get("time") == "0.750"
    cases = {case.get("name"): case for case in suite}
    assert cases["good"].get("classname") == "replay.deeper"
    assert len(cases["good"]) == 0
    (failure,) = cases["other"]
    assert (failure.tag, failure.get("type")) == ("failure", "DIVERGED")
    assert 'recorded "\\x00<&>"' in (failure.text or "")
    (error,) = cases["cut"]
    assert (error.tag, error.get("type"), error.get("message")) == ("error", "UNREADABLE", "it ends \\x00 early")
