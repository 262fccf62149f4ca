"""The suites of a rollout against a second control plane: the StageSet is at home, what it makes is remote.

In CI the part that reaches the target; with SOAK=1 all of test_rollout, test_failures and test_tenancy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.cluster.rollout import test_failures, test_rollout, test_tenancy
from tests.cluster.rollout.cases import CASES
from tests.cluster.rollout.controller import Controller
from tests.cluster.rollout.front import Front
from tests.cluster.rollout.remote_shop import GATEWAY, RemotelyReaching, RemoteShop, kubeconfig_of, write_secret
from tests.cluster.rollout.waiting import eventually
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl

WHOLE = os.environ.get("SOAK") == "1"
#: What differs most where the target is another cluster.
CHOSEN = {
    test_rollout: {
        "test_three_stages_under_a_tenants_account",
        "test_waiting_for_readiness_holds_nothing_up",
        "test_deletion_takes_the_stages_down_in_reverse_order",
    },
    test_tenancy: {
        "test_no_secret_is_written_down_anywhere",
        "test_an_object_that_moves_to_another_stage_is_never_deleted",
        "test_a_deletion_that_is_denied_says_so_and_goes_on_once_it_is_allowed",
    },
}
#: About the controller or about sources, wherever the target is.
ELSEWHERE = {
    "test_every_reason_has_a_runbook",
    "test_probes_and_metrics",
    "test_a_second_controller_on_the_same_ledger_waits_and_says_for_whom",
}
CASES_CHOSEN = {
    "connect-to-target-cluster-notfound",
    "build-substitutefromnotfound",
    "apply-forbidden",
    "apply-nosuchkind",
    "verify-verifyfailed",
    "verify-verifytimeout",
    "prune-forbidden",
}


@pytest.fixture(scope="module")
def front(
    installed: ControlPlane, remote_control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    with Front(installed, remote_control_plane, tmp_path_factory.mktemp("front")) as made:
        yield made


@pytest.fixture(scope="module")
def controller(installed, server, closed_host, tmp_path_factory) -> Iterator[Controller]:
    folder = tmp_path_factory.mktemp("controller")
    with RemotelyReaching(installed, folder, artifact_hosts=(server.host, closed_host)) as running:
        yield running


@pytest.fixture
def shop(front, controller, server, closed_host, request) -> Iterator[RemoteShop]:
    with RemoteShop(front, controller, server, words="far-" + request.node.name.rpartition("[")[2]) as made:
        made.closed_host = closed_host
        yield made


def _taken(module: ModuleType, chosen: set[str]) -> dict[str, Any]:
    found = {name: test for name, test in vars(module).items() if name.startswith("test_") and callable(test)}
    wanted = set(found) - ELSEWHERE if WHOLE else chosen
    assert wanted <= set(found), f"{module.__name__} has no {wanted - set(found)}"
    return {name: found[name] for name in sorted(wanted) if "afterwards" not in name}


for _module, _chosen in CHOSEN.items():
    globals().update(_taken(_module, _chosen))


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if WHOLE or case.anchor in CASES_CHOSEN],
    ids=lambda case: case.anchor,
)
def test_it_fails_as_the_runbook_says_and_its_remedy_heals(case, shop, controller):
    test_failures.test_it_fails_as_the_runbook_says_and_its_remedy_heals(case, shop, controller)


def _paused(shop, seconds: str) -> dict[str, Any]:
    """A stage that has connected and waits a while before it applies."""
    shop.publish("database", "v1", {"config.yaml": shop.config("database", "v1")})
    return {
        "name": "database",
        "sourceRef": {"name": "database"},
        "actions": {"pre": [{"name": "pause", "wait": {"duration": seconds}}]},
    }


@pytest.mark.parametrize("moment", ["at work", "at rest"])
def test_an_outage_of_the_target_fails_the_stage_and_heals_by_itself(front, shop, moment):
    """Killed in the middle of a run, or before one begins: StageFailed at apply or connect, red no longer than it."""
    if moment == "at work":
        shop.release(stages=[_paused(shop, "2s")])
        eventually(lambda: "action.intended" in shop.types(), what="it has connected", show=shop.story)
    else:
        shop.publish("database", "v0", {"config.yaml": shop.config("database", "v0")})
        shop.release(stages=[{"name": "database", "sourceRef": {"name": "database"}}])
        shop.until_ready(revision="v0")
    front.remote.kill_api_server()
    try:
        if moment == "at rest":
            shop.publish("database", "v1", {"config.yaml": shop.config("database", "v1")})
        operation = "apply: " if moment == "at work" else "connect to target cluster: "
        said = shop.until_failed(operation, "could not be asked", stage="database")
        assert front.remote.url in said
        # What comes after it cannot connect.
        shop.until_failed("connect to target cluster: ", "connection refused", stage="database")
    finally:
        front.remote.start_api_server()
    shop.until_ready(revision="v1")
    assert shop.revisions()[0] == "v1"


def test_another_kubeconfig_is_used_from_the_next_run_on(front, shop):
    """A rotated credential: the old one is refused, the Secret has the new one, and nobody restarts anything."""
    shop.publish("database", "v1", {"config.yaml": shop.config("database", "v1")})
    shop.release(stages=[{"name": "database", "sourceRef": {"name": "database"}}])
    shop.until_ready(revision="v1")
    remote = Kubectl(kubeconfig=front.remote.kubeconfig, namespace=shop.namespace)
    remote("delete", "serviceaccount", GATEWAY)
    remote("create", "serviceaccount", GATEWAY)
    shop.publish("database", "v2", {"config.yaml": shop.config("database", "v2")})
    write_secret(shop, kubeconfig_of(front.remote, shop.namespace))
    shop.until_ready(revision="v2")
    assert shop.revisions()[0] == "v2"


def test_everything_was_done_as_the_impersonated_account(front, controller):
    """The kubeconfig's own user did nothing but act as others; at home the tenant wrote nothing at all."""
    done = [one for one in front.remote.audit.since() if one.agent.startswith("stageset-controller")]
    # Namespaces that are on their way out take the account of the kubeconfig and its role with them.
    done = [one for one in done if one.status not in (401, 403)]
    assert done
    strangers = {one.user for one in done if not one.user.endswith((":deployer", ":late"))}
    assert strangers == set()
    wrote = {"create", "update", "patch", "delete"}
    tenants = [
        (one.verb, one.path)
        for one in front.home.audit.since()
        if ":far-" in one.user.replace("shop", ":") and one.verb in wrote and one.user.endswith(":deployer")
    ]
    assert tenants == []


def test_afterwards_the_ledger_is_valid(controller):
    verdict = controller.audit()
    assert verdict.valid, verdict
