from __future__ import annotations

import asyncio
import io
import tarfile
import time

import yaml

from tests.bench import rollout, rollout_controller, rollout_fleet


def test_looks_are_scaled_to_the_default_interval_and_watches_are_not() -> None:
    # Twenty times rarer by default; two minutes.
    found = rollout._a_minute({"get": 100, "watch": 4}, {"get": 900, "patch": 0, "watch": 6}, minutes=2.0)
    assert found == (800 / 20 + 2) / 2


def test_a_fleet_has_as_many_distinct_inputs_as_stages() -> None:
    packed = {stage: rollout_fleet.artifact(stage, after_s=5) for stage in rollout_fleet.STAGES}
    assert packed == {stage: rollout_fleet.artifact(stage, after_s=5) for stage in rollout_fleet.STAGES}
    sources = [
        stage["sourceRef"]["name"] for number in (0, 1) for stage in rollout_fleet.stageset(number)["spec"]["stages"]
    ]
    assert sorted(set(sources)) == sorted(packed)
    with tarfile.open(fileobj=io.BytesIO(packed["backend"])) as tar:
        file = tar.extractfile("manifests.yaml")
        assert file is not None
        kinds = [obj["kind"] for obj in yaml.safe_load_all(file.read())]
    assert kinds == ["ConfigMap", "Deployment"]


def test_cpu_of_a_coroutine_is_its_own_and_its_answer_comes_through() -> None:
    async def work() -> int:
        await asyncio.sleep(0.05)
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        return 7

    before = rollout_controller._spent["append_cpu_s"]

    async def both() -> int:
        found: int = await rollout_controller._Timed(work())
        return found

    assert asyncio.run(both()) == 7
    assert 0.02 <= rollout_controller._spent["append_cpu_s"] - before < 0.05
