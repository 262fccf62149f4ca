"""JOB: run the Jobs of an artifact to their end, once.

Not their clean-up: the core deletes them after the outcome is recorded. Invariants: what an earlier try may have
created is looked at before anything is created, whatever `acting.first` says; a name is durable before the object, its
UID before it starts; nothing is created beside a Job of this or an older revision that still runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from reconciler import errors
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.job_answers import answered, done, still_running
from reconciler.adapters.hands.actions.job_look import end_of, judged, progress_words, read, refusal
from reconciler.adapters.hands.actions.job_names import Task, tasks_of
from reconciler.adapters.hands.actions.job_start import is_waiting, started, waiting, withdrawn
from reconciler.adapters.hands.actions.job_watch import Watching
from reconciler.adapters.hands.actions.job_work import Halted, Late, Render, Work, render_job
from reconciler.adapters.operations.existing import Owner, live_of
from reconciler.compute.fields import text
from reconciler.compute.inventory import ref_of_entry
from reconciler.compute.order import ref_words, some
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.cluster import Object, Ref
from reconciler.ports.hands import Answer

#: Times that one name is created and looked at when the object comes and goes in between.
CREATE_TRIES_MAX = 3


async def perform(acting: Acting, *, render: Render = render_job) -> Answer:
    """Look for what was created, create what is missing, start what waits, await the end of all."""
    work = Work(acting, render)
    try:
        await _look(work)
        if not work.covered():
            await _complete(work, tasks_of(acting, (await work.objects()).objects))
        await _start(work)
        await _await_ends(work)
    except (Halted, Late) as stopped:
        return await answered(work, stopped)
    except (OperationError, ClusterError) as error:
        return acting.failed(error, objects=work.items(), blobs=work.blobs())
    return await done(work)


async def _look(work: Work) -> None:
    """What is recorded without an end is looked at, all of it, before anything is concluded."""
    found = []
    for item in work.open_items():
        ref = ref_of_entry(item.id, version=item.v)
        if ref is not None:
            found.append(judged(work.acting, ref, recorded=item, live=await read(work.cluster, ref)))
    await work.take(found)


async def _complete(work: Work, tasks: Sequence[Task]) -> None:
    """Create what no earlier try created, or what one created and saw fail."""
    missing = work.missing(tasks)
    if not missing:
        return
    left_s = work.left_s()
    if left_s is not None and left_s <= 0:
        named = some([ref_words(task.ref) for task in missing], items_max=3)
        raise Late(f"the time of the action was over before {named} was created: raise the action's timeout")
    await _await_earlier(work)
    missing = [task for task in missing if await _has_room(work, task)]
    await work.plan(missing)
    for task in missing:
        await _create(work, task)


async def _await_earlier(work: Work) -> None:
    """Nothing may run beside what an older revision of the same action started."""
    running: dict[Ref, Object] = {}
    for item in work.acting.earlier:
        ref = ref_of_entry(item.id, version=item.v)
        live = None if ref is None else await read(work.cluster, ref)
        if ref is None or live is None or not _is_earlier(work, live, uid=item.uid):
            continue
        # What was never started will not be: it would be waited for in vain.
        live = await withdrawn(work.cluster, ref, live)
        if live is not None and end_of(live) is None:
            running[ref] = live
    uids = {ref: text(live, "metadata", "uid") for ref, live in running.items()}
    try:
        async with asyncio.timeout(work.left_s()), Watching(work.acting.hand, uids) as watching:
            while running:
                ref, live = await watching.next()
                if live is None or text(live, "metadata", "uid") != uids[ref] or end_of(live) is not None:
                    running.pop(ref, None)
                else:
                    running[ref] = live
    except TimeoutError:
        ref, live = next(iter(running.items()))
        raise Late(
            f"{ref_words(ref)} of an older revision of this action has not ended in time ({progress_words(live)}), and "
            "two must not run side by side: nothing was created; look at it, or delete it",
            lives=tuple(running.values()),
        ) from None


def _is_earlier(work: Work, live: Object, *, uid: str) -> bool:
    """Whether it is what was recorded. Where only its name was, the owner labels must be ours."""
    if uid:
        return text(live, "metadata", "uid") == uid
    target = work.acting.target
    return Owner(namespace=target.namespace, name=target.name).owns(live_of(live))


async def _has_room(work: Work, task: Task) -> bool:
    """Whether the task can be created: what failed under its name before is deleted first."""
    recorded = work.recorded(task.ref)
    if recorded is None or recorded.action != "failed":
        return True
    found = judged(work.acting, task.ref, recorded=recorded, live=await read(work.cluster, task.ref))
    if found.state == "again":
        await _delete(work, task.ref, uid=found.uid)
        found = judged(work.acting, task.ref, recorded=recorded, live=await read(work.cluster, task.ref))
    if found.state == "absent":
        return True
    await work.take([found])
    return False


async def _delete(work: Work, ref: Ref, *, uid: str) -> None:
    """Delete one object by its UID and await its end: nothing, or another one, has its name then."""
    try:
        await work.cluster.delete(ref, uid=uid, cascade="Background")
    except (errors.NotFound, errors.Conflict):
        return
    except ClusterError as error:
        raise refusal(error, ref) from error
    try:
        async with asyncio.timeout(work.left_s()), Watching(work.acting.hand, {ref: uid}) as watching:
            while True:
                _, live = await watching.next()
                if live is None or text(live, "metadata", "uid") != uid:
                    return
    except TimeoutError:
        raise Late(
            f"{ref_words(ref)} failed before, was deleted to be created again, and is still there: look at its "
            "finalizers",
            reason="JobTerminating",
        ) from None


async def _create(work: Work, task: Task) -> None:
    """Create one object; whatever is there already under its name is looked at instead."""
    for _ in range(CREATE_TRIES_MAX):
        lost: ClusterError | None = None
        try:
            await work.created(task.ref, await work.cluster.create(waiting(task.wire)))
            return
        except errors.AlreadyExists:
            pass
        except (errors.Unavailable, errors.TooManyRequests) as error:
            lost = error
        except ClusterError as error:
            raise refusal(error, task.ref, scrub=work.scrub_known()) from error
        found = judged(work.acting, task.ref, recorded=None, live=await read(work.cluster, task.ref))
        if found.state != "absent":
            await work.take([found])
            return
        if lost is not None:
            raise refusal(lost, task.ref, scrub=work.scrub_known()) from lost
    raise OperationError(
        f"{ref_words(task.ref)} exists when it is to be created, and does not when it is looked at: something else "
        "creates and deletes objects of this name",
        reason="AlreadyExists",
        retryable=True,
    )


async def _start(work: Work) -> None:
    """Start what has waited until its UID was on record; somebody else may have done so."""
    for ref, live in [(ref, live) for ref, live in work.running.items() if is_waiting(live)]:
        left_s = work.left_s()
        if left_s is not None and left_s <= 0:
            raise Late(f"the time of the action was over before {ref_words(ref)} was started: raise its timeout")
        now = await started(work.cluster, ref, live, scrub=work.scrub_known())
        await work.take([judged(work.acting, ref, recorded=work.recorded(ref), live=now)])


async def _await_ends(work: Work) -> None:
    """Hear of what runs until all is complete or one is not."""
    if not work.running:
        return
    watching = Watching(work.acting.hand, {ref: text(live, "metadata", "uid") for ref, live in work.running.items()})
    try:
        async with asyncio.timeout(work.left_s()), watching:
            while work.running:
                ref, live = await watching.next()
                if ref in work.running:
                    recorded = work.recorded(ref)
                    await work.take([judged(work.acting, ref, recorded=recorded, live=live)])
    except TimeoutError:
        raise _still_running(work, problems=sorted(set(watching.problems.values()))) from None


def _still_running(work: Work, *, problems: Sequence[str]) -> Late:
    unwatched = f"; the cluster could not be watched: {problems[0]}" if problems else ""
    return Late(still_running(work.running) + unwatched, lives=work.running.values())
