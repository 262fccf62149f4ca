from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api import names
from reconciler.api.names import InventoryId, StageToken

_LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("stageset", "stage", "shard", "name"),
    [
        # printf '%s' 4/shop/8/database/0 | sha256sum | cut -c1-10
        ("shop", "database", 0, "shop-database-00-f0a0dfcafd"),
        ("shop", "database", 7, "shop-database-07-671d363c56"),
        ("shop", "database", 123, "shop-database-123-ef66ea3951"),
    ],
)
def test_inventory_names_carry_the_hash_of_their_parts(stageset: str, stage: str, shard: int, name: str) -> None:
    assert names.inventory_name(stageset, stage, shard) == name


def test_a_long_inventory_name_is_cut_and_keeps_its_hash() -> None:
    long = "a" * 230 + "-" * 6 + "b" * 17  # the cut falls among the hyphens
    found = names.inventory_name(long, "stage", 3)
    digest = hashlib.sha256(f"253/{long}/5/stage/3".encode()).hexdigest()[:10]
    assert found == "a" * 230 + "-" * 6 + "b" * 6 + "-" + digest
    assert len(found) == 253
    cut = names.inventory_name("a" * 240 + "-" * 5, "stage", 3)
    assert cut.startswith("a" * 240 + "-")
    assert cut[241] != "-"
    assert len(cut) == 251


@given(_LABEL, _LABEL, _LABEL, _LABEL)
def test_different_owners_have_different_inventories(a: str, b: str, c: str, d: str) -> None:
    assert (names.inventory_name(a, b, 0) == names.inventory_name(c, d, 0)) == ((a, b) == (c, d))
    assert names.inventory_name("a-b", "c", 0) != names.inventory_name("a", "b-c", 0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("shop_web_apps_Deployment", InventoryId("shop", "web", "apps", "Deployment")),
        ("_shop__Namespace", InventoryId("", "shop", "", "Namespace")),
        (
            "_a_b_c_rbac.authorization.k8s.io_ClusterRole",
            InventoryId("", "a_b_c", "rbac.authorization.k8s.io", "ClusterRole"),
        ),
    ],
)
def test_an_inventory_id_names_an_object(text: str, found: InventoryId) -> None:
    assert names.parse_inventory_id(text) == found
    assert str(found) == text


@pytest.mark.parametrize("text", ["", "_", "__", "___", "shop_web_apps", "shop__apps_Deployment", "shop_web_apps_"])
def test_a_malformed_inventory_id_names_nothing(text: str) -> None:
    assert names.parse_inventory_id(text) is None


@given(
    _LABEL,
    st.from_regex(r"[a-z0-9_:.-]{1,30}", fullmatch=True),
    _LABEL,
    st.from_regex(r"[A-Z][A-Za-z]{0,20}", fullmatch=True),
)
def test_inventory_ids_are_read_back(namespace: str, name: str, group: str, kind: str) -> None:
    entry = InventoryId(namespace, name, group, kind)
    assert names.parse_inventory_id(str(entry)) == entry


def test_labels_say_whose_an_object_is() -> None:
    labels = names.stage_labels(namespace="shop", name="web", stage="app")
    assert labels == {
        "stages.metio.wtf/name": "web",
        "stages.metio.wtf/namespace": "shop",
        "stages.metio.wtf/stage": "app",
    }
    assert names.is_owned(labels, namespace="shop", name="web")
    assert not names.is_owned(labels, namespace="shop", name="other")
    assert not names.is_owned(labels, namespace="other", name="web")
    assert not names.is_owned({}, namespace="shop", name="web")


def test_inventories_are_found_by_stageset_and_stage() -> None:
    assert names.inventory_labels(name="web", stage="app", shard=0) == {
        "stages.metio.wtf/stage-set": "web",
        "stages.metio.wtf/stage": "app",
        "stages.metio.wtf/shard": "0",
    }
    assert names.inventory_selector(name="web") == "stages.metio.wtf/stage-set=web"
    expected = "stages.metio.wtf/stage-set=web,stages.metio.wtf/stage=app"
    assert names.inventory_selector(name="web", stage="app") == expected


def test_pruning_is_disabled_by_label_or_annotation_in_any_case() -> None:
    assert names.is_prune_disabled({"stages.metio.wtf/prune": "disabled"}, {})
    assert names.is_prune_disabled({}, {"stages.metio.wtf/prune": "Disabled"})
    assert not names.is_prune_disabled({"stages.metio.wtf/prune": "enabled"}, {})
    assert not names.is_prune_disabled({}, {})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("app@1", StageToken("app", "1")),
        ("app@a@b", StageToken("app", "a@b")),
        ("app", None),
        ("@1", None),
        ("app@", None),
    ],
)
def test_stage_tokens_are_split_at_the_first_at(value: str, found: StageToken | None) -> None:
    assert names.parse_stage_token(value) == found


@pytest.mark.parametrize(
    ("name", "ok"), [("db", True), ("a-1", True), ("", False), ("-a", False), ("a\n", False), ("a" * 64, False)]
)
def test_names_of_stages_are_those_of_the_api(name: str, ok: bool) -> None:
    assert names.is_stage_name(name) is ok
