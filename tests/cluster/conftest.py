"""Fixtures of the tests that need a real control plane: started once a session, a namespace for each test.

Where the binaries are missing the tests are skipped, saying so; with CI=true they fail. They never build anything.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.binaries import ControlPlaneMissingError, locate
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl

HERE = Path(__file__).parent
_NUMBERS = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: whoever adds one cannot forget it."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def control_plane_binaries() -> Path:
    """The folder with the binaries; skips (or fails in CI) where they are missing."""
    try:
        return locate()
    except ControlPlaneMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"cluster tests must run in CI, but {error}", pytrace=False)
        pytest.skip(f"NOT TESTED on a real cluster: {error}")


@pytest.fixture(scope="session")
def control_plane(control_plane_binaries: Path) -> Iterator[ControlPlane]:
    """The control plane of this session."""
    with ControlPlane(control_plane_binaries) as plane:
        yield plane


@pytest.fixture(scope="session")
def remote_control_plane(control_plane_binaries: Path) -> Iterator[ControlPlane]:
    """A second cluster, for remote targets; started when the first test asks for it."""
    with ControlPlane(control_plane_binaries) as plane:
        yield plane


@pytest.fixture
def kubeconfig(control_plane: ControlPlane) -> Path:
    """The path of the cluster administrator's kubeconfig."""
    return control_plane.kubeconfig


@pytest.fixture
def namespace(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of this test's own, with its default ServiceAccount; deleted afterwards without waiting for that."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    name = f"t{next(_NUMBERS)}-{words}"[:50].strip("-")
    control_plane.create_namespace(name)
    yield name
    control_plane.api.delete(f"/api/v1/namespaces/{name}").ok()


@pytest.fixture
def kubectl(control_plane: ControlPlane, namespace: str) -> Kubectl:
    """Kubectl as the cluster administrator, in this test's namespace."""
    return Kubectl(kubeconfig=control_plane.kubeconfig, namespace=namespace)
