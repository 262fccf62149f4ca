"""A release over three stages on a real cluster, as a tenant's ServiceAccount, by the shipped controller."""

from __future__ import annotations

from tests.cluster.rollout.shop import STAGES


def test_three_stages_under_a_tenants_account(shop, controller):
    for name in STAGES:
        files = {"app.yaml": shop.deployment(name, "app:1", after="500ms"), "config.yaml": shop.config(name, "v1")}
        shop.publish(name, "v1", files)
    shop.release()
    found = shop.until_ready(revision="v1")
    assert shop.revisions() == ["v1"] * 3
