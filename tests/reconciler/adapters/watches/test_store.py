"""What is kept of objects, and who is asked about."""

from __future__ import annotations

import asyncio

from reconciler.adapters.watches.store import Store, key_of, without_noise
from reconciler.ports.cluster import Scope
from tests.reconciler.adapters.watches.fake import PODS, key, pod
from tests.reconciler.adapters.watches.test_subscription import subscribed


def test_the_default_projection_keeps_no_managed_fields_and_no_secret_values() -> None:
    secret = {
        "kind": "Secret",
        "metadata": {"name": "s", "resourceVersion": "5", "managedFields": [{"manager": "x"}]},
        "data": {"password": "aHVudGVyMg=="},
    }
    kept = without_noise(Scope("v1", "Secret"), secret)
    assert kept == {"kind": "Secret", "metadata": {"name": "s", "resourceVersion": "5"}}
    assert "managedFields" in secret["metadata"]
    config_map = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}}
    assert without_noise(Scope("v1", "ConfigMap"), config_map) == config_map


def test_keys_are_asked_for_as_long_as_somebody_names_them() -> None:
    async def story() -> None:
        store = Store(PODS, lambda scope, item: item)
        first, second = subscribed(store, "a", "b"), subscribed(store, "b")
        store.asked(key("b"), None)
        assert (first.synced, second.synced) == (False, True)
        assert store.unasked() == [key("a")]
        store.asked(key("a"), pod("a"))
        assert first.synced
        first.close()
        assert store.named() == [key("b")]

    asyncio.run(story())


def test_an_object_without_metadata_does_not_break_anything() -> None:
    assert key_of({}) == ("", "")
    assert key_of({"metadata": {"name": "n", "namespace": None}}) == ("", "n")
