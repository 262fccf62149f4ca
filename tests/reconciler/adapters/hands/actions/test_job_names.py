"""Names that meet the first creation again, kinds that end, and marks by which the created is known."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.events import Item
from reconciler.adapters.hands.actions.job_names import Slot, derived_name, slot_of, tasks_of
from reconciler.adapters.hands.actions.rendering import Made
from reconciler.compute.order import ref_of
from reconciler.errors import OperationError
from tests.reconciler.adapters.hands.actions.job_bench import KEY, OLD_KEY, Bench, a_job
from tests.reconciler.adapters.hands.actions.job_bench import run as run_bench

names = st.text("abcdefghijklmnopqrstuvwxyz-.", min_size=1, max_size=253).map(lambda name: "a" + name.strip("-.") + "z")


def tasks(*objects, records=None):
    """The tasks of an artifact."""
    found = []

    async def test(bench: Bench):
        made = [Made(ref_of(obj), obj, record) for obj, record in zip(objects, records or objects, strict=True)]
        found.extend(tasks_of(bench.acting(), made))

    run_bench(test)
    return found


def of(api_version: str, kind: str, name: str = "x") -> dict:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "shop"}}


@given(names)
@example("a" * 53 + "-b")
@example("a" * 52 + ".-b")
def test_a_name_fits_a_label_and_keeps_what_it_can(name):
    found = derived_name(name, key=KEY, identity="i", digest="d")
    base, _, suffix = found.rpartition("-")
    assert len(found) <= 63
    assert name.startswith(base)
    assert len(bytes.fromhex(suffix)) == 4
    assert base[-1] not in "-."
    if len(name) <= 54:
        assert base == name


def test_a_name_depends_on_key_identity_and_recorded_form():
    parts = {"key": KEY, "identity": "shop_x_batch_Job", "digest": "sha256:1"}
    base = derived_name("x", **parts)
    assert base == derived_name("x", **parts)
    others = [derived_name("x", **{**parts, part: "other"}) for part in parts]
    assert len({base, *others}) == 4
    # Known once and for all: an update of this program must find what the one before created.
    assert base == "x-43550a80"


def test_secret_values_change_a_name_only_through_the_recorded_form():
    one, two = a_job(), a_job(activeDeadlineSeconds=5)
    (first,), (second,) = tasks(one, records=[one]), tasks(two, records=[one])
    assert first.ref == second.ref
    (third,) = tasks(one, records=[two])
    assert third.ref != first.ref
    assert third.slot == first.slot == Slot("shop", "batch", "Job", "migrate")


def test_the_slot_of_a_record_is_that_of_the_task():
    (task,) = tasks(a_job("m" * 80))
    name = task.ref.name
    assert slot_of(Item(id=f"shop_{name}_batch_Job", v="v1")) == task.slot
    assert slot_of(Item(id="broken", v="v1")) is None


def test_what_is_created_keeps_its_own_marks_and_gets_ours():
    obj = a_job(ttlSecondsAfterFinished=5, backoffLimit=2)
    obj["metadata"]["labels"] = {"app": "x", "stages.metio.wtf/stage": "wrong"}
    (task,) = tasks(obj)
    meta = task.wire["metadata"]
    assert meta["labels"] == {
        "app": "x",
        "stages.metio.wtf/name": "rel",
        "stages.metio.wtf/namespace": "shop",
        "stages.metio.wtf/stage": "db",
    }
    assert meta["annotations"]["stages.metio.wtf/action"] == KEY != OLD_KEY
    assert set(meta["annotations"]) > {"stages.metio.wtf/action"}
    assert task.wire["spec"]["backoffLimit"] == 2
    assert "ttlSecondsAfterFinished" not in task.wire["spec"]
    assert obj["spec"]["ttlSecondsAfterFinished"] == 5


@pytest.mark.parametrize(
    "obj",
    [
        of("v1", "ConfigMap"), of("v1", "Secret"), of("v1", "ServiceAccount"), of("v1", "Pod"),
        of("apps/v1", "Deployment"), of("rbac.authorization.k8s.io/v1", "RoleBinding"), of("batch/v1", "CronJob"),
        of("networking.k8s.io/v1", "NetworkPolicy"), of("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ],
    ids=lambda obj: obj["kind"],
)  # fmt: skip
def test_what_never_ends_is_refused(obj):
    with pytest.raises(OperationError) as raised:
        tasks(a_job(), obj)
    assert (raised.value.reason, raised.value.retryable) == ("NotAJob", False)
    assert raised.value.message == (
        f"{obj['kind']} shop/x cannot be run by a job action: its kind never comes to an end, as a Job does and custom "
        "kinds with the conditions Complete and Failed; put it into the stage or into an apply action before this one"
    )


@pytest.mark.parametrize("obj", [a_job(), of("example.com/v1", "Run"), of("jobset.x-k8s.io/v1", "JobSet")])
def test_what_may_end_is_taken(obj):
    assert len(tasks(obj)) == 1


def test_two_names_that_are_cut_to_the_same_are_refused():
    with pytest.raises(OperationError) as raised:
        tasks(a_job("m" * 54 + "a"), a_job("m" * 54 + "b"), a_job("n"))
    assert raised.value.reason == "AmbiguousName"
    assert raised.value.message == (
        f"Job shop/{'m' * 54}a and Job shop/{'m' * 54}b have the same first 54 characters, and names are cut there to "
        "make room for a hash: give one of them a shorter name"
    )
