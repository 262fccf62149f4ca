"""What happens to the real controller while all rows of the crash matrix are at one moment, and what is promised then.

Not the actions, which are in `crash_rows`. Each kind ends with a controller at work.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Literal, NamedTuple

from tests.cluster.rollout.acting import ActionController, World
from tests.cluster.rollout.crash_rows import ROWS, Promise, Row
from tests.cluster.rollout.waiting import eventually

Side = Literal["before", "after", "recorded"]
#: Requests that must have been lost before the network is there again: everybody has tried more than once.
LOST_MIN = 30
#: So that a lost network is not a lost Lease as well.
LONG_LEASE = ("--leader-election-lease-duration=60s", "--leader-election-renew-deadline=50s")


#: One row for each verb, the one that is the hardest to be right about.
REPRESENTATIVES = tuple(row for row in ROWS if row.name in ("http", "job", "patch-json6902", "delete", "wait", "apply"))


class Scene(NamedTuple):
    """The moment: the controller's actions are held, each at its place."""

    world: World
    #: lets what is held go on
    release: Callable[[], None]
    #: what others do while nobody watches
    meanwhile: Callable[[], None]
    #: another controller on the same ledger and Lease, not started yet
    standby: ActionController


class Kind(NamedTuple):
    """One kind of crash at one side of the effects."""

    title: str
    side: Side
    strike: Callable[[Scene], None]
    promise: Callable[[Row], Promise]
    #: of the controller at that moment
    arguments: tuple[str, ...] = ()
    rows: tuple[Row, ...] = REPRESENTATIVES
    #: whether the process that lives on may have tried again
    retried: bool = False

    def __str__(self) -> str:
        return f"{self.title}, {self.side}"


def _good(row: Row) -> Promise:
    return Promise(0 if row.name == "wait" else 1)


def _kill(scene: Scene) -> None:
    """SIGKILL; what was on its way does not arrive, what was answered is not heard."""
    scene.world.controller.kill()
    scene.meanwhile()
    scene.release()
    scene.world.controller.start()


def _fill(scene: Scene) -> None:
    """The answers arrive and cannot be recorded, until there is room again."""
    _full(scene)
    scene.meanwhile()
    scene.world.controller.free_disk()


def _fill_and_kill(scene: Scene) -> None:
    """The answers arrive, cannot be recorded, and are forgotten."""
    _full(scene)
    scene.world.controller.kill()
    scene.meanwhile()
    scene.world.controller.start()


def _full(scene: Scene) -> None:
    controller = scene.world.controller
    controller.fill_disk()
    scene.release()
    eventually(lambda: controller.get("/healthz")[0] != 200, what="the ledger cannot be written")


def _lose(scene: Scene) -> None:
    """Neither the API server nor the receiver answers any more, not even what they did already."""
    world = scene.world
    world.receiver.cut()
    world.gate.cut()
    scene.release()
    scene.meanwhile()
    eventually(lambda: world.gate.refused >= LOST_MIN, what="requests are lost")
    world.gate.mend()
    world.receiver.mend()


def _stop(scene: Scene) -> None:
    """SIGSTOP past the Lease. Another one takes the Lease and waits for the file; then SIGCONT, and the first one ends.

    What it had sent arrives meanwhile. It records that, which nobody else could, and gives way.
    """
    first, standby = scene.world.controller, scene.standby
    standby.start()
    first.signal(signal.SIGSTOP)
    eventually(lambda: "waits for the ledger" in standby.log(), what="the Lease is the other's", show=standby.log_tail)
    head = first.head()
    scene.release()
    scene.meanwhile()
    assert "leader: the Lease" in standby.log()
    assert first.head() == head, "two have the ledger"
    first.signal(signal.SIGCONT)
    assert first.ended() == 3, first.log_tail()
    eventually(lambda: standby.head() > head, what="the other one writes", show=standby.log_tail)


KINDS = (
    Kind("SIGKILL", "before", _kill, lambda row: row.before, rows=ROWS),
    Kind("SIGKILL", "after", _kill, lambda row: row.after, rows=ROWS),
    Kind("SIGKILL", "recorded", _kill, _good),
    Kind("full disk", "after", _fill, _good),
    Kind("full disk, then SIGKILL", "after", _fill_and_kill, lambda row: row.after),
    Kind("lost network", "after", _lose, lambda row: row.after, LONG_LEASE, retried=True),
    Kind("SIGSTOP past the Lease, SIGCONT", "before", _stop, _good),
)
