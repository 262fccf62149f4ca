"""A control plane of real parts: etcd, API server, controller manager, scheduler, and kwok for the node.

Started in a temporary directory on free loopback ports, ended by process id. Several may run at once: a remote target
is another `ControlPlane`. It decides nothing about tests; the fixtures are in tests/cluster/conftest.py.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.controlplane import commands
from tests.controlplane.audit import AuditLog
from tests.controlplane.client import Api
from tests.controlplane.commands import LOOPBACK, NODE, Layout
from tests.controlplane.credentials import User, new_user, write_kubeconfig, write_signing_key, write_token_file
from tests.controlplane.process import Component, wait_until

#: Seconds until a step of the start counts as failed; it takes one or two, but machines may be busy with other things.
DEADLINE_S = 120.0
PREFIX = "stageset-controlplane-"


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all are held until all are chosen, so they differ."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for held in sockets:
            held.bind((LOOPBACK, 0))
        return [held.getsockname()[1] for held in sockets]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sweep() -> None:
    """Remove the directories of control planes whose owner was killed before it could do so itself."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = re.match(rf"{PREFIX}(\d+)-", path.name)
        if owner and not _is_alive(int(owner[1])):
            shutil.rmtree(path, ignore_errors=True)


class ControlPlane:
    """One control plane; a context manager, or `start()` and `stop()`.

    Start it on a thread that lives as long as it should (the main thread): its programs end with that thread.

    Args:
        binaries: the folder that `binaries.locate()` returns.
        workloads: False leaves out scheduler and kwok, for a remote target whose Pods nobody looks at.
    """

    def __init__(self, binaries: Path, *, workloads: bool = True) -> None:
        self.workloads = workloads
        #: Seconds from `start()` until everything was ready.
        self.startup_seconds = 0.0
        self.components: dict[str, Component] = {}
        _sweep()
        etcd_port, api_port, kubelet_port = _free_ports(3)
        self.layout = Layout(
            binaries=binaries,
            directory=Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")),
            etcd_port=etcd_port,
            api_port=api_port,
            kubelet_port=kubelet_port,
        )
        self._users = {
            name: new_user(name, group=group)
            for name, group in (
                ("admin", "system:masters"),
                ("system:kube-controller-manager", "stageset:programs"),
                ("system:kube-scheduler", "stageset:programs"),
                ("kwok", "system:masters"),
            )
        }

    @property
    def url(self) -> str:
        """`https://127.0.0.1:port` of the API server."""
        return self.layout.url

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of `admin`, who is in `system:masters`."""
        return self.layout.kubeconfig("admin")

    @property
    def authority(self) -> bytes:
        """PEM of what signed the API server's certificate."""
        return self.layout.certificate.read_bytes()

    @property
    def api(self) -> Api:
        """The API server as `admin` sees it; `acting_as(token)` for others."""
        return Api(self.url, authority=self.authority, token=self._users["admin"].token)

    @property
    def audit(self) -> AuditLog:
        """What was asked of the API server, and by whom."""
        return AuditLog(self.layout.audit_log, api=self.api)

    def create_namespace(self, name: str) -> None:
        """Create a namespace and wait for its default ServiceAccount, without which no Pod is admitted there."""
        self.api.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).ok()
        self._wait_for_default_account(name)

    def token(self, *, namespace: str, service_account: str) -> str:
        """A fresh token of a ServiceAccount, good for an hour (TokenRequest)."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return str(self.api.post(path, body).ok()["status"]["token"])

    def write_kubeconfig(self, path: Path, *, token: str) -> Path:
        """Write a kubeconfig for the bearer of `token`; returns `path`."""
        user = User(name="bearer", group="", token=token)
        write_kubeconfig(path, url=self.url, authority=self.authority, user=user)
        return path

    def start(self) -> Self:
        """Start everything and wait until it works.

        Raises:
            ComponentFailedError: a program ended or was not ready in time; the message has the tail of its log. All
                others are ended.
        """
        started = time.monotonic()
        try:
            self._start_api_server()
            self._start_controllers()
        except BaseException:
            self.stop()
            raise
        self.startup_seconds = time.monotonic() - started
        return self

    def stop(self) -> None:
        """End every program and remove the directory (`KEEP_CONTROLPLANE=1` keeps it, for the logs)."""
        for component in reversed(self.components.values()):
            component.kill()
        self.components.clear()
        if not os.environ.get("KEEP_CONTROLPLANE"):
            shutil.rmtree(self.layout.directory, ignore_errors=True)

    def kill_api_server(self) -> None:
        """End the API server alone, at once; what is stored stays."""
        self.components["kube-apiserver"].kill()

    def start_api_server(self) -> None:
        """Start it again, at the same address with the same certificate, and wait until it is ready."""
        server = self._run("kube-apiserver", command=commands.apiserver(self.layout))
        self._until_api_ready(server)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, name: str, *, command: list[str]) -> Component:
        component = Component(name, command=command, directory=self.layout.directory)
        self.components[name] = component
        return component

    def _start_api_server(self) -> None:
        layout = self.layout
        write_token_file(layout.directory / "tokens.csv", users=list(self._users.values()))
        write_signing_key(layout.directory / "service-account.key")
        self._run("etcd", command=commands.etcd(layout))
        server = self._run("kube-apiserver", command=commands.apiserver(layout))
        wait_until(
            lambda: layout.certificate.is_file() and layout.certificate.read_bytes().count(b"END CERTIFICATE") == 2,
            what="the API server has written its certificate",
            component=server,
            deadline_s=DEADLINE_S,
        )
        for user in self._users.values():
            path = layout.kubeconfig(user.name.removeprefix("system:"))
            write_kubeconfig(path, url=self.url, authority=self.authority, user=user)
        self._until_api_ready(server)

    def _until_api_ready(self, server: Component) -> None:
        api = self.api
        wait_until(
            lambda: _answers(api, "/readyz"),
            what="the API server is ready",
            component=server,
            deadline_s=DEADLINE_S,
        )

    def _start_controllers(self) -> None:
        layout, api = self.layout, self.api
        self._run("kube-controller-manager", command=commands.controller_manager(layout))
        if self.workloads:
            self._run("kube-scheduler", command=commands.scheduler(layout))
            kubelet = self._run("kwok", command=commands.kwok(layout))
            api.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}).ok()
            wait_until(
                lambda: _schedulable(api),
                what=f"node {NODE} is ready and without taints",
                component=kubelet,
                deadline_s=DEADLINE_S,
            )
        self._wait_for_default_account("default")

    def _wait_for_default_account(self, namespace: str) -> None:
        api = self.api
        wait_until(
            lambda: _answers(api, f"/api/v1/namespaces/{namespace}/serviceaccounts/default"),
            what=f"the controller manager has made the ServiceAccount default in namespace {namespace}",
            component=self.components["kube-controller-manager"],
            deadline_s=DEADLINE_S,
        )


def _answers(api: Api, path: str) -> bool:
    try:
        return api.get(path).status == 200
    except OSError:
        return False


def _schedulable(api: Api) -> bool:
    node = api.get(f"/api/v1/nodes/{NODE}").ok()
    conditions = {each["type"]: each["status"] for each in node.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")
