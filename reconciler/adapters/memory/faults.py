"""Faults for tests: what goes wrong before or after a request, as told.

Not chance: a test decides which request fails and how. `after` faults lose the answer of a request that was carried
out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from reconciler import errors
from reconciler.adapters.memory import status
from reconciler.ports.cluster import Ref

#: Given the verb (`get`, `list`, `watch`, `create`, `apply`, `patch`, `replace`, `delete`, `token`, `logs`, `allowed`,
#: `discover`, `version`) and the object; raises to make the request fail.
Hook = Callable[[str, Ref | None], None]


class Hooks:
    """Hooks around every request of a MemoryCluster, shared by all its identities.

    `before` runs before a request has any effect, `after` when it was carried out and before its answer is given.
    `pause` is awaited first, so that a simulation can let others run.
    """

    def __init__(self) -> None:
        self.before: list[Hook] = []
        self.after: list[Hook] = []
        #: Requests so far, by verb.
        self.counts: dict[str, int] = {}

    async def call(self, verb: str, ref: Ref | None) -> None:
        """For requests without an effect that could outlive its answer."""
        self.counts[verb] = self.counts.get(verb, 0) + 1
        for hook in self.before:
            hook(verb, ref)

    @asynccontextmanager
    async def around(self, verb: str, ref: Ref | None) -> AsyncIterator[None]:
        """Runs the hooks before and, when the request was carried out, after it."""
        await self.call(verb, ref)
        yield
        for hook in self.after:
            hook(verb, ref)


def unavailable(message: str = "dial tcp 127.0.0.1:6443: connect: connection refused") -> errors.ClusterError:
    """No answer: the connection was refused or broke."""
    return errors.Unavailable(message)


def timed_out() -> errors.ClusterError:
    """No answer within the client's time; raised from `after`, the request was carried out all the same."""
    return errors.Unavailable("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")


def too_many_requests(retry_after_s: float = 1.0) -> errors.ClusterError:
    """429 from the API's priority and fairness."""
    text = "the server has received too many requests and has asked us to try again later"
    return status.make(errors.TooManyRequests, text, retry_after_s=retry_after_s)


def conflict(ref: Ref) -> errors.ClusterError:
    """409: somebody else wrote the object first."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    text = f'Operation cannot be fulfilled on {ref.kind.lower()}s "{ref.name}": {why}'
    return status.make(errors.Conflict, text)


class Script:
    """A list of faults, each met once: the first whose verb and object fit the request.

    `add("apply", unavailable(), name="web", when="after")`; `Script` installs itself into the hooks it is given.
    """

    def __init__(self, hooks: Hooks) -> None:
        self._planned: list[tuple[str, str, str, str, Exception]] = []
        hooks.before.append(lambda verb, ref: self._meet("before", verb, ref))
        hooks.after.append(lambda verb, ref: self._meet("after", verb, ref))

    def add(self, verb: str, error: Exception, *, kind: str = "", name: str = "", when: str = "before") -> None:
        """Plans a fault; an empty kind or name fits all."""
        self._planned.append((when, verb, kind, name, error))

    @property
    def left(self) -> int:
        """Faults not met yet."""
        return len(self._planned)

    def _meet(self, when: str, verb: str, ref: Ref | None) -> None:
        for planned in self._planned:
            if planned[:2] == (when, verb) and _fits(planned[2], planned[3], ref=ref):
                self._planned.remove(planned)
                raise planned[4]


def _fits(kind: str, name: str, *, ref: Ref | None) -> bool:
    return (not kind or (ref is not None and ref.kind == kind)) and (not name or (ref is not None and ref.name == name))
