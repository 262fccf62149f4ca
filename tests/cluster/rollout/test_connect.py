"""Every failure to connect of the runbook: shown as its own sentence, contained, and healed by its commands."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.rollout import pages
from tests.cluster.rollout.connect_cases import CASES, Case
from tests.cluster.rollout.controller import Controller
from tests.cluster.rollout.installed import ROOT
from tests.cluster.rollout.remote_shop import (
    GATEWAY,
    SECRET,
    RemotelyReaching,
    kubeconfig_of,
    prepare_target,
    write_secret,
)
from tests.cluster.rollout.shop import ACCOUNT, RULES, role, stage
from tests.cluster.rollout.waiting import eventually

RUNBOOK_SECTIONS = pages.sections("runbooks/stagefailed.md")
_ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n"
SPEC = {"kubeConfig": {"secretRef": {"name": SECRET}}, "interval": "10m"}
_MANIFEST = re.compile(r"^`(\w+\.yaml)`:\n\n```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def controller(installed, server, closed_host, tmp_path_factory) -> Iterator[Controller]:
    folder = tmp_path_factory.mktemp("controller")
    with RemotelyReaching(installed, folder, artifact_hosts=(server.host, closed_host)) as running:
        yield running


@pytest.mark.parametrize("case", CASES, ids=[f"{case.section}-{case.cause}".replace(" ", "-") for case in CASES])
def test_it_fails_as_the_runbook_says_and_its_commands_heal(case: Case, shop, controller, tmp_path: Path):
    prepare_target(shop.plane, shop.namespace)
    good = tmp_path / "target.kubeconfig"
    good.write_text(kubeconfig_of(shop.plane, shop.namespace))
    write_secret(shop, good.read_text())
    shop.publish("database", "v1", {"config.yaml": shop.config("database", "v1")})
    shop.release(stages=[stage("database")], **SPEC)
    shop.until_ready(revision="v1")

    case.break_(shop)
    shop.publish("database", "v2", {"config.yaml": shop.config("database", "v2")})
    said = shop.until_failed("connect to target cluster: ", case.words, stage="database")
    assert shop.revisions()[0] == "v1", "nothing was touched"
    token = yaml.safe_load(good.read_text())["users"][0]["user"]["token"]
    assert token not in said

    section = RUNBOOK_SECTIONS[case.anchor]
    variables = {"SECRET": SECRET, "TARGET": str(good), "ACCOUNT": ACCOUNT}
    for command in (*section.look, *section.remedy):
        pages.type_in(command, shop, **variables)
    shop.until_ready(revision="v2")
    assert shop.revisions()[0] == "v2"
    assert token not in controller.log()


def test_every_section_on_kubeconfigs_has_a_case():
    told = {anchor for anchor in RUNBOOK_SECTIONS if anchor.startswith("connect-to-target-cluster-")}
    assert told == {case.anchor for case in CASES} | {"connect-to-target-cluster-notfound"}


def test_a_configmap_is_refused_by_its_own_sentence(shop):
    shop.publish("database", "v1", {"config.yaml": shop.config("database", "v1")})
    shop.release(stages=[stage("database")], kubeConfig={"configMapRef": {"name": "eks"}})
    words = "kubeConfig.configMapRef (eks) is not supported: put a kubeconfig into a Secret"
    shop.until_failed("connect to target cluster: ", words, stage="database")


def test_who_may_not_be_impersonated_is_printed_as_a_role(shop):
    """The runbook's command prints what is missing; pasted on the target, it is enough."""
    prepare_target(shop.plane, shop.namespace)
    write_secret(shop, kubeconfig_of(shop.plane, shop.namespace))
    shop.kubectl("delete", "rolebinding", GATEWAY)
    shop.publish("database", "v1", {"config.yaml": shop.config("database", "v1")})
    shop.release(stages=[stage("database")], **SPEC)
    gateway = f"system:serviceaccount:{shop.namespace}:{GATEWAY}"
    denied = f'User "{gateway}" cannot impersonate resource "serviceaccounts"'
    said = shop.until_failed("connect to target cluster: ", denied, stage="database")
    assert f'resourceNames: ["{ACCOUNT}"], verbs: ["impersonate"]' in said
    if shutil.which("jq") is None:
        pytest.skip("the page's command needs jq")
    (command,) = RUNBOOK_SECTIONS["rights-that-are-missing"].look
    printed = pages.type_in(command, shop)
    # Each failed try printed it once; the last one is whole.
    shop.kubectl("apply", "-f", "-", stdin=printed[printed.rindex(_ROLE) :])
    shop.until_ready(revision="v1")


def _page(name: str, namespace: str) -> list[dict[str, Any]]:
    """A manifest of the page on tenants, for this namespace."""
    found = dict(_MANIFEST.findall((ROOT / "docs/how-to/tenants.md").read_text()))
    text = found[name].replace("namespace: shop", f"namespace: {namespace}")
    return [one for one in yaml.safe_load_all(text) if one]


def test_the_roles_of_the_page_are_enough(shop):
    """docs/how-to/tenants.md: a Role for the tenant, a gateway on the target, and nothing beside them."""
    shop.kubectl("delete", "rolebinding", ACCOUNT)
    shop.kubectl.apply(*_page("gateway.yaml", shop.namespace))
    write_secret(shop, kubeconfig_of(shop.plane, shop.namespace))
    shop.publish("database", "v1", {"c.yaml": shop.config("database", "v1"), "d.yaml": shop.deployment("web", "web:1")})
    shop.release(stages=[stage("database")], **{**SPEC, "interval": "1s"})
    shop.until_failed("connect to target cluster: ", "cannot get resource", stage="database")
    shop.kubectl.apply(*_page("role.yaml", shop.namespace))
    shop.until_ready(revision="v1")
    shop.publish("database", "v2", {"c.yaml": shop.config("database", "v2")})
    shop.until_ready(revision="v2")
    eventually(lambda: shop.kubectl.get("deployments")["items"] == [], what="pruned", show=shop.story)
    shop.kubectl.apply(role(RULES))


def test_afterwards_the_ledger_is_valid(controller):
    verdict = controller.audit()
    assert verdict.valid, verdict
