"""Jobs: attempts, completions, deadlines and clean-up, as the Job controller does them.

A Job's Pods are always made: their exit codes and logs are what people look at when it fails.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.adapters.memory import conditions, deletion, pods
from reconciler.adapters.memory.policy import Workloads
from reconciler.adapters.memory.store import Change, Entry, Location
from reconciler.adapters.memory.world import World

Object = dict[str, Any]
STORAGE = ("batch", "jobs")
#: Pauses between attempts: 10 s, doubled up to ten minutes, as the Job controller's.
_BACKOFF_S, _BACKOFF_MAX_S = 10.0, 600.0


class Run(NamedTuple):
    """What the controller remembers of a Job."""

    started: float
    #: When the attempt now active began; -1 between attempts.
    attempt: float
    next_attempt: float = 0.0
    failed: int = 0
    succeeded: int = 0


def install(world: World, policy: Workloads) -> None:
    """Adds the controller to a world."""
    world.handlers["job"] = lambda w, uid: _sync(w, policy, uid=uid)
    world.listen(lambda change: _on_change(world, change))


def _on_change(world: World, change: Change) -> None:
    if change.at.storage == STORAGE and change.type != "DELETED":
        meta = change.entry.obj["metadata"]
        if change.before is None or change.before.obj["metadata"].get("generation") != meta.get("generation"):
            world.later(0, "job", meta["uid"])


def finished(obj: Object) -> bool:
    """Whether a Job is complete or has failed."""
    found = (obj.get("status") or {}).get("conditions") or ()
    return any(item["type"] in ("Complete", "Failed") and item["status"] == "True" for item in found)


def _sync(world: World, policy: Workloads, *, uid: str) -> None:
    found = world.entry(uid)
    if found is None or found[0].storage != STORAGE or "deletionTimestamp" in found[1].obj["metadata"]:
        return
    at, entry = found
    if finished(entry.obj):
        _expire(world, entry)
    elif entry.obj["spec"].get("suspend"):
        _suspend(world, at, entry=entry)
    else:
        _run(world, policy, at=at, entry=entry)


def _expire(world: World, entry: Entry) -> None:
    keep_s = entry.obj["spec"].get("ttlSecondsAfterFinished")
    uid = entry.obj["metadata"]["uid"]
    if keep_s is None:
        return
    ended: float = world.memory.setdefault(f"{uid}/ended", world.clock())
    if world.clock() >= ended + keep_s:
        world.memory.pop(f"{uid}/ended", None)
        deletion.delete(world, entry, cascade="Background")
    else:
        world.timers.add(ended + keep_s, "job", uid)


def _suspend(world: World, at: Location, *, entry: Entry) -> None:
    for _, pod in pods.of(world, entry.obj):
        deletion.delete(world, pod)
    world.memory.pop(entry.obj["metadata"]["uid"], None)
    have = list((entry.obj.get("status") or {}).get("conditions") or ())
    new = conditions.make("Suspended", True, "JobSuspended", "Job suspended")
    conditions.write_status(
        world, at, entry=entry, status={"conditions": conditions.condition(have, new, time=world.time_text())}
    )


def _run(world: World, policy: Workloads, *, at: Location, entry: Entry) -> None:
    uid, spec, now = entry.obj["metadata"]["uid"], entry.obj["spec"], world.clock()
    behaviour = policy.of(entry.obj)
    run: Run = world.memory.get(uid) or Run(now, -1.0, now)
    batch = min(spec.get("parallelism", 1), spec.get("completions", 1) - run.succeeded)
    if run.attempt < 0 and now >= run.next_attempt:
        run = run._replace(attempt=now)
        for _ in range(batch):
            pods.make(world, entry.obj)
    ends = behaviour.outcome != "never" and run.attempt >= 0
    if ends and now >= run.attempt + behaviour.after_s:
        run = _end_attempt(run, now, succeeded=batch if behaviour.outcome == "ready" else 0)
    world.memory[uid] = run
    verdict = _verdict(spec, run, now=now)
    _write(world, at, run=run, active=batch if run.attempt >= 0 and not verdict else 0, verdict=verdict)
    if verdict:
        world.memory.pop(uid, None)
        world.later(0, "job", uid)
    else:
        _schedule(world, entry, run=run, after_s=behaviour.after_s if ends else None)


def _end_attempt(run: Run, now: float, *, succeeded: int) -> Run:
    if succeeded:
        return run._replace(attempt=-1.0, next_attempt=now, succeeded=run.succeeded + succeeded)
    pause = min(_BACKOFF_S * 2**run.failed, _BACKOFF_MAX_S)
    return run._replace(attempt=-1.0, next_attempt=now + pause, failed=run.failed + 1)


def _verdict(spec: Object, run: Run, *, now: float) -> Object | None:
    """The final condition, once there is one."""
    deadline = spec.get("activeDeadlineSeconds")
    if run.succeeded >= spec.get("completions", 1):
        return conditions.make("Complete", True, "CompletionsReached", "Reached expected number of succeeded pods")
    if run.failed > spec.get("backoffLimit", 6):
        return conditions.make("Failed", True, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if deadline is not None and now >= run.started + deadline:
        return conditions.make("Failed", True, "DeadlineExceeded", "Job was active longer than specified deadline")
    return None


def _schedule(world: World, entry: Entry, *, run: Run, after_s: float | None) -> None:
    uid, deadline = entry.obj["metadata"]["uid"], entry.obj["spec"].get("activeDeadlineSeconds")
    if run.attempt < 0:
        world.timers.add(run.next_attempt, "job", uid)
    elif after_s is not None:
        world.timers.add(run.attempt + after_s, "job", uid)
    if deadline is not None:
        world.timers.add(run.started + deadline, "job", uid)


def _write(world: World, at: Location, *, run: Run, active: int, verdict: Object | None) -> None:
    entry = world.store.get(at)
    assert entry is not None
    have = list((entry.obj.get("status") or {}).get("conditions") or ())
    time = world.time_text()
    if any(item["type"] == "Suspended" for item in have):
        have = conditions.condition(have, conditions.make("Suspended", False, "JobResumed", "Job resumed"), time=time)
    if verdict:
        first = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[verdict["type"]]
        for type_ in (first, verdict["type"]):
            have = [*have, {**verdict, "type": type_, "lastProbeTime": time, "lastTransitionTime": time}]
    status: Object = {
        "startTime": (entry.obj.get("status") or {}).get("startTime", time),
        "uncountedTerminatedPods": {},
    }
    counts = {"active": active, "ready": 0, "succeeded": run.succeeded, "failed": run.failed}
    status |= {name: number for name, number in counts.items() if number or name == "ready"}
    if have:
        status["conditions"] = have
    if verdict and verdict["type"] == "Complete":
        status["completionTime"] = time
    conditions.write_status(world, at, entry=entry, status=status)
