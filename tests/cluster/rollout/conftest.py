"""The product on the control plane, a controller process and an artifact server each module, a tenant each test."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.cluster.rollout.artifacts import ArtifactServer
from tests.cluster.rollout.controller import Controller
from tests.cluster.rollout.installed import install
from tests.cluster.rollout.replays import replay_ledgers
from tests.cluster.rollout.shop import Shop
from tests.controlplane.cluster import ControlPlane


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with the product on it."""
    install(control_plane)
    return control_plane


@pytest.fixture(scope="module")
def server() -> Iterator[ArtifactServer]:
    with ArtifactServer() as running:
        yield running


@pytest.fixture(scope="module")
def closed_host() -> Iterator[str]:
    """An address of this machine where nobody answers: bound, so that nobody else takes it, and not listened on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture(scope="module")
def controller(
    installed: ControlPlane, server: ArtifactServer, closed_host: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Controller]:
    folder = tmp_path_factory.mktemp("controller")
    with Controller(installed, folder, artifact_hosts=(server.host, closed_host)) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """When a module is done, and its controllers have ended, every run in their ledgers is decided again."""
    yield
    replay_ledgers(tmp_path_factory.getbasetemp())


@pytest.fixture
def shop(
    installed: ControlPlane,
    controller: Controller,
    server: ArtifactServer,
    closed_host: str,
    request: pytest.FixtureRequest,
) -> Iterator[Shop]:
    """A tenant with a namespace of its own; the StageSet is gone afterwards, the namespace goes by itself."""
    with Shop(installed, controller, server, words=request.node.name.rpartition("[")[2]) as made:
        made.closed_host = closed_host
        yield made
