from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from tests.demo.controls import Controls
from tests.demo.migration import Made, Migration
from tests.demo.story import Story
from tests.demo.terminal import DemoFailed, Terminal
from tests.demo.world import World

JOB = Made("migrate-1", "uid-1", "key-of-migrate")
EVENTS = [
    (JOB.key, "action.intended", {"action": "migrate"}),
    (
        JOB.key,
        "action.observed",
        {"objects": [{"id": "shop_migrate-1_batch_Job", "uid": JOB.uid, "action": "created"}]},
    ),
    ("key-of-announce", "action.intended", {"action": "announce"}),
]


def migration(folder: Path, *, jobs: str, requests: str) -> Migration:
    """The act at its end, where the witnesses have seen this."""
    controls = Controls(cast(World, None), Terminal(), folder=folder)
    story: Any = Story(controls)
    (folder / "jobs.log").write_text(jobs)
    (folder / "hooks.log").write_text(requests)
    with closing(sqlite3.connect(controls.ledger)) as connection, connection:
        connection.execute("create table event (seq integer primary key, idem text, type text, body text)")
        rows = [(idem, kind, json.dumps(body)) for idem, kind, body in EVENTS]
        connection.executemany("insert into event (idem, type, body) values (?, ?, ?)", rows)
    return Migration(controls, story)


def test_three_witnesses_that_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = migration(
        tmp_path, jobs="ADDED migrate-1 uid-1\n", requests="1 POST /migrated Idempotency-Key key-of-announce\n"
    )
    ended.hear_witnesses(JOB)
    assert "that of schema 42 (uid-1) ran once" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("jobs", "requests"),
    [
        ("ADDED migrate-1 uid-1\nADDED migrate-1 uid-2\n", "1 POST / Idempotency-Key key-of-announce\n"),
        ("", "1 POST / Idempotency-Key key-of-announce\n"),
        ("ADDED migrate-1 uid-1\n", "1 POST / Idempotency-Key key-of-announce\n" * 2),
        ("ADDED migrate-1 uid-1\n", ""),
    ],
    ids=["a second Job", "no Job", "a second request", "no request"],
)
def test_a_witness_that_has_seen_something_else_fails_the_demo(tmp_path: Path, jobs: str, requests: str) -> None:
    with pytest.raises(DemoFailed, match="and the ledger has"):
        migration(tmp_path, jobs=jobs, requests=requests).hear_witnesses(JOB)
