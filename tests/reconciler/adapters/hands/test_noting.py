"""What hands were told is recorded beside answers that are not good, and nothing of a Secret's value with it."""

from __future__ import annotations

import base64
from typing import Any

from reconciler.compute.inputs import Inputs, decode
from tests.reconciler.adapters.hands.rollout import config_map, one_stage, run

CANARY = "canary-7f3a-hunter2"


def secret(**data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds", "namespace": "shop"}, "data": encoded}


def told(rollout: Any, operation: str) -> list[Inputs]:
    """The inputs beside an answer."""
    blobs = rollout.tools.journal.blobs
    return [one for name in rollout.answers[operation].blobs if (one := decode(blobs[name])) is not None]


def test_a_good_answer_without_variables_has_none() -> None:
    async def test(rollout: Any) -> None:
        rollout.open(one_stage(), db=[config_map("a", a="b")])
        await rollout.rest()
        assert {name: told(rollout, name) for name in rollout.answers if told(rollout, name)} == {}

    run(test)


def test_a_build_with_variables_has_what_it_used() -> None:
    async def test(rollout: Any) -> None:
        await rollout.cluster.create(config_map("vars", used="x", idle="y"))
        await rollout.cluster.create(secret(token=CANARY))
        references = [{"kind": "ConfigMap", "name": "vars"}, {"kind": "Secret", "name": "creds"}]
        build = {"substituteFrom": references}
        rollout.open(one_stage(postBuild=build), db=[config_map("a", a="${used} ${token}")])
        await rollout.rest()
        (found,) = told(rollout, "build")
        assert found.tool.startswith("kustomize/")
        answers = {note.about[3]: note.answer for note in found.notes if note.verb == "get"}
        assert answers["vars"]["data"] == {"used": "x", "idle": ""}
        assert answers["creds"]["withheld"] == {"token": "text"}
        assert CANARY not in str(found)

    run(test)


def test_a_failure_has_the_question_that_was_refused() -> None:
    async def test(rollout: Any) -> None:
        build = {"substituteFrom": [{"kind": "ConfigMap", "name": "vars"}]}
        rollout.open(one_stage(postBuild=build), db=[config_map("a", a="${used}")])
        await rollout.rest()
        (found,) = told(rollout, "build")
        (note,) = [note for note in found.notes if note.verb == "get"]
        assert (note.about, note.error) == (("v1", "ConfigMap", "shop", "vars"), "NotFound")
        assert note.facts["status"]["code"] == 404

    run(test)


def test_a_ledger_that_has_no_room_does_not_change_the_answer() -> None:
    from ledger.errors import Unavailable

    async def test(rollout: Any) -> None:
        async def full(_: bytes) -> str:
            raise Unavailable("the disk is full")

        build = {"substituteFrom": [{"kind": "ConfigMap", "name": "vars"}]}
        rollout.open(one_stage(postBuild=build), db=[config_map("a", a="${used}")])
        await rollout.until("build")
        rollout.tools.journal.put_blob = full
        answer = await rollout.perform()
        assert (answer.outcome, answer.event.reason, answer.blobs) == ("failed", "SubstituteFromNotFound", ())

    run(test)
