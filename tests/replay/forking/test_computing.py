"""What follows from recorded inputs alone, and what is not a matter of computing."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ledger.events import ActionFinished, BuildFinished
from reconciler.ports.hands import Answer
from reconciler.state import State
from replay.forking.computing import Computing
from replay.forking.exchanges import Exchanges
from replay.forking.questions import pending_of
from replay.performing.loop import InstantClock, run
from replay.performing.recorded import NotRecorded
from replay.performing.tools import Blobs
from tests.replay.forking.forks import asking, recorded, story, workshop


class _Computed(NamedTuple):
    answer: Answer | None
    judges: bool


def computed(name: str, operation: str, *, allowed: tuple[str, ...] | None = None, of: str = "") -> _Computed:
    """The answer to a question of one story, from what was recorded of another."""
    log, _ = story(of or name)
    state: State = asking(name, operation)
    exchanges = Exchanges(recorded(of or name))
    blobs = Blobs({one: log.blobs.get(one) for one in log.blobs.digests()})

    async def main() -> _Computed:
        computing = Computing(exchanges, blobs, shop, clock=InstantClock(pending_of(state).since_ms))
        if allowed is not None:
            computing.hosts = {"--allowed-action-hosts": allowed}
        return _Computed(await computing.answer(state), computing.judges(state))

    with workshop() as shop:
        return run(main)


def test_a_build_is_computed() -> None:
    answer = computed("patch", "build").answer
    assert answer is not None
    assert answer.outcome == "failed"
    assert isinstance(answer.event, BuildFinished)
    assert answer.event.message == Exchanges(recorded("patch")).all[-1].answer.event.message  # type: ignore[attr-defined]


def test_what_only_the_world_knows_is_not() -> None:
    for operation in ("connect", "apply", "verify"):
        assert computed("never", operation) == (None, False)


def test_a_request_that_is_refused_is_refused_again() -> None:
    found = computed("host", "action")
    assert found.answer is not None
    assert isinstance(found.answer.event, ActionFinished)
    assert found.answer.event.reason == "URLRefused"
    assert not found.judges


def test_another_list_of_hosts_lets_it_through_to_an_answer_that_nobody_has() -> None:
    with pytest.raises(NotRecorded, match=r"what http://127\.0\.0\.1:9/x answers to a POST"):
        computed("host", "action", allowed=("127.0.0.1",))


def test_another_list_of_hosts_is_judged_by() -> None:
    found = computed("host", "action", allowed=("hooks.example.com",))
    assert found.judges
    assert found.answer is not None
    assert "--allowed-action-hosts" in found.answer.event.message


def test_an_artifact_that_is_not_there_is_not_made_up() -> None:
    with pytest.raises(NotRecorded):
        computed("never", "fetch", of="patch")
