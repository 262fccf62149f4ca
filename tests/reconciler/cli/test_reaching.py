"""What every command on a cluster does: find the namespace, wait, and say what is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.reaching import default_namespace, until
from tests.ledger.command import run
from tests.reconciler.cli.serving import Served

#: Processes, real ones.
pytestmark = pytest.mark.slow


def kubeconfig(path: Path, *, current: str = "", **namespaces: str) -> Path:
    contexts = [{"name": name, "context": {"cluster": "c", "namespace": to}} for name, to in namespaces.items()]
    path.write_text(json.dumps({"current-context": current, "contexts": contexts}))
    return path


def test_the_namespace_is_that_of_the_context(tmp_path: Path) -> None:
    one = kubeconfig(tmp_path / "one", current="a", a="shop", b="bank")
    two = kubeconfig(tmp_path / "two", current="b", c="park")
    (tmp_path / "bare").write_text("{}")
    absent = tmp_path / "absent"
    assert default_namespace([one], "") == "shop"
    assert default_namespace([one], "b") == "bank"
    # The first file that says so counts.
    assert default_namespace([absent, tmp_path / "bare", one, two], "") == "shop"
    assert default_namespace([two, one], "") == "bank"
    assert default_namespace([one, two], "c") == "park"
    assert default_namespace([one], "elsewhere") == "default"
    assert default_namespace([tmp_path / "bare"], "") == "default"


def test_waiting_ends_with_what_was_wanted_or_with_the_time() -> None:
    seen = iter(range(100))

    async def look() -> int:
        return next(seen)

    assert asyncio.run(until(look, lambda one: one == 3, timeout_s=5, poll_s=0)) == 3
    assert asyncio.run(until(look, lambda one: False, timeout_s=0.01, poll_s=1)) is None


def test_the_contexts_namespace_is_used(world: Served) -> None:
    world.stageset()
    path = world.kubeconfig.with_name("shop")
    config: dict[str, Any] = json.loads(world.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = "shop"
    path.write_text(json.dumps(config))
    assert run("reconcile", "--kubeconfig", path, "rel").exit_code == 0
    # The sandbox's own says `default`.
    result = run("reconcile", "--kubeconfig", world.kubeconfig, "rel")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: StageSet default/rel does not exist; kubectl get stagesets -A shows those that do "
        "(-n names the namespace)\n"
    )


def test_it_is_a_program_that_finds_its_cluster_by_the_environment(world: Served) -> None:
    world.stageset()
    done = subprocess.run(
        [sys.executable, "-m", "replay", "reconcile", "-n", "shop", "rel"],
        env={**os.environ, "KUBECONFIG": str(world.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "StageSet shop/rel: a run has begun\n"


def test_a_request_that_nobody_takes_up_is_told(world: Served) -> None:
    world.controls = False
    world.stageset()
    words = ("-n", "shop", "--kubeconfig", str(world.kubeconfig), "rel")
    result = run("reconcile", "--timeout", "300ms", *words)
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "Error: StageSet shop/rel: it is asked for and stays so, but no controller has taken it up within 0.3 s"
    )
    assert result.stdout == ""
    result = run("reconcile", "--no-wait", "-o", "json", *words)
    assert json.loads(result.stdout)["handled"] is False


@pytest.mark.parametrize("words", [("--timeout", "soon"), ("--stage",), ()])
def test_wrong_usage_is_told(words: tuple[str, ...]) -> None:
    assert run("reconcile", *words).exit_code == 2


def test_a_cluster_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    result = run("reconcile", "--kubeconfig", tmp_path / "absent", "rel")
    assert result.exit_code == 3
    assert f"{tmp_path}/absent cannot be used" in result.stderr
    gone = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "x", "user": {}}],
    }
    (tmp_path / "gone").write_text(json.dumps(gone))
    result = run("reconcile", "--kubeconfig", tmp_path / "gone", "rel")
    assert result.exit_code == 3
    assert "http://127.0.0.1:1" in result.stderr
    assert "Traceback" not in result.stderr
