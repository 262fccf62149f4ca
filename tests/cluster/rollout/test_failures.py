"""Every failure of the runbook on a real cluster: shown, contained, and healed by the runbook's remedy alone."""

from __future__ import annotations

import pytest

from tests.cluster.rollout import connect_cases, pages
from tests.cluster.rollout.cases import BACKEND, CASES, Case
from tests.cluster.rollout.shop import STAGES, stage
from tests.cluster.rollout.waiting import eventually

RUNBOOK_SECTIONS = pages.sections("runbooks/stagefailed.md")
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

    section = RUNBOOK_SECTIONS[case.anchor]
    variables = {"OBJECT": case.object.format(shop.namespace), "ACCOUNT": case.account}
    for command in section.look:
        pages.type_in(command, shop, **variables)
    assert bool(section.remedy) != bool(case.heal), "either the runbook's commands heal it, or the case does"
    for command in section.remedy:
        pages.type_in(command, shop, **variables)
    if case.heal is not None:
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


def test_every_section_has_a_case_and_every_case_a_section():
    told = {anchor for anchor, section in RUNBOOK_SECTIONS.items() if section.level == 3}
    assert told == {case.anchor for case in CASES} | {case.anchor for case in connect_cases.CASES}
    for anchor in told:
        assert pages.REMEDY in RUNBOOK_SECTIONS[anchor].text, f"{anchor} has no remedy"


def test_what_the_runbook_says_first_works(shop, controller):
    shop.roll_out(interval="10m")
    shop.publish(BACKEND, "v2", {"broken.yaml": "a: [\n"})
    message = shop.until_failed("malformed manifest")
    looks = [pages.type_in(command, shop) for command in RUNBOOK_SECTIONS["first-look"].look]
    assert message in looks[0]
    assert "backend\tFailed\tv1\t" in looks[1]
    assert "StageFailed" in looks[2]
    assert "malformed manifest" in looks[3]
    for command in RUNBOOK_SECTIONS["fetch-artifact"].look:
        assert "backend" in pages.type_in(command, shop)

    failures = shop.types().count("run.failed")
    now, suspend, resume = RUNBOOK_SECTIONS["when-it-tries-again"].look
    pages.type_in(now, shop)
    eventually(lambda: shop.types().count("run.failed") > failures, what="tried at once", show=shop.story)
    pages.type_in(suspend, shop)
    eventually(lambda: shop.condition().get("reason") == "Suspended", what="suspended", show=shop.story)
    pages.type_in(resume, shop)
    shop.until_failed("malformed manifest")


def test_afterwards_the_ledger_is_valid_and_tells_the_same(controller):
    verdict = controller.audit()
    assert verdict.valid, verdict
