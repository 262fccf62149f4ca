"""Lines for people: every result has its words, and nothing of a bundle reaches the terminal as a control character."""

from __future__ import annotations

import click

from replay.cli import telling
from replay.forking.result import Answered, Forked, Question
from replay.recompute.result import Again, Recomputed, Result


def _again(result: Result, **fields: str) -> Again:
    return Again(seq=14, stage="db", operation="verify", outcome="failed", result=result, **fields)


def _plain(lines: list[str]) -> list[str]:
    return [click.unstyle(line) for line in lines]


def test_guards_that_are_off_are_told() -> None:
    assert telling.guarded({"no sockets": True, "network namespace": False}) == [
        "guards on: no sockets",
        "guards off, not allowed here: network namespace",
    ]
    assert telling.guarded({"no sockets": True}) == ["guards on: no sockets"]


def test_every_result_has_its_words() -> None:
    found = {result: telling.recomputed(Recomputed(answers=(_again(result),)))[1] for result in telling._WORDS}
    assert found == {
        "same": "  position 14  db verify  failed  SAME",
        "partly": "  position 14  db verify  failed  SAME, as far as it was recorded",
        "differs": "  position 14  db verify  failed  DIFFERS",
        "unknown": "  position 14  db verify  failed  NOT COMPARED",
    }


def test_what_was_recorded_what_is_wrong_and_what_was_left_out() -> None:
    again = _again("differs", message="timed out", why="the computation says: ready")
    assert telling.recomputed(Recomputed(answers=(again,), others=2, tool="kustomize/v5")) == [
        "computed again with kustomize/v5:",
        "  position 14  db verify  failed  DIFFERS",
        "    timed out",
        "    the computation says: ready",
        "  2 answers of the API server have nothing that was computed",
    ]
    assert telling.recomputed(Recomputed(answers=()))[0] == "computed again with no kustomize:"


def test_a_fork() -> None:
    answers = (
        Answered(
            seq=4, at="2030-03-17T17:46:40.000Z", stage="db", operation="connect", origin="recorded", outcome="ok"
        ),
        Answered(seq=9, at="2030-03-17T17:46:42.250Z", stage="db", operation="apply", origin="simulated", message="x"),
    )
    found = Forked(
        run="r", changes=('spec.timeout: "2s" → "30m"',), same_until=3, answers=answers, outcome="open",
        message="it goes on", recorded="it fails", simulated=True, notes=("workloads become ready",),
        question=Question(seq=12, stage="db", operation="verify", asks="is it ready?", why="not told", known="0 of 1"),
    )  # fmt: skip
    lines = _plain(telling.forked(found))
    assert lines[:4] == [
        "OPEN (simulated)  it goes on",
        '  change    spec.timeout: "2s" → "30m"',
        "  recorded  it fails",
        "  the same as recorded up to position 3",
    ]
    assert lines[4].startswith("       4  17:46:40.000  db connect  ok")
    assert lines[4].endswith("[recorded]")
    assert "[SIMULATED]  x" in lines[5]
    assert lines[6:] == [
        "open at position 12: is it ready?",
        "  known last: 0 of 1",
        "  not told: answer it with --answer 12=FILE, or with --simulate",
        "note: workloads become ready",
    ]


def test_without_a_change_and_without_a_common_beginning() -> None:
    found = Forked(run="r", changes=(), same_until=0, answers=(), outcome="succeeded", message="m", recorded="m")
    assert _plain(telling.forked(found)) == [
        "SUCCEEDED  m", "  change    none", "  recorded  m", "  the same as recorded nowhere"
    ]  # fmt: skip


def test_control_characters_of_a_bundle_are_shown_not_sent() -> None:
    hostile = "\x1b]0;owned\x07"
    found = Forked(
        run="r", changes=(hostile,), same_until=0, outcome="failed", message=hostile, recorded=hostile,
        answers=(Answered(seq=1, at="2030-03-17T17:46:40.000Z", operation="apply", origin="given", message=hostile),),
        question=Question(seq=1, stage=hostile, operation="apply", asks=hostile, why=hostile, known=hostile),
        notes=(hostile,),
    )  # fmt: skip
    lines = _plain(telling.forked(found)) + telling.recomputed(
        Recomputed(answers=(_again("same", action=hostile, message=hostile, why=hostile),))
    )
    assert not [line for line in lines if "\x1b" in line or "\x07" in line]
