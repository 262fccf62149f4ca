"""What an apply would change, told by its fields; what cannot be told is no finding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from reconciler import errors
from reconciler.adapters.drift.checking import Checked, Suspect, check
from reconciler.adapters.hands.build import Job
from reconciler.api.types import StageSetSpec
from reconciler.compute.drift import rules_of
from reconciler.errors import OperationError
from reconciler.ports.cluster import Ref
from tests.reconciler.adapters.drift.bench import MAP, WEB, Bench, run, web
from tests.reconciler.adapters.hands.rollout import config_map

SECRET_NAME = "hunter2-correct-horse"


async def checked(bench: Bench, *refs: Ref, **owned: Any) -> Checked:
    spec = msgspec.json.decode(bench.member.observed.spec, type=StageSetSpec)
    stage = bench.member.state.stages["db"]
    mine = {one.id.split("_")[3]: one for one in stage.owned.values()}
    suspects = [Suspect(ref, msgspec.structs.replace(mine[ref.kind], **owned), None) for ref in refs]
    plan = bench.member.state.run.plans[0]
    job = Job(target=bench.member.target, spec=spec, stage="db", artifact=plan.pin.digest)
    tools = bench.sentry._sight.tools
    return await check(tools, job, suspects, cluster=bench.cluster, rules=rules_of(spec.stages[0].drift_detection))


def quietly(test: Callable[[Bench], Any], *objects: Any, **stage: Any) -> None:
    """With a sentry that does not look."""

    async def alone(bench: Bench) -> None:
        await bench.sentry.close()
        await test(bench)

    run(alone, *objects, **stage)


def test_what_is_as_it_should_be_is_clean_and_nothing_is_written():
    async def test(bench: Bench) -> None:
        before = (await bench.cluster.get(MAP), await bench.cluster.get(WEB))
        found = await checked(bench, MAP, WEB)
        assert sorted(found.clean) == ["shop_config__ConfigMap", "shop_web_apps_Deployment"]
        assert (found.findings, found.untold) == ([], {})
        await bench.cluster.patch(MAP, {"data": {"variant": "x"}}, type="merge", manager="hand")
        edited = await bench.cluster.get(MAP)
        (finding,) = (await checked(bench, MAP)).findings
        assert (finding.item.action, finding.item.message, finding.manager) == (
            "changed", "/data/variant, by hand", "hand",
        )  # fmt: skip
        assert (edited, before[1]) == (await bench.cluster.get(MAP), await bench.cluster.get(WEB))

    quietly(test)


def test_what_a_webhook_makes_of_every_apply_is_no_finding():
    async def test(bench: Bench) -> None:
        apply = bench.cluster.apply

        async def injected(obj: Any, **options: Any) -> Any:
            found = await apply(obj, **options)
            found["metadata"]["annotations"] = {"injected-at": "now"}
            found["data"]["injected"] = "x"
            return found

        bench.cluster.apply = injected
        assert (await checked(bench, MAP)).findings == []

    quietly(test)


def test_another_object_of_the_same_content_is_a_finding():
    async def test(bench: Bench) -> None:
        (finding,) = (await checked(bench, MAP, uid="another")).findings
        assert (finding.item.action, finding.item.message) == ("changed", "was deleted and made anew")

    quietly(test)


def test_what_is_being_deleted_is_not_told_yet():
    async def test(bench: Bench) -> None:
        await bench.cluster.patch(MAP, {"metadata": {"finalizers": ["a.example/b"]}}, type="merge")
        await bench.cluster.delete(MAP)
        found = await checked(bench, MAP)
        assert (found.findings, found.clean, found.untold) == (
            [],
            [],
            {"shop_config__ConfigMap": "it is being deleted"},
        )
        await bench.cluster.patch(MAP, {"metadata": {"finalizers": None}}, type="merge")
        (finding,) = (await checked(bench, MAP)).findings
        assert (finding.item.action, finding.item.message) == ("gone", "was deleted")

    quietly(test)


def test_a_secrets_values_are_in_no_message():
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pass", "namespace": "shop"},
        "stringData": {"word": "rendered-value"},
    }

    async def test(bench: Bench) -> None:
        ref = Ref("v1", "Secret", "shop", "pass")
        await bench.cluster.patch(ref, {"data": {"word": "aHVudGVyMg=="}}, type="merge", manager="hand")
        found = await checked(bench, ref)
        assert [one.item.message for one in found.findings] == ["/data/word, by hand"]
        assert "aHVudGVyMg" not in str(found)
        assert "rendered-value" not in str(found)

    quietly(test, secret)


def test_secret_words_are_taken_out_of_names_too():
    async def test(bench: Bench) -> None:
        await bench.cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "vars", "namespace": "shop"},
                "stringData": {"word": SECRET_NAME},
            }
        )
        await bench.cluster.patch(MAP, {"data": {"variant": "x"}}, type="merge", manager=f"m-{SECRET_NAME}")
        raw = bench.member.observed.spec.replace(
            b'"sourceRef"', b'"postBuild":{"substituteFrom":[{"kind":"Secret","name":"vars"}]},"sourceRef"'
        )
        bench.member.observed = bench.member.observed._replace(spec=raw)
        (finding,) = (await checked(bench, MAP)).findings
        assert SECRET_NAME not in str(finding)

    quietly(test, config_map("config", variant="v1"))


@pytest.mark.parametrize("refusal", [errors.BadRequest, errors.Invalid, errors.Forbidden])
def test_what_the_server_refuses_to_try_cannot_be_told(refusal):
    async def test(bench: Bench) -> None:
        def refused(verb: str, ref: Ref | None) -> None:
            if verb == "apply" and ref == MAP:
                raise refusal("no dry-run")

        bench.cluster.hooks.before.append(refused)
        await bench.cluster.patch(WEB, {"spec": {"replicas": 3}}, type="merge", manager="hand")
        found = await checked(bench, MAP, WEB)
        told, other = (found.denied, found.untold) if refusal is errors.Forbidden else (found.untold, found.denied)
        assert (told, other) == ({"shop_config__ConfigMap": "no dry-run"}, {})
        assert [one.item.message for one in found.findings] == ["/spec/replicas, by hand"]

    quietly(test)


def test_an_outage_and_a_stage_that_cannot_be_built_are_raised():
    async def test(bench: Bench) -> None:
        def away(verb: str, ref: Ref | None) -> None:
            raise errors.Unavailable("away")

        bench.cluster.hooks.before.append(away)
        with pytest.raises(errors.Unavailable):
            await checked(bench, MAP)
        bench.cluster.hooks.before.clear()
        bench.sentry._sight.tools.journal.blobs.clear()
        with pytest.raises(OperationError, match="is not kept any more"):
            await checked(bench, MAP)

    quietly(test)


def test_what_is_not_rendered_any_more_is_not_told():
    async def test(bench: Bench) -> None:
        found = await checked(bench, MAP, id="shop_other__ConfigMap")
        assert list(found.untold) == ["shop_other__ConfigMap"]

    quietly(test, config_map("config", variant="v1"), web())
