"""Variables: where they come from, what is wrong with them, and that no Secret value is in any record."""

from __future__ import annotations

import base64

import msgspec
import pytest

from reconciler.api import names
from reconciler.compute.inputs import decode
from reconciler.compute.manifests import object_digest
from reconciler.compute.order import stamped
from reconciler.ports.cluster import Ref
from reconciler.transitions import Phase
from tests.reconciler.adapters.hands.rollout import config_map, one_stage, run

CANARY = "canary-7f3a-hunter2"


def secret(name: str = "creds", **data: str) -> dict:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "shop"}, "data": encoded}


def from_(*references: tuple[str, str], optional: bool = False, **substitute: str) -> dict:
    refs = [{"kind": kind, "name": name, **({"optional": True} if optional else {})} for kind, name in references]
    return {"substituteFrom": refs, **({"substitute": substitute} if substitute else {})}


def recorded(rollout) -> str:
    """Everything that the ledger would have of it: events, headers and blobs."""
    events = b"".join(msgspec.json.encode(entry.event) for entry in rollout.stream.entries)
    return (events + b"".join(rollout.tools.journal.blobs.values())).decode("utf-8", "replace")


def test_what_the_spec_says_wins_over_secrets_and_those_over_config_maps_before_them():
    async def test(rollout):
        await rollout.cluster.create(config_map("vars", one="config", two="config", three="config"))
        await rollout.cluster.create(secret(two="secret", three="secret"))
        build = from_(("ConfigMap", "vars"), ("Secret", "creds"), three="spec")
        rollout.open(one_stage(postBuild=build), db=[config_map("a", all="${one} ${two} ${three}")])
        await rollout.rest()
        assert (await rollout.get("ConfigMap", "a"))["data"]["all"] == "config secret spec"
        origins = rollout.stream.state.stages["db"].variables
        assert [origin.partition("@")[0] for origin in origins] == ["ConfigMap/vars", "Secret/creds"]

    run(test)


def test_no_secret_value_is_in_any_answer_or_blob():
    async def test(rollout):
        await rollout.cluster.create(secret(token=CANARY))
        objects = [
            config_map("a", plain="x", token="before ${token} after"),
            {**secret("made", other=CANARY), "stringData": {"key": "${token}"}},
        ]
        rollout.open(one_stage(postBuild=from_(("Secret", "creds"))), db=objects[:1])
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.READY
        assert (await rollout.get("ConfigMap", "a"))["data"]["token"] == f"before {CANARY} after"
        found = recorded(rollout)
        artifact = rollout.tools.journal.blobs
        assert CANARY not in found
        assert base64.b64encode(CANARY.encode()).decode() not in found
        # The artifact, what it renders to, and what the build was told.
        assert len(artifact) == 3
        told = [one for data in artifact.values() if (one := decode(data)) is not None]
        assert [note.answer["withheld"] for note in told[0].notes if note.about[1] == "Secret"] == [{"token": "text"}]

    run(test)


def test_nor_is_a_digest_from_which_it_could_be_guessed():
    async def test(rollout):
        await rollout.cluster.create(secret(token=CANARY))
        rollout.open(one_stage(postBuild=from_(("Secret", "creds"))), db=[config_map("a", token="${token}")])
        await rollout.rest()
        labels = names.stage_labels(namespace="shop", name="rel", stage="db")
        guess = object_digest(stamped(config_map("a", token=CANARY), labels=labels))
        assert guess.removeprefix("sha256:") not in recorded(rollout)
        plain = object_digest(stamped(config_map("b", plain="x"), labels=labels))
        rollout.open(one_stage(postBuild=from_(("Secret", "creds"))), db=[config_map("b", plain="x")])
        await rollout.rest()
        # The guess is made as the record makes its digests.
        assert plain in recorded(rollout)

    run(test)


def test_nor_is_it_in_a_failure_that_the_api_words():
    async def test(rollout):
        await rollout.cluster.create(secret(token=CANARY))
        bad = config_map("a")
        bad["metadata"]["labels"] = {"token": "${token} is no label"}
        rollout.open(one_stage(postBuild=from_(("Secret", "creds"))), db=[bad])
        await rollout.rest()
        assert rollout.stream.state.failure.operation == "apply"
        assert CANARY not in recorded(rollout)

    run(test)


def test_a_name_that_comes_from_a_secret_is_refused():
    async def test(rollout):
        await rollout.cluster.create(secret(token="hidden"))
        rollout.open(one_stage(postBuild=from_(("Secret", "creds"))), db=[config_map("a-${token}")])
        await rollout.rest()
        failure = rollout.stream.state.failure
        assert (failure.operation, failure.reason, failure.retryable) == ("build", "SecretIdentity", False)
        assert "hidden" not in recorded(rollout)

    run(test)


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_what_is_missing_is_named_unless_it_is_optional(kind):
    async def test(rollout):
        rollout.open(one_stage(postBuild=from_((kind, "gone"))), db=[config_map("a", v="${x:=default}")])
        await rollout.rest()
        failure = rollout.stream.state.failure
        assert (failure.reason, failure.retryable) == ("SubstituteFromNotFound", True)
        assert failure.message == (
            f"postBuild.substituteFrom: {kind} shop/gone does not exist: create it, or mark it optional"
        )
        # Without a single variable nothing is substituted (CONTRACT §4.5).
        optional = one_stage(postBuild=from_((kind, "gone"), optional=True, other="y"))
        rollout.open(optional, db=[config_map("a", v="${x:=default}")])
        await rollout.rest()
        assert (await rollout.get("ConfigMap", "a"))["data"]["v"] == "default"
        assert rollout.stream.state.stages["db"].variables == (f"{kind}/gone@absent",)

    run(test)


def test_a_secret_that_is_no_text_is_named_without_its_value():
    async def test(rollout):
        bad = {**secret(), "data": {"key": base64.b64encode(b"\xff\xfe").decode()}}
        await rollout.cluster.create(bad)
        rollout.open(one_stage(postBuild=from_(("Secret", "creds"))), db=[config_map("a")])
        await rollout.rest()
        assert rollout.stream.state.failure.reason == "SubstituteFromInvalid"
        assert "Secret/shop/creds.key is not text" in rollout.stream.state.failure.message

    run(test)


def test_inputs_that_changed_over_a_restart_are_built_anew_and_not_applied_unseen():
    async def test(rollout):
        await rollout.cluster.create(config_map("vars", one="first"))
        given = one_stage(postBuild=from_(("ConfigMap", "vars")))
        rollout.open(given, db=[config_map("a", v="${one}")])
        await rollout.until("apply")
        changed = {"data": {"one": "second"}}
        await rollout.cluster.patch(Ref("v1", "ConfigMap", "shop", "vars"), changed, type="merge")
        rollout.restart()
        await rollout.rest()
        failure = rollout.stream.state.failure
        assert (failure.operation, failure.reason, failure.retryable) == ("apply", "InputsChanged", True)
        rollout.open(given, db=[config_map("a", v="${one}")])
        await rollout.rest()
        assert (await rollout.get("ConfigMap", "a"))["data"]["v"] == "second"

    run(test)


def test_variables_are_read_as_the_stagesets_identity():
    async def test(rollout):
        await rollout.cluster.create(config_map("vars", one="x"))
        await rollout.cluster.create(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "weak", "namespace": "shop"}}
        )
        given = one_stage(serviceAccountName="weak", postBuild=from_(("ConfigMap", "vars")))
        given["stages"][0]["serviceAccountName"] = ""
        rollout.open(given, db=[config_map("a", v="${one}")])
        await rollout.rest()
        failure = rollout.stream.state.failure
        assert (failure.operation, failure.reason) == ("build", "Forbidden")
        assert "system:serviceaccount:shop:weak" in failure.message

    run(test)
