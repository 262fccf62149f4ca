"""The command as people use it: another process, and the real kubectl."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.kubectl import KUBECTL, Kubectl

#: Processes, real ones.
pytestmark = pytest.mark.slow

LOADED = """
apiVersion: stages.metio.wtf/v1
kind: StageInventory
metadata:
  name: shop-database-00
  labels: {stages.metio.wtf/stage-set: shop, stages.metio.wtf/stage: database}
spec: {entries: []}
"""
DEADLINE_S = 30


def stageset(name: str, *, interval: str = "10m") -> dict[str, object]:
    """A StageSet that nobody reconciles."""
    spec = {"interval": interval, "stages": [{"name": "database", "sourceRef": {"name": "shop"}}]}
    return {"apiVersion": "stages.metio.wtf/v1", "kind": "StageSet", "metadata": {"name": name}, "spec": spec}


def start(*words: str) -> subprocess.Popen[str]:
    """The command, in a process of its own."""
    command = [sys.executable, "-m", "replay", "sandbox", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_introduction(process: subprocess.Popen[str]) -> str:
    """What it says until it is ready."""
    assert process.stdout is not None
    said = ""
    while "stageset-controller" not in said:
        line = process.stdout.readline()
        assert line, f"it ended: {said}{process.communicate(timeout=DEADLINE_S)}"
        said += line
    return said


def end(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
    """Exit code and what it said on standard error."""
    process.send_signal(number)
    _, error = process.communicate(timeout=DEADLINE_S)
    return process.returncode, error


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "loaded.yaml").write_text(LOADED)
    process = start("--kubeconfig", str(folder / "kubeconfig"), "--load", str(folder / "loaded.yaml"))
    try:
        assert "loaded.yaml: 1 objects applied" in wait_for_introduction(process)
        yield Kubectl(kubeconfig=folder / "kubeconfig", namespace="default")
    finally:
        end(process)


def test_the_definitions_are_installed(kubectl: Kubectl) -> None:
    names = kubectl("get", "crd", "-o", "name").split()
    assert {name.removeprefix("customresourcedefinition.apiextensions.k8s.io/") for name in names} == {
        "stagesets.stages.metio.wtf",
        "stageinventories.stages.metio.wtf",
        "stageledgers.stages.metio.wtf",
        "externalartifacts.source.toolkit.fluxcd.io",
        "gitrepositories.source.toolkit.fluxcd.io",
        "ocirepositories.source.toolkit.fluxcd.io",
        "buckets.source.toolkit.fluxcd.io",
    }


def test_apply_get_describe_and_delete(kubectl: Kubectl) -> None:
    assert "created" in kubectl.apply(stageset("one"))
    assert "configured" in kubectl.apply(stageset("one", interval="5m"))
    assert kubectl("get", "stagesets").split()[:4] == ["NAME", "READY", "STATUS", "AGE"]
    assert "Interval:  5m" in kubectl("describe", "stageset", "one")
    assert "deleted" in kubectl("delete", "stageset", "one")
    assert kubectl.run("get", "stageset", "one").stderr.startswith("Error from server (NotFound)")


def test_what_the_schema_does_not_allow_is_refused(kubectl: Kubectl) -> None:
    done = kubectl.run("create", "-f", "-", stdin='{"apiVersion": "stages.metio.wtf/v1", "kind": "StageSet",'
                       ' "metadata": {"name": "bad"}, "spec": {"interval": "soon", "stages": []}}')  # fmt: skip
    assert done.returncode == 1
    assert "spec.interval" in done.stderr


def test_inventories_are_selected_by_their_labels(kubectl: Kubectl) -> None:
    label = "stages.metio.wtf/stage-set=shop,stages.metio.wtf/stage="
    assert "shop-database-00" in kubectl("get", "stageinventory", "-l", f"{label}database")
    assert kubectl("get", "stageinventory", "-l", f"{label}backend", "-o", "name") == ""


def test_a_watch_shows_what_comes(kubectl: Kubectl) -> None:
    command = [KUBECTL, f"--kubeconfig={kubectl.kubeconfig}", "get", "stagesets", "-w", "-o", "name"]
    kubectl.apply(stageset("seen-first"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        try:
            assert watching.stdout is not None
            assert watching.stdout.readline() == "stageset.stages.metio.wtf/seen-first\n"
            kubectl.apply(stageset("seen-then"))
            assert watching.stdout.readline() == "stageset.stages.metio.wtf/seen-then\n"
        finally:
            watching.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_on_request_and_takes_its_kubeconfig_along(tmp_path: Path, number: int) -> None:
    path = tmp_path / "kubeconfig"
    process = start("--kubeconfig", str(path))
    said = wait_for_introduction(process)
    assert f"export KUBECONFIG={path}" in said
    assert "http://127.0.0.1:" in said
    assert path.stat().st_mode & 0o077 == 0
    assert end(process, number) == (0, "")
    assert not path.exists()


def test_somebodys_kubeconfig_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("apiVersion: v1\nkind: Config\ncurrent-context: production\n")
    process = start("--kubeconfig", str(path))
    _, error = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 3
    assert f"{path} is there and not a sandbox's: it is left alone" in error
    assert "production" in path.read_text()


def test_one_that_was_killed_leaves_a_kubeconfig_that_the_next_replaces(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = start("--kubeconfig", str(path))
        wait_for_introduction(process)
        end(process, number)
    assert not path.exists()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("--port", str(port), "--kubeconfig", str(tmp_path / "kubeconfig"))
        _, error = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 3
    assert f"cannot listen on 127.0.0.1:{port}: " in error
    assert "choose another --port" in error


def test_a_file_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("{apiVersion: nobody/v1, kind: Unknown, metadata: {name: a}}")
    process = start("--load", str(tmp_path / "bad.yaml"))
    _, error = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 3
    assert error.startswith(f"Error: {tmp_path}/bad.yaml, document 1: ")
