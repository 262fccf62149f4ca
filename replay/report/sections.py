"""The details of a report: holds and tries, evidence, all records, inputs, and what proves the file."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.events import Finished
from ledger.render import instant as clock
from replay import rendering, runs
from replay.bundle.format import Manifest
from replay.report import parts
from replay.report.html import Child, Markup, element
from replay.report.subject import ROWS_MAX, Subject, lasting
from replay.story import Moment

#: Of so many operations it is listed what they did with each object.
_OBJECTS_MAX = 1_000


def holds(subject: Subject) -> Markup | None:
    """Gates: what was waited for, and what waits for a person; then the tries of the same snapshot."""
    return parts.section("tries", "Waits and tries", _waits(subject), _tries(subject))


def _waits(subject: Subject) -> Iterator[Markup]:
    gates = [
        (
            one.stage,
            f"{one.what} {one.action}".rstrip(),
            _taken(one.took_ms),
            parts.word(one.outcome or "held"),
            one.told,
        )
        for one in subject.story.moments
        if one.what in ("verify", "action.held", "replace") or _is_wait(one)
    ]
    if gates:
        yield element("h3", "What was waited for")
        names = ("Stage", "Gate", "Took", "Ended", "Told")
        yield parts.table(names, gates[:ROWS_MAX], label="What was waited for")
        yield from filter(None, [parts.more(len(gates) - ROWS_MAX, "gates")])


def _is_wait(moment: Moment) -> bool:
    # An action is told by its hook, its verb and its name.
    return moment.what == "action" and moment.told.split(" ", 2)[1:2] == ["wait"]


def _tries(subject: Subject) -> Iterator[Markup]:
    found = runs.tries(subject.runs, subject.run.id)
    yield element("h3", "Tries of this snapshot")
    if len(found) < 2:
        earlier = runs.before(subject.runs, subject.run.id)
        yield element("p", "It was the first.", f" The run before it {earlier.outcome}." if earlier else "")
        return
    rows = [(parts.code(one.id), clock(one.opened_at), parts.word(one.outcome), one.message) for one in found]
    yield parts.table(("Run", "Opened (UTC)", "Ended", "Told"), rows[-ROWS_MAX:], label="Tries of this snapshot")


def _taken(ms: int) -> Markup | None:
    return element("span", lasting(ms), class_="took num") if ms >= 0 else None


def evidence(subject: Subject) -> Markup | None:
    """What was seen when it failed: the cluster forgets it within the hour."""
    found = subject.story.evidence
    if not found:
        return None
    folds = [
        parts.fold(
            f"{one.type} of stage {one.stage}, position {one.seq}",
            parts.block(_yaml(one.evidence), label=f"Evidence of position {one.seq}"),
            opened=at == len(found) - 1,
        )
        for at, one in enumerate(found)
    ]
    return parts.section("evidence", "Evidence", element("p", "As it was recorded at that moment."), folds)


def _yaml(value: object) -> tuple[str, ...]:
    try:
        return rendering.lines(value)
    except RecursionError:
        return ("(nested too deep to be shown)",)


def objects(subject: Subject) -> Markup | None:
    """What operations did with each object."""
    folds = []
    for header, event in subject.mine:
        items = getattr(event, "objects", None) if isinstance(event, Finished) else None
        if not items or header.type == "build.finished":
            continue
        rows = [(one.id, one.action, one.message) for one in items[:_OBJECTS_MAX]]
        label = f"{header.op} of stage {header.stage}: {parts.counted(len(items), 'object')}"
        folds.append(
            parts.fold(
                (label, ", ", parts.word(header.outcome)),
                parts.table(("Object", "What became of it", "Told"), rows, label=label),
                parts.more(len(items) - _OBJECTS_MAX, "objects"),
                opened=header.outcome not in ("ok", ""),
            )
        )
    return parts.section("objects", "Objects", folds[:ROWS_MAX]) if folds else None


def records(subject: Subject) -> Markup:
    """Everything that was recorded of the run, one line each."""
    moments = subject.story.moments
    rows = [
        (
            str(one.seq),
            clock(one.at).partition(" ")[2],
            one.stage,
            f"{one.what} {one.action}".rstrip(),
            _taken(one.took_ms),
            parts.word(one.outcome) if one.outcome else "",
            one.told,
        )
        for one in moments[:ROWS_MAX]
    ]
    names = ("Position", "At (UTC)", "Stage", "What", "Took", "Outcome", "Told")
    table = parts.table(names, rows, label="All records of the run")
    return parts.section(
        "records",
        "All records",
        parts.fold(
            parts.counted(len(moments), "record") + " of the run, an intent with its answer",
            table,
            parts.more(len(moments) - ROWS_MAX, "records"),
        ),
    )


def inputs(subject: Subject) -> Markup:
    """What the run was decided on."""
    opened = subject.opened
    pins = [
        (one.stage, one.action, one.source, one.revision, parts.code(one.digest))
        for one in subject.story.pins[:ROWS_MAX]
    ]
    children: list[Child] = [
        parts.table(("Stage", "Action", "Source", "Revision", "Digest"), pins, label="Pinned artifacts"),
    ]
    if opened is not None:
        spec = parts.block(_yaml(opened.spec), label="The spec")
        children.append(parts.fold(f"The spec, generation {opened.generation}", spec))
        children.append(parts.fold("The policy", parts.block(_yaml(opened.policy), label="The policy")))
    return parts.section("inputs", "Inputs", children)


def proof(subject: Subject) -> Markup:
    """What proves the recording, and what it does not have."""
    manifest, environment = subject.bundle.manifest, subject.bundle.environment
    software = ", ".join(sorted({one.software for one in environment.recorded_by if one.software}))
    pairs: list[tuple[str, Child]] = [
        ("Recording", f"valid: {manifest.records} records, each held by the hash of the one after it"),
        ("Head", parts.code(manifest.head)),
        ("Stream", parts.code(manifest.stream)),
        ("Ledger", parts.code(manifest.ledger)),
        ("Snapshot", parts.code(subject.run.snapshot or "none")),
        ("Recorded by", software or "unnamed software"),
        ("Exported by", f"version {environment.version}, code {environment.code}"),
        ("Decided again", _verdict(subject)),
    ]
    if manifest.sealed is not None:
        pairs.append(("Encrypted inside", f"artifacts for {', '.join(manifest.sealed.recipients)}"))
    gone = list(_left_out(manifest))
    return parts.section(
        "proof",
        "Integrity and what was left out",
        parts.listed(pairs),
        element("h3", "Left out, or replaced"),
        parts.table(("Position", "What", "Digest", "Why"), gone[:ROWS_MAX], label="What was left out")
        if gone
        else element("p", "Nothing of the run was left out."),
        parts.more(len(gone) - ROWS_MAX, "of them"),
        parts.fold(
            "What the exporter says of secrets",
            parts.block(subject.bundle.redactions.rstrip("\n").split("\n"), label="REDACTIONS.md"),
        ),
    )


def _left_out(manifest: Manifest) -> Iterator[tuple[Child, ...]]:
    for one in manifest.omitted:
        yield str(one.seq), one.what, parts.code(one.digest), one.why
    for derived in manifest.derived:
        why = f"stand-ins stand for values of Secrets in {', '.join(derived.files)}"
        yield str(derived.seq), "artifact", parts.code(derived.digest), why
    for shortened in manifest.shortened:
        yield str(shortened.seq), "log tails", "", f"they decide nothing: {', '.join(shortened.fields)}"


def _verdict(subject: Subject) -> Child:
    verdict = subject.verdict
    if verdict is None:
        return f"it was not: {subject.problem}" if subject.problem else "it was not; 'stagesetctl replay run' does it"
    counts = f" {verdict.facts} facts, {verdict.decisions} decisions and {verdict.states} state digests"
    found = verdict.divergence
    told = f". {found.kind}: {found.message}" if found else ""
    return (parts.word(verdict.verdict), counts, told, *(f"; {note}" for note in verdict.notes))
