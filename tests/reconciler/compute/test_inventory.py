from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.compute.inventory import (
    StageOf,
    entry_id,
    parse,
    ref_of_entry,
    replacement,
    shard_objects,
    shard_of,
)
from reconciler.ports.cluster import Object, Ref

OF = StageOf(namespace="team", name="app", uid="uid-1", stage="canary")
REFS = [
    Ref("apps/v1", "Deployment", "shop", "web"),
    Ref("v1", "Namespace", "", "shop"),
    Ref("rbac.authorization.k8s.io/v1", "ClusterRole", "", "odd_name"),
]


def shards(refs: list[Ref] | None = None, **options: Any) -> list[Object]:
    return shard_objects(REFS if refs is None else refs, of=OF, position=2, **options)


def stored(objects: list[Object], **metadata: Any) -> list[Object]:
    return [{**o, "metadata": {**o["metadata"], "resourceVersion": "7", "uid": "s", **metadata}} for o in objects]


def test_a_shard_has_name_labels_owner_position_and_sorted_entries() -> None:
    (shard,) = shards()
    assert shard["metadata"] == {
        "name": "app-canary-00-c2b9e5edae",
        "namespace": "team",
        "labels": {
            "stages.metio.wtf/stage-set": "app",
            "stages.metio.wtf/stage": "canary",
            "stages.metio.wtf/shard": "0",
        },
        "ownerReferences": [
            {
                "apiVersion": "stages.metio.wtf/v1",
                "kind": "StageSet",
                "name": "app",
                "uid": "uid-1",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    assert shard["spec"] == {
        "stagePosition": 2,
        "entries": [
            {"id": "_odd_name_rbac.authorization.k8s.io_ClusterRole", "v": "v1"},
            {"id": "_shop__Namespace", "v": "v1"},
            {"id": "shop_web_apps_Deployment", "v": "v1"},
        ],
    }


def test_a_stage_that_owns_nothing_has_one_empty_shard() -> None:
    assert [s["spec"]["entries"] for s in shards([])] == [[]]


def test_the_cap_makes_more_shards_and_the_order_of_the_render_does_not_matter() -> None:
    refs = [Ref("v1", "ConfigMap", "n", f"c{i}") for i in range(7)]
    made = shards(refs, entries_max=3)
    assert [len(s["spec"]["entries"]) for s in made] == [3, 3, 1]
    assert [s["metadata"]["labels"]["stages.metio.wtf/shard"] for s in made] == ["0", "1", "2"]
    random.Random(3).shuffle(refs)
    assert shards(refs, entries_max=3) == made


def test_parsing_gives_back_what_was_owned_and_tells_what_is_malformed() -> None:
    found = parse(shards())
    assert set(found.refs) == set(REFS)
    broken = {
        "spec": {"entries": [{"id": "a_b", "v": "v1"}, {"id": "n_x__ConfigMap"}, 7, {"id": "n___Pod", "v": "v1"}]}
    }
    assert parse([broken, {"spec": 3}, None]).skipped == ("a_b", "n_x__ConfigMap", "n___Pod")


names = st.text(alphabet="abc.-", min_size=1, max_size=5)


@given(namespace=names | st.just(""), name=names, group=names | st.just(""), kind=names)
def test_ids_round_trip(namespace: str, name: str, group: str, kind: str) -> None:
    ref = Ref(f"{group}/v1" if group else "v1", kind, namespace, name)
    assert ref_of_entry(entry_id(ref), version="v1") == ref


def test_a_shard_is_equal_to_what_was_wanted_whatever_others_set() -> None:
    (desired,) = shards()
    (live,) = stored([desired], labels={**desired["metadata"]["labels"], "backup": "yes"}, annotations={"a": "b"})
    assert shard_of(live) == shard_of(desired)
    assert (shard_of(live).stageset, shard_of(live).stage) == ("app", "canary")
    (bare,) = stored(shards([]))
    bare["spec"] = {"stagePosition": 2}
    assert shard_of(bare) == shard_of(shards([])[0])


def test_every_difference_makes_another_mark() -> None:
    (desired,) = shards()
    owner = desired["metadata"]["ownerReferences"][0]
    changed = [
        *stored([desired], labels={"stages.metio.wtf/stage-set": "app"}),
        *stored([desired], labels={**desired["metadata"]["labels"], "stages.metio.wtf/shard": "1"}),
        *stored([desired], ownerReferences=[]),
        *stored([desired], ownerReferences=[{**owner, "uid": "older"}]),
        {**desired, "spec": {**desired["spec"], "stagePosition": 1}},
        {**desired, "spec": {**desired["spec"], "entries": desired["spec"]["entries"][1:]}},
        {"metadata": None, "spec": 3},
    ]
    assert len({shard_of(one).mark for one in [desired, *changed]}) == len(changed) + 1


def test_a_replacement_keeps_what_others_set_and_says_what_it_replaces() -> None:
    (desired,) = shards()
    (live,) = stored([desired], labels={"backup": "yes"}, annotations={"a": "b"})
    found = replacement(desired, live)
    assert found["metadata"]["labels"] == {**desired["metadata"]["labels"], "backup": "yes"}
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert found["metadata"]["resourceVersion"] == "7"
