"""One watch for all, whatever happens to it."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from reconciler.adapters.watches import Key, Watches
from reconciler.errors import ClusterError, Forbidden, Gone, NoSuchKind, TooManyRequests, Unauthorized, Unavailable
from reconciler.ports.cluster import Object, ObjectList, Scope, WatchEvent
from tests.reconciler.adapters.watches.fake import PODS, FakeCluster, Time, key, pod, settled

Told = list[tuple[str, str | None]]


def play(story: Callable[[FakeCluster, Watches, Time], Awaitable[None]], **options: Any) -> FakeCluster:
    async def run() -> FakeCluster:
        cluster, time = FakeCluster(), Time()
        watches = Watches(cluster, jitter=lambda: 1.0, sleep=time.sleep, **options)
        try:
            await story(cluster, watches, time)
        finally:
            await watches.close()
        assert cluster.open == []
        await settled()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        return cluster

    return asyncio.run(run())


def phase(obj: Object | None) -> str | None:
    return None if obj is None else obj["status"]["phase"]


def recorder(told: Told) -> Callable[[Key, Object | None], None]:
    return lambda changed, obj: told.append((changed.name, phase(obj)))


def test_a_subscriber_gets_the_state_and_then_the_changes() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.set("a", "Pending")
        async with watches.subscribe(PODS) as subscription:
            assert not subscription.synced
            assert {k.name: phase(o) for k, o in (await subscription.snapshot()).items()} == {"a": "Pending"}
            await settled()
            cluster.set("a", "Running")
            cluster.set("b", "Pending")
            changes = [await anext(subscription), await anext(subscription)]
            assert [(change.key.name, phase(change.object)) for change in changes] == [
                ("a", "Running"),
                ("b", "Pending"),
            ]
            cluster.remove("a")
            assert await anext(subscription) == (key("a"), None)
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)

    play(story)


def test_many_subscribers_share_one_watch_and_are_told_of_what_they_named() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        told: list[Told] = [[] for _ in range(500)]
        subs = [watches.subscribe(PODS, keys=[key(f"p{i}")], on_change=recorder(told[i])) for i in range(500)]
        await settled()
        assert told[7] == [("p7", None)]
        cluster.set("p7", "Running")
        await settled()
        assert told[7] == [("p7", None), ("p7", "Running")]
        assert told[8] == [("p8", None)]
        assert (cluster.calls["list"], cluster.calls["watch"]) == (1, 1)
        assert [(report.mode, report.subscribers) for report in watches.report()] == [("watching", 500)]
        subs[7].close()
        cluster.set("p7", "Failed")
        await settled()
        assert told[7][-1] == ("p7", "Running")

    play(story)


def test_a_late_subscriber_is_told_the_present_state_without_another_request() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.set("a", "Pending")
        watches.subscribe(PODS)
        await settled()
        cluster.set("a", "Running")
        await settled()
        told: Told = []
        watches.subscribe(PODS, keys=[key("a"), key("absent")], on_change=recorder(told))
        assert told == []  # never from inside subscribe
        await settled()
        assert sorted(told, key=str) == [("a", "Running"), ("absent", None)]

    assert play(story).calls["list"] == 1


def test_different_scopes_have_different_watches() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        watches.subscribe(PODS)
        watches.subscribe(PODS._replace(metadata_only=True))
        watches.subscribe(Scope("v1", "Pod", "other"))
        await settled()
        assert len(watches.report()) == 3

    assert play(story).calls["watch"] == 3


def test_a_dropped_watch_resumes_where_it_was_without_a_list() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        told: Told = []
        watches.subscribe(PODS, on_change=recorder(told))
        await settled()
        cluster.set("a", "Pending")
        cluster.bookmark()
        cluster.send(Unavailable("reset"))
        await settled()
        assert watches.report()[0].mode == "failing"
        assert watches.report()[0].problem == "reset"
        await time.advance(1.0)
        cluster.set("a", "Running")
        await settled()
        assert told == [("a", "Pending"), ("a", "Running")]
        assert cluster.positions == ["100", "102"]
        assert watches.report()[0].mode == "watching"

    assert play(story).calls["list"] == 1


def test_a_normal_end_resumes_at_once_after_events_and_after_a_pause_without_any() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        watches.subscribe(PODS)
        await settled()
        cluster.bookmark()
        cluster.send(None)
        await settled()
        assert cluster.calls["watch"] == 2
        cluster.send(None)
        await settled()
        assert cluster.calls["watch"] == 2
        await time.advance(0.8)
        assert cluster.calls["watch"] == 3

    play(story)


def test_gone_lists_again_and_tells_the_difference_deletions_included() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        for name in ("same", "changed", "deleted"):
            cluster.set(name, "Pending")
        told: Told = []
        watches.subscribe(PODS, on_change=recorder(told))
        await settled()
        told.clear()
        cluster.objects["changed"] = pod("changed", phase="Running", version=300)
        del cluster.objects["deleted"]
        cluster.version = 300
        cluster.send(Gone("too old resource version"))
        await settled()
        assert sorted(told) == [("changed", "Running"), ("deleted", None)]
        assert cluster.positions[-1] == "300"

    assert play(story).calls["list"] == 2


def test_gone_again_and_again_is_no_busy_loop() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.forever["watch"] = Gone("too old resource version")
        watches.subscribe(PODS)
        await settled()
        assert cluster.calls["list"] == 2
        await time.advance(60.0)
        assert 3 <= cluster.calls["list"] <= 9

    play(story)


def test_a_duplicated_event_and_one_that_the_projection_does_not_see_tell_nobody() -> None:
    def project(scope: Scope, item: Object) -> Object:
        return {"status": item["status"]}

    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        told: Told = []
        watches.subscribe(PODS, on_change=recorder(told))
        await settled()
        cluster.set("a", "Running")
        await settled()
        cluster.send(WatchEvent("MODIFIED", cluster.objects["a"]))
        await settled()
        cluster.set("a", "Running")
        await settled()
        assert told == [("a", "Running")]

    play(story, project=project)


def test_failures_back_off_exponentially_and_never_longer_than_the_limit() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.forever["list"] = Unavailable("connection refused")
        watches.subscribe(PODS)
        await time.advance(120.0)
        assert time.slept[:7] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]
        assert max(time.slept) == 30.0
        del cluster.forever["list"]
        await time.advance(30.0)
        assert watches.report()[0].mode == "watching"

    play(story)


def test_a_pause_that_the_server_asks_for_is_kept() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.refuse["list"].append(TooManyRequests("slow down", retry_after_s=17.0))
        watches.subscribe(PODS)
        await time.advance(16.9)
        assert cluster.calls["list"] == 1
        await time.advance(0.2)
        assert cluster.calls["list"] == 2

    play(story)


def test_problems_are_told_once_each_and_their_end_too() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        problems: list[ClusterError | None] = []
        cluster.refuse["list"] += [refused := Unauthorized("expired"), down := Unavailable("down")]
        watches.subscribe(PODS, keys=[key("a")], on_problem=problems.append)
        await time.advance(30.0)
        assert problems == [refused, down, None]
        late: list[ClusterError | None] = []
        cluster.forever["watch"] = broken = Unavailable("broken")
        cluster.send(None)
        await time.advance(5.0)
        watches.subscribe(PODS, on_problem=late.append)
        await settled()
        assert late[0] is broken

    play(story)


def test_a_silent_watch_that_stays_open_is_well_again() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.refuse["watch"].append(Unavailable("down"))
        watches.subscribe(PODS)
        await time.advance(0.8)
        assert watches.report()[0].mode == "failing"
        await time.advance(5.0)
        assert (watches.report()[0].mode, watches.report()[0].problem) == ("watching", "")

    play(story)


def test_a_kind_that_is_not_installed_has_no_objects_until_it_is() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.refuse["list"].append(NoSuchKind("no such kind"))
        told: Told = []
        subscription = watches.subscribe(PODS, keys=[key("a")], on_change=recorder(told))
        await settled()
        assert told == [("a", None)]
        assert isinstance(subscription.problem, NoSuchKind)
        cluster.set("a", "Running")
        await time.advance(1.0)
        assert told == [("a", None), ("a", "Running")]
        assert subscription.problem is None

    play(story)


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_where_listing_or_watching_is_forbidden_named_objects_are_polled(verb: str) -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.forever[verb] = Forbidden("pods is forbidden")
        cluster.set("a", "Pending")
        told: Told = []
        named = watches.subscribe(PODS, keys=[key("a"), key("b")], on_change=recorder(told))
        await settled()
        assert sorted(told, key=str) == [("a", "Pending"), ("b", None)]
        assert named.problem is None
        assert [(r.mode, r.problem) for r in watches.report()] == [("polling", "pods is forbidden")]
        cluster.set("b", "Running")
        await time.advance(4.9)
        assert len(told) == 2
        await time.advance(0.2)
        assert told[2:] == [("b", "Running")]
        cluster.remove("a")
        await time.advance(5.0)
        assert told[3:] == [("a", None)]

    play(story)


def test_a_newcomer_is_asked_for_at_once_while_polling() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.forever["list"] = Forbidden("no")
        watches.subscribe(PODS, keys=[key("a")])
        await settled()
        told: Told = []
        watches.subscribe(PODS, keys=[key("b")], on_change=recorder(told))
        await settled()
        assert told == [("b", None)]
        assert cluster.calls["get"] == 2

    play(story)


def test_a_subscriber_of_everything_learns_that_it_is_forbidden() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.forever["list"] = Forbidden("no")
        subscription = watches.subscribe(PODS)
        await settled()
        assert isinstance(subscription.problem, Forbidden)
        assert not subscription.synced
        late = watches.subscribe(PODS)
        assert isinstance(late.problem, Forbidden)

    play(story)


def test_listing_is_tried_again_while_polling_and_goes_back_to_watching() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.forever["list"] = Forbidden("no")
        told: Told = []
        watches.subscribe(PODS, keys=[key("a")], on_change=recorder(told))
        await time.advance(61.0)
        assert cluster.calls["list"] == 2
        del cluster.forever["list"]
        await time.advance(60.0)
        assert watches.report()[0].mode == "watching"
        cluster.set("a", "Running")
        await settled()
        assert told == [("a", None), ("a", "Running")]

    play(story)


def test_while_polling_an_error_of_one_object_is_a_problem_and_not_an_absence() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.forever["list"] = Forbidden("no")
        cluster.refuse["get"].append(TooManyRequests("later", retry_after_s=9.0))
        told: Told = []
        subscription = watches.subscribe(PODS, keys=[key("a")], on_change=recorder(told))
        await settled()
        assert told == []
        assert isinstance(subscription.problem, TooManyRequests)
        await time.advance(8.9)
        assert told == []
        await time.advance(0.2)
        assert told == [("a", None)]
        assert subscription.problem is None

    play(story)


def test_what_was_deleted_while_listing_was_forbidden_is_told_afterwards() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        cluster.set("a", "Running")
        told: Told = []
        watches.subscribe(PODS, on_change=recorder(told))
        await settled()
        cluster.forever["list"] = Forbidden("no")
        cluster.send(Gone("too old"))
        await settled()
        cluster.remove("a")
        del cluster.forever["list"]
        await time.advance(61.0)
        assert told == [("a", "Running"), ("a", None)]

    play(story)


def test_the_watch_outlives_its_last_subscriber_by_the_grace_only() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        first = watches.subscribe(PODS)
        await settled()
        first.close()
        await time.advance(29.0)
        second = watches.subscribe(PODS)
        await time.advance(60.0)
        assert (len(cluster.open), cluster.calls["list"]) == (1, 1)
        second.close()
        await time.advance(31.0)
        assert cluster.open == []
        assert watches.report() == []
        await watches.subscribe(PODS).snapshot()
        assert cluster.calls["list"] == 2

    play(story)


def test_a_failing_callback_costs_the_others_nothing() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        seen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        told: Told = []

        def broken(changed: Key, obj: Object | None) -> None:
            raise ZeroDivisionError

        watches.subscribe(PODS, on_change=broken)
        watches.subscribe(PODS, on_change=recorder(told))
        await settled()
        cluster.set("a", "Running")
        await settled()
        assert told == [("a", "Running")]
        assert [type(context["exception"]) for context in seen] == [ZeroDivisionError]

    play(story)


def test_a_failing_projection_is_reported_and_tried_again() -> None:
    broken = True

    def project(scope: Scope, item: Object) -> Object:
        if broken:
            raise KeyError("spec")
        return item

    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        nonlocal broken
        seen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        cluster.set("a", "Running")
        subscription = watches.subscribe(PODS)
        await settled()
        assert "KeyError" in watches.report()[0].problem
        assert len(seen) == 1
        broken = False
        await time.advance(1.0)
        assert len(await subscription.snapshot()) == 1

    play(story, project=project)


def test_closing_ends_iterations_and_refuses_newcomers() -> None:
    async def story(cluster: FakeCluster, watches: Watches, time: Time) -> None:
        subscription = watches.subscribe(PODS)

        async def read() -> int:
            return len([change async for change in subscription])

        reading = asyncio.create_task(read())
        await settled()
        await watches.close()
        assert await reading == 0
        with pytest.raises(RuntimeError):
            watches.subscribe(PODS)

    play(story)


class PagedCluster(FakeCluster):
    """Gives lists in pages of one."""

    async def list(self, scope: Scope) -> ObjectList:
        raise AssertionError("the whole list was asked for")

    async def pages(self, scope: Scope) -> AsyncGenerator[ObjectList, None]:
        self._called("pages")
        for obj in list(self.objects.values()):
            yield ObjectList([dict(obj)], str(self.version))
            if self.refuse["pages"]:
                raise self.refuse["pages"].popleft()


def test_a_list_is_reduced_page_by_page() -> None:
    async def run() -> None:
        cluster, time, alive = PagedCluster(), Time(), []
        cluster.refuse["pages"] = deque()

        def reduced(_: Scope, item: Object) -> str:
            alive.append(weakref.ref(tracked := Tracked(item)))
            # A page is not kept for the next one.
            assert sum(one() is not None for one in alive) == 1
            return str(tracked["status"]["phase"])

        watches = Watches(cluster, jitter=lambda: 1.0, sleep=time.sleep, project=reduced)
        for name in "abc":
            cluster.set(name, "Running")
        async with watches.subscribe(PODS) as subscription:
            assert await subscription.snapshot() == {key(name): "Running" for name in "abc"}
        await watches.close()
        assert cluster.positions == ["103"]

    asyncio.run(run())


def test_a_list_that_expired_in_the_middle_is_begun_again_and_half_of_it_is_no_state() -> None:
    async def run() -> None:
        cluster, time = PagedCluster(), Time()
        cluster.refuse["pages"] = deque()
        watches = Watches(cluster, jitter=lambda: 1.0, sleep=time.sleep)
        for name in "ab":
            cluster.set(name, "Running")

        calls = cluster._called

        def called(verb: str) -> None:
            calls(verb)
            if verb == "pages" and cluster.calls["pages"] == 1:
                cluster.refuse["pages"].append(Gone("too old"))

        cluster._called = called  # type: ignore[method-assign]
        async with watches.subscribe(PODS) as subscription:
            assert len(await subscription.snapshot()) == 2
        await watches.close()
        assert cluster.calls["pages"] == 2

    asyncio.run(run())


class Tracked(dict[str, Any]):
    """A dict that can be watched while it lives."""
