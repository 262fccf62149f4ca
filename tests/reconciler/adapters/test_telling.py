"""Logs: one line for each recorded event, saying what the ledger says and nothing else."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import pytest

from ledger import events as e
from ledger.envelope import Draft
from reconciler.adapters.telling import LogTeller, Tellers, set_up
from reconciler.ports.hands import Target

MEMBER = SimpleNamespace(target=Target("shop", "rel", "u"))


@pytest.fixture(autouse=True)
def restored():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def lines(capsys, *drafts: Draft, form: str = "json", level: str = "info") -> list[str]:
    set_up(level=level, form=form)
    LogTeller().recorded(MEMBER, drafts)
    return capsys.readouterr().err.splitlines()


FAILED = Draft(
    event=e.ApplyFinished(reason="Forbidden", message="may not", evidence={"status": {"big": "x"}}),
    run="r-1", stage="db", outcome="refused",
)  # fmt: skip


def test_json_says_what_the_record_says(capsys):
    (line,) = lines(capsys, FAILED)
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "warning", "logger": "stageset", "event": "apply.finished", "stageset": "shop/rel", "run": "r-1",
        "stage": "db", "outcome": "refused", "message": "may not", "reason": "Forbidden",
    }  # fmt: skip


def test_drift_is_told_with_its_objects(capsys):
    items = [
        e.Item(id=f"shop_a{at}__ConfigMap", v="v1", action="changed", message="/data/x, by hpa") for at in range(12)
    ]
    (line,) = lines(capsys, Draft(event=e.DriftObserved(objects=items, manager="hpa"), stage="db"), form="text")
    assert "W drift.observed" in line
    assert "ConfigMap/shop/a0: /data/x, by hpa; ConfigMap/shop/a1: " in line
    assert line.endswith("; and 2 more")


def test_text_is_one_line_with_the_message_last(capsys):
    (line,) = lines(capsys, FAILED, form="text")
    assert "W apply.finished" in line
    assert line.endswith("reason=Forbidden  may not")


@pytest.mark.parametrize(
    ("draft", "level"),
    [
        (Draft(event=e.RunSucceeded()), "info"),
        (Draft(event=e.FetchFinished(), outcome="ok"), "info"),
        (Draft(event=e.FetchFinished(), outcome="failed"), "warning"),
        (Draft(event=e.StageFailed(operation="apply", reason="r", message="m")), "warning"),
        (Draft(event=e.RunFailed(reason="r", message="m")), "warning"),
        (Draft(event=e.RunBlocked(reason="r", message="m", generation=1)), "warning"),
    ],
)
def test_what_is_bad_is_a_warning(capsys, draft, level):
    assert [json.loads(line)["level"] for line in lines(capsys, draft)] == [level]
    assert len(lines(capsys, draft, level="warning")) == (level == "warning")


def test_a_line_for_each_event_and_never_two(capsys):
    said = lines(capsys, FAILED, Draft(event=e.StageFailed(operation="apply", reason="r", message="two\nlines")))
    assert [json.loads(line)["event"] for line in said] == ["apply.finished", "stage.failed"]


def test_a_traceback_is_in_its_line(capsys):
    set_up(level="info", form="json")
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("x").exception("it broke")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: why" in json.loads(line)["traceback"]


def test_several_tellers_are_told_in_order():
    told = []
    one, two = (SimpleNamespace(recorded=lambda m, d, n=n: told.append((n, d))) for n in (1, 2))
    Tellers(one, two).recorded(MEMBER, (FAILED,))
    assert told == [(1, (FAILED,)), (2, (FAILED,))]
