"""Every failure of the runbook on a real cluster: shown, contained, and healed by the runbook's remedy alone."""

from __future__ import annotations

import pytest

from tests.cluster.rollout.cases import BACKEND, CASES, Case
from tests.cluster.rollout.shop import STAGES, stage
from tests.cluster.rollout.waiting import eventually

RUNBOOK = "(runbook: https://stageset.projects.metio.wtf/runbooks/stagefailed/)"


@pytest.mark.parametrize("case", CASES, ids=[case.anchor for case in CASES])
def test_it_fails_as_the_runbook_says_and_its_remedy_heals(case: Case, shop, controller):
    for name in STAGES:
        shop.publish(name, "v1", {"config.yaml": shop.config(name, "v1")})
    case.prepare(shop)
    stages = [stage(name, **(case.stage if name == BACKEND else {})) for name in STAGES]
    shop.release(stages=stages, **case.spec)
    before = shop.until_ready(revision="v1")
    process = controller.pid

    # The broken revision first, so that no run sees the good ones without it.
    case.break_(shop)
    for name in ("database", "frontend"):
        shop.publish(name, "v2", {"config.yaml": shop.config(name, "v2")})
    eventually(lambda: shop.revisions()[0] == "v2", what="the first stage goes on", show=shop.story)
    message = shop.until_failed(*case.words)

    assert message.endswith(RUNBOOK)
    assert shop.revisions() == ["v2", "v2" if case.applied else "v1", "v1"], "the stage after it is untouched"
    shown = shop.stages()
    assert [shown[name]["appliedRevision"] for name in STAGES] == ["v2", "v1", "v1"]
    assert shown[BACKEND]["phase"] in {"Failed", "Applying", "Verifying", "Pruning"}
    assert shown["frontend"]["phase"] == "Pending"

    case.heal(shop)
    eventually(
        lambda: [one.get("appliedRevision") for one in shop.stages().values()] == ["v2", case.healed, "v2"],
        what="it heals by itself",
        show=shop.story,
    )
    after = shop.until_ready()
    assert shop.revisions() == ["v2", case.healed, "v2"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["metadata"].get("annotations") == before["metadata"].get("annotations")
    assert controller.pid == process


def test_afterwards_the_ledger_is_valid_and_tells_the_same(controller):
    verdict = controller.audit()
    assert verdict.valid, verdict
