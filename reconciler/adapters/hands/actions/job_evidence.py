"""What is kept of how Jobs ended before they are deleted: exit codes, reasons and log tails of their containers.

Not the outcome itself. Invariants: a read that fails leaves a note, never an exception; every text of others is
scrubbed, and left out where the values to take out are not known; the whole is bounded.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler import errors
from reconciler.adapters.operations.events import warnings_about
from reconciler.adapters.operations.evidence import EVENTS_MAX, headline
from reconciler.adapters.operations.failures import Scrub, failure_of, scrubbed
from reconciler.adapters.operations.owned_pods import owned_pods
from reconciler.compute.fields import cut, maps, text, whole
from reconciler.compute.order import ref_of
from reconciler.compute.project import projected
from reconciler.ports.cluster import Cluster, Object, Ref

#: The tail that is kept of one container's log.
LOG_LINES_MAX = 40
LOG_BYTES_MAX = 4 * 1024
LOGS_MAX = 6
PODS_MAX = 5
CONTAINERS_MAX = 20
NOTES_MAX = 10
#: All reads together take no longer: the end is to be recorded soon.
SECONDS_MAX = 20.0
#: The Kubernetes adapter cuts a log off at 256 KiB, at its end: of a tail as big as this the last lines may be missing.
_TAIL_BYTES_MAX = 240 * 1024
_WORDS_CHARS_MAX = 300
#: ECMA-48 control sequences and operating system commands: colours, titles, links.
_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
_LINE_BREAKS = re.compile(r"\r\n?|\n")


class Container(NamedTuple):
    """A container that has ended or cannot start."""

    pod: Object
    name: str
    #: None where it has not ended
    exit_code: int | None
    #: the kubelet's word, such as OOMKilled or ImagePullBackOff
    reason: str
    #: RFC 3339; empty where it has not ended
    finished_at: str

    @property
    def failed(self) -> bool:
        return bool(self.exit_code)


class Kept(NamedTuple):
    """Evidence of some objects."""

    #: JSON-compatible: `containers` (with `log`), `objects`, and, of what did not go well, `pods`, `events`; `notes`
    evidence: dict[str, Any]
    #: the most telling clause; empty where there is none
    words: str
    #: what of it could not be read, and why; empty where all could be
    unread: str = ""


async def kept_of(cluster: Cluster, objects: Sequence[Object], *, scrub: Scrub | None, well: bool) -> Kept:
    """Evidence of `objects`, the Jobs that ended or are stuck. Without `scrub` no text of others is kept."""
    gathering = _Gathering(cluster, scrub, well=well)
    notes = gathering.notes
    try:
        async with asyncio.timeout(SECONDS_MAX):
            await gathering.gather(objects)
    except TimeoutError:
        notes.append(f"not everything could be read within {SECONDS_MAX:.0f} s")
    found = gathering.found
    if scrub is None:
        notes.append("logs and messages are left out: the values of Secrets to take out of them are not known")
        found = {"containers": found.get("containers", [])}
    clean = scrub or (lambda note: note)
    told = [cut(_plain(clean(note)), _WORDS_CHARS_MAX) for note in notes[:NOTES_MAX]]
    return told_by(found | ({"notes": told} if told else {}))


def told_by(evidence: dict[str, Any]) -> Kept:
    """What evidence says, be it of now or recorded."""
    notes = evidence.get("notes", ())
    unread = next((note for note in notes if "could not be read" in note), "")
    return Kept(evidence, _words(evidence), unread)


class _Gathering:
    """Fills `found` and `notes` step by step, so that what was read in time is kept."""

    def __init__(self, cluster: Cluster, scrub: Scrub | None, *, well: bool) -> None:
        self.found: dict[str, Any] = {}
        self.notes: list[str] = []
        self._cluster, self._scrub, self._well = cluster, scrub, well

    async def gather(self, objects: Sequence[Object]) -> None:
        """Containers first: their exit codes are no text of others, and the outcome is told by them."""
        pods = await owned_pods(self._cluster, objects, notes=self.notes)
        containers = sorted((one for pod in pods for one in containers_of(pod)), key=_telling, reverse=True)
        containers = containers[:CONTAINERS_MAX]
        self.found["containers"] = [_kept(one) for one in containers]
        if not pods and any(text(obj, "kind") == "Job" for obj in objects) and not self.notes:
            self.notes.append("no Pod is there any more, or none was made")
        if self._scrub is None:
            return
        self.found["objects"] = scrubbed([projected(obj) for obj in objects], self._scrub)
        await self._logs(containers, self._scrub)
        if not self._well:
            await self._surroundings(objects, pods, scrub=self._scrub)

    async def _logs(self, containers: Sequence[Container], scrub: Scrub) -> None:
        """Of what failed; where nothing did, of what ended well or, in a time-out, still runs."""
        ended = [one for one in containers if one.exit_code is not None and (self._well or one.failed)]
        running = [] if self._well or ended else [one for one in containers if not one.reason]
        for one in (ended or running)[:LOGS_MAX]:
            log = await self._log(one, scrub)
            if log:
                self.found["containers"][containers.index(one)]["log"] = log

    async def _log(self, one: Container, scrub: Scrub) -> str:
        namespace, pod = text(one.pod, "metadata", "namespace"), text(one.pod, "metadata", "name")
        what = f"the log of container {one.name} of Pod {namespace}/{pod}"
        try:
            for lines in (LOG_LINES_MAX, 1):
                log = await self._cluster.logs(namespace, pod, container=one.name, tail_lines=lines)
                if len(log.encode("utf-8", "replace")) < _TAIL_BYTES_MAX:
                    return clean_tail(log, scrub=scrub)
        except errors.ClusterError as error:
            refused = failure_of(error, ref=ref_of(one.pod))
            self.notes.append(f"{what} could not be read: {refused.hint or error.message}")
            return ""
        self.notes.append(f"{what} is not kept: its last line is longer than {_TAIL_BYTES_MAX // 1024} KiB")
        return ""

    async def _surroundings(self, objects: Sequence[Object], pods: Sequence[Object], *, scrub: Scrub) -> None:
        """The Pods as they are, and what the cluster warned of."""
        self.found["pods"] = scrubbed([projected(pod) for pod in pods[:PODS_MAX]], scrub)
        uids = {text(obj, "metadata", "uid") for obj in (*objects, *pods)}
        refs: set[Ref] = {ref_of(obj) for obj in objects}
        events = await warnings_about(self._cluster, uids=uids, refs=refs, notes=self.notes)
        self.found["events"] = scrubbed(events[:EVENTS_MAX], scrub)


def clean_tail(log: str, *, scrub: Scrub) -> str:
    """The end of a log as it may be kept: without secrets and control characters, whole characters, bounded.

    Scrubbed before and after it is made plain: colours inside a value must not hide it, nor the cut leave half of it.
    """
    plain = scrub(_plain(scrub(_SEQUENCES.sub("", log))))
    tail = "\n".join(plain.rstrip("\n").split("\n")[-LOG_LINES_MAX:])
    return tail.encode("utf-8", "replace")[-LOG_BYTES_MAX:].decode("utf-8", "ignore")


def containers_of(pod: Object) -> Iterator[Container]:
    """The containers of a Pod with how they ended last, or why they do not start."""
    for kind in ("initContainerStatuses", "containerStatuses"):
        for status in maps(pod, "status", kind):
            yield _container(pod, status)


def _container(pod: Object, status: Mapping[str, Any]) -> Container:
    name = text(status, "name")
    for moment in ("state", "lastState"):
        code = whole(status, moment, "terminated", "exitCode")
        if code is not None:
            reason, finished = (text(status, moment, "terminated", key) for key in ("reason", "finishedAt"))
            return Container(pod, name, code, reason, finished)
    return Container(pod, name, None, text(status, "state", "waiting", "reason"), "")


def _telling(one: Container) -> tuple[bool, str, bool]:
    """Sorts what failed last to the end, then what cannot start."""
    return one.failed, one.finished_at, bool(one.reason)


def _kept(one: Container) -> dict[str, Any]:
    kept: dict[str, Any] = {"pod": text(one.pod, "metadata", "name"), "container": one.name}
    if one.exit_code is not None:
        kept["exitCode"] = one.exit_code
    return kept | ({"reason": one.reason} if one.reason else {})


def _words(found: Mapping[str, Any]) -> str:
    """`container migrate exited with 3: <last log line>`, else why a container cannot start, else a Warning."""
    containers = maps(found, "containers")
    ended = next((one for one in containers if one.get("exitCode")), None)
    if ended is not None:
        reason = text(ended, "reason")
        told = f"container {ended['container']} exited with {ended['exitCode']}"
        told += f" ({reason})" if reason not in ("", "Error") else ""
        lines = [line for line in text(ended, "log").split("\n") if line.strip()]
        return f"{told}: {cut(lines[-1].strip(), _WORDS_CHARS_MAX)}" if lines else told
    if "pods" in found and (line := headline(found)):
        return line
    stuck = next((one for one in containers if text(one, "reason") and "exitCode" not in one), None)
    return f"container {stuck['container']} is waiting: {stuck['reason']}" if stuck is not None else ""


def _plain(value: str) -> str:
    """Text without control and formatting characters; line breaks and tabs stay."""
    lines = _LINE_BREAKS.sub("\n", value)
    return "".join(c for c in lines if c in "\n\t" or unicodedata.category(c)[0] != "C")
