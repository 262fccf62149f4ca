"""A slow subscriber costs nothing: what is pending is bounded by the objects, and the latest state wins."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.adapters.watches.store import Store
from reconciler.adapters.watches.subscription import TOLD_AT_ONCE, Change, Subscription
from tests.reconciler.adapters.watches.fake import PODS, key, pod


def subscribed(store: Store, *names: str) -> Subscription:
    keys = [key(name) for name in names] if names else None
    subscription = Subscription(store, keys=keys, on_change=None, on_problem=None, leave=store.leave)
    store.join(subscription)
    return subscription


async def drained(subscription: Subscription) -> list[Change]:
    subscription_changes = []
    while subscription._pending:
        subscription_changes.append(await anext(subscription))
    return subscription_changes


def test_the_latest_state_of_an_object_wins() -> None:
    async def story() -> None:
        store = Store(PODS, lambda scope, item: item)
        store.listed(store.reduced([]))
        subscription = subscribed(store)
        for version in range(1000):
            store.put(pod("a", version=version))
        assert await drained(subscription) == [Change(key("a"), pod("a", version=999))]

    asyncio.run(story())


def test_objects_that_come_and_go_untold_leave_nothing_behind() -> None:
    async def story() -> None:
        store = Store(PODS, lambda scope, item: item)
        store.listed(store.reduced([pod("old")]))
        subscription = subscribed(store)
        await drained(subscription)
        for number in range(1000):
            store.put(pod(f"job-{number}"))
            store.drop(key(f"job-{number}"))
        store.drop(key("old"))
        assert await drained(subscription) == [Change(key("old"), None)]

    asyncio.run(story())


def test_deleted_and_made_again_is_told_as_it_is_now() -> None:
    async def story() -> None:
        store = Store(PODS, lambda scope, item: item)
        store.listed(store.reduced([pod("a")]))
        subscription = subscribed(store)
        await drained(subscription)
        store.drop(key("a"))
        store.put(pod("a", phase="Running"))
        store.drop(key("a"))
        assert await drained(subscription) == [Change(key("a"), None)]

    asyncio.run(story())


def test_a_snapshot_takes_the_initial_state_so_that_it_is_not_told_again() -> None:
    async def story() -> None:
        store = Store(PODS, lambda scope, item: item)
        store.listed(store.reduced([pod("a"), pod("b")]))
        subscription = subscribed(store, "a", "c")
        assert await subscription.snapshot() == {key("a"): pod("a")}
        assert subscription.get(key("a")) == pod("a")
        assert await drained(subscription) == []

    asyncio.run(story())


def test_waiting_for_a_snapshot_ends_when_it_is_closed() -> None:
    async def story() -> None:
        subscription = subscribed(Store(PODS, lambda scope, item: item))
        waiting = asyncio.create_task(subscription.snapshot())
        await asyncio.sleep(0)
        subscription.close()
        with pytest.raises(RuntimeError):
            await waiting

    asyncio.run(story())


def test_thousands_are_told_in_parts_and_others_get_their_turn() -> None:
    async def story() -> None:
        store = Store(PODS, lambda scope, item: item)
        told: list[str] = []
        subscription = Subscription(
            store, keys=None, on_change=lambda k, _: told.append(k.name), on_problem=None, leave=store.leave
        )
        store.join(subscription)
        names = [f"pod-{number}" for number in range(2 * TOLD_AT_ONCE + 1)]
        store.listed(store.reduced([pod(name) for name in names]))
        await asyncio.sleep(0)
        assert told == names[:TOLD_AT_ONCE]
        # What changes meanwhile is told as it is by then.
        store.drop(key(names[-1]))
        store.put(pod(names[0], phase="Running"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert told == [*names, names[0]]
        assert not subscription._pending

    asyncio.run(story())


def test_one_that_is_called_hears_also_of_what_came_and_went() -> None:
    async def story() -> None:
        store = Store(PODS, lambda scope, item: item)
        told: list[object] = []
        subscription = Subscription(
            store, keys=None, on_change=lambda *change: told.append(change), on_problem=None, leave=store.leave
        )
        store.join(subscription)
        store.listed({})
        await asyncio.sleep(0)
        store.put(pod("a"))
        store.drop(key("a"))
        await asyncio.sleep(0)
        assert told == [(key("a"), None)]

    asyncio.run(story())
