"""The child that computes: puts its guards up, with an opening for kustomize, then recomputes or forks.

As `replay.isolation.child`, of which it is the slower sibling: the controller's hands are imported here.
"""

from __future__ import annotations

import os
import sys

import msgspec

from replay import checking
from replay.bundle.compression import zstd
from replay.bundle.environment import code_digest
from replay.checking import Opened
from replay.divergence import Difference, Divergence
from replay.errors import Escaped, ReplayError
from replay.forking.fork import fork
from replay.isolation import request as asking
from replay.isolation.child import Answer, problem_of
from replay.isolation.guards import Guards, Opening
from replay.isolation.request import Request
from replay.performing.kustomize import Workshop
from replay.recompute.answers import Material, recompute
from replay.recompute.result import Again, Recomputed
from replay.replayer import Verdict

#: Payloads of more bytes together are not computed with.
BLOBS_BYTES_MAX = 256 * 1024 * 1024


def main(file: int, *, namespace: bool = True) -> None:
    """Do what is asked through an open file with the bundle on standard input, and print an `Answer` as JSON."""
    with os.fdopen(file, "rb") as opened:
        request = asking.read(opened)
    # These read files.
    zstd()
    code_digest()
    nothing = os.open(os.devnull, os.O_RDONLY)
    guards = Guards(Opening(request.argv[0], request.folder) if request.argv else None)
    guards.install(namespace=namespace)
    answer = _answer(guards, request, _workshop(guards, request, nothing))
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    sys.stdout.buffer.flush()


def _workshop(guards: Guards, request: Request, nothing: int) -> Workshop | None:
    if not request.argv:
        return None
    return Workshop(request.argv, request.tool, request.folder, guards.writing, nothing)


def _answer(guards: Guards, request: Request, workshop: Workshop | None) -> Answer:
    answer = Answer(guards=guards.on)
    try:
        opened = checking.opened(sys.stdin.buffer, blobs_bytes_max=BLOBS_BYTES_MAX)
        answer = _done(guards, request, opened, workshop)
    except ReplayError as error:
        answer = Answer(guards=guards.on, problem=problem_of(error))
    except Exception as error:
        if not guards.breaches:
            raise
        answer = Answer(guards=guards.on, problem=problem_of(Escaped(str(error))))
    if guards.breaches:
        escaped = Escaped(f"the replay reached out of its isolation: {guards.breaches[0]}")
        return Answer(guards=guards.on, problem=problem_of(escaped))
    return answer


def _done(guards: Guards, request: Request, opened: Opened, workshop: Workshop | None) -> Answer:
    verdict = checking.checked(opened, until=request.until)
    if verdict.divergence is not None:
        return Answer(guards=guards.on, verdict=verdict)
    material = material_of(opened, workshop)
    if request.changes is not None:
        forked = fork(opened.bundle.records, material, request.changes)
        return Answer(guards=guards.on, verdict=verdict, forked=forked)
    records = [one for one in opened.bundle.records if not request.until or one.seq <= request.until]
    again = recompute(records, material)
    return Answer(guards=guards.on, verdict=judged(verdict, again, opened), recomputed=again)


def material_of(opened: Opened, workshop: Workshop | None) -> Material:
    """What is to be computed with."""
    manifest, blobs = opened.bundle.manifest, dict(opened.bundle.blobs)
    derived = {one.digest: one.generates for one in manifest.derived if one.member in blobs}
    blobs |= {one.digest: blobs[one.member] for one in manifest.derived if one.digest in derived}
    return Material(
        run=manifest.run,
        blobs=blobs,
        derived=derived,
        omitted={one.digest: one.why for one in manifest.omitted if one.digest},
        writers={header.ver: header.writer for header in opened.headers},
        workshop=workshop,
    )


def judged(verdict: Verdict, again: Recomputed, opened: Opened) -> Verdict:
    """The verdict, once answers were computed again, too."""
    found = again.differs
    if found is None:
        return verdict
    return msgspec.structs.replace(verdict, verdict="DIVERGED", divergence=_divergence(verdict, found, opened))


def _divergence(verdict: Verdict, found: Again, opened: Opened) -> Divergence:
    header = next(one for one in opened.headers if one.seq == found.seq)
    same_code = opened.bundle.environment.code == code_digest()
    return Divergence(
        # The hands are not in the digest of the deciding code: with the same version they are the same, too.
        kind="INPUT" if same_code else "CODE",
        seq=header.seq,
        version=header.ver,
        type=header.type,
        stage=header.stage,
        fact_seq=header.seq,
        fact_type=header.type,
        message=f"position {header.seq} ({header.type}): {found.why}",
        first=found.first or Difference(field="body", recorded="", decided=""),
    )
