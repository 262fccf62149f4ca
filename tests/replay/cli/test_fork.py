from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.replay import rollouts
from tests.replay.forking import forks
from tests.replay.ledgers import command
from tests.replay.recompute import cases

#: Processes, real ones.
pytestmark = pytest.mark.slow


@pytest.fixture
def never(tmp_path: Path) -> Path:
    path = tmp_path / "never.stagereplay"
    path.write_bytes(forks.data("never"))
    return path


def test_an_open_question_is_4_and_says_how_to_answer(never: Path) -> None:
    done = command("fork", "--set", "spec.timeout=30m", never)
    assert done.exit_code == 4, done.stderr
    assert done.stdout.startswith("WAITING  stage db: verify: it is waited for until ")
    assert 'change    spec.timeout: "2s" → "30m"' in done.stdout
    assert "open at position 13: does stage db become ready between " in done.stdout
    assert "answer it with --answer 13=FILE, or with --simulate" in done.stdout


def test_an_end_is_0_and_what_is_simulated_is_marked(never: Path, tmp_path: Path) -> None:
    (tmp_path / "answer.yaml").write_text("outcome: ok\nmessage: 1 of 1 objects ready\n")
    (tmp_path / "two").mkdir()
    two = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "two", "namespace": "shop"}}
    (tmp_path / "two" / "two.yaml").write_text(json.dumps(two))
    given = ("--answer", f"13={tmp_path / 'answer.yaml'}", "--source", f"two={tmp_path / 'two'}", "--simulate")
    words = ("fork", "-o", "json", "--set", "spec.timeout=30m", *given, never)
    done = command(*words)
    assert done.exit_code == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["outcome"], report["simulated"], report["question"]) == ("succeeded", True, None)
    assert report["message"] == "it succeeds: all 2 stages are ready"
    assert [one["origin"] for one in report["answers"]][4:] == [
        "given", "recorded", "computed", "computed", "simulated", "simulated"
    ]  # fmt: skip
    assert report["guards"]["no environment"] is True


def test_a_patch_in_a_file(never: Path, tmp_path: Path) -> None:
    (tmp_path / "patch.yaml").write_text("spec: {timeout: 30m}\n")
    assert command("fork", "--patch", tmp_path / "patch.yaml", never).stdout.startswith("WAITING")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--set", "spec.timeout"), "is not PATH=VALUE"),
        (("--set", "spec.timeout=a: b: c"), "the value of spec.timeout, line 1"),
        (("--set", "spec.timeout=soon"), "the controller would refuse this spec"),
        (("--patch", "/none"), "No such file"),
        (("--artifact", "/none"), "there is no such folder"),
        (("--source", "two"), "is not STAGE=DIR"),
        (("--answer", "x=/none"), "is not EVENT=FILE"),
        (("--answer", "13=/none"), "No such file"),
    ],
)
def test_wrong_usage_is_2(never: Path, words: tuple[str, ...], says: str) -> None:
    done = command("fork", *words, never)
    assert done.exit_code == 2, done.stdout
    assert says in done.stderr


def test_unreadable_is_3(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(forks.data("never")[:-1])
    for path in (tmp_path / "cut", tmp_path / "none"):
        assert command("fork", "--simulate", path).exit_code == 3


def test_run_recompute(never: Path, tmp_path: Path) -> None:
    done = command("run", "--recompute", "--probe", "1", never)
    assert done.exit_code == 0, done.stderr
    assert "REPRODUCED  " in done.stdout
    assert "computed again with kustomize/v" in done.stdout
    assert "position 14  db verify  failed  SAME\n    timed out: 0 of 1 objects ready" in done.stdout


def test_run_recompute_for_machines(never: Path) -> None:
    report = json.loads(command("run", "--recompute", "-o", "json", never).stdout)
    assert [one["result"] for one in report["recomputed"]["answers"]] == ["same", "same", "same"]


def test_what_cannot_be_computed_again_is_4(tmp_path: Path) -> None:
    """An artifact that is none cannot be looked through for Secrets, so it is not in the bundle."""
    path = rollouts.bundle(cases.released(files=b"not an archive"), tmp_path)
    done = command("run", "--recompute", path)
    assert done.exit_code == 4, done.stdout
    assert "REPRODUCED  " in done.stdout
    assert "db fetch  ok  NOT COMPARED" in done.stdout
    assert "is not in the bundle" in done.stdout
