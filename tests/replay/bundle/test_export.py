from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pyrage
import pytest
from msgspec.structs import replace

from ledger.envelope import Draft, decode_header
from ledger.errors import Broken
from ledger.events import LedgerBodiesErased, RunOpened
from ledger.log import Batch, Selection
from ledger.memory_log import MemoryLog
from replay.bundle import format as form
from replay.bundle.export import Options, Wanted, export
from replay.bundle.format import LIMITS, Sealed
from replay.checking import check
from replay.errors import Incomplete, Unreadable, Withheld
from tests.replay import making, parts
from tests.replay.bundle.archives import SECRET, VALUE, artifact, files

AT = "2030-01-01T00:00:00.000Z"


def test_the_same_ledger_gives_the_same_bytes() -> None:
    log = making.failures()
    for stream, run in making.runs(log):
        assert making.bundle(log, stream, run) == making.bundle(log, stream, run)


def test_what_is_inside() -> None:
    log = making.failures()
    stream, run = making.failed(log)
    data = making.bundle(log, stream, run)
    bundle = parts.parsed(data)
    stored = [one for one in log.read(Selection(stream=stream)) if one.seq <= bundle.manifest.last_seq]
    assert list(bundle.records) == stored
    headers = [decode_header(one.header) for one in bundle.records]
    assert headers[-1].type == "run.retry.scheduled"
    assert headers[-1].run == run
    assert bundle.environment.recorded_by[0].epoch == headers[0].writer.epoch
    assert bundle.environment.policy["interval_ms"] == 60_000
    named = {blob for header in headers if header.run == run for blob in header.blobs}
    inside = {name for name in parts.members(data) if name.startswith("blobs/")}
    left = {one.digest for one in bundle.manifest.omitted}
    assert inside == {form.blob_name(blob) for blob in named - left}
    assert bundle.manifest.elsewhere > 0


def test_until_a_position_ends_with_its_append() -> None:
    log = making.failures()
    stream, run = making.failed(log)
    whole = parts.parsed(making.bundle(log, stream, run))
    for stored in whole.records:
        if decode_header(stored.header).run != run:
            continue
        data = making.bundle(log, stream, run, until=stored.seq)
        bundle = parts.parsed(data)
        assert bundle.manifest.last_seq >= stored.seq
        assert check(making.opened(data)).verdict == "REPRODUCED"


def test_a_run_that_is_not_there() -> None:
    with pytest.raises(Incomplete, match="no record of run a/b/c-1"):
        export(making.failures(), Wanted("stageset/a/b/c", "a/b/c-1"))


def test_a_stream_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay.bundle.gathering.LIMITS", replace(LIMITS, records_max=10))
    log = making.failures()
    with pytest.raises(Unreadable, match="more than 10 records"):
        making.bundle(log, *making.failed(log))


def test_a_record_that_was_altered_is_not_exported() -> None:
    log = making.played(_nothing)
    stream, run = next(making.runs(log))
    stored = log.rows[-1]
    log.rows[-1] = stored._replace(body=(stored.body or b"").replace(b"}", b',"x":1}'))
    with pytest.raises(Broken):
        making.bundle(log, stream, run)


async def _nothing(world: Any) -> None:
    from tests.simulation.bases import CONFIG, Script

    script = Script(world, one=(CONFIG,))
    script.create()
    await script.expected()


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────


def planted(
    *, files: dict[str, str | bytes], message: str = "", spec: dict[str, Any] | None = None, payload: bytes = b""
) -> MemoryLog:
    """A ledger with a run whose artifact has these files, a message somewhere else, and perhaps one more payload."""
    log = MemoryLog(ledger="planted", at=AT, chance=bytes)
    blob = log.blobs.put(artifact(**files))
    pin = {"stage": "one", "source": "S/ns/s", "digest": blob}
    opened = msgspec.convert(
        {
            "type": "run.opened",
            "trigger": "snapshot",
            "generation": 1,
            "spec": spec or {},
            "pins": [pin],
            "policy": {},
            "requested_at": message,
        },
        RunOpened,
    )
    blobs = (blob, *([log.blobs.put(payload)] if payload else []))
    draft = Draft(event=opened, run="ns/n/u-1", blobs=blobs)
    log.append(Batch(stream="stageset/ns/n/u", expected=0, epoch=log.epoch, at=AT, drafts=(draft,)))
    return log


WANTED = Wanted("stageset/ns/n/u", "ns/n/u-1")


def test_an_artifact_with_a_secret_goes_with_stand_ins_and_is_marked() -> None:
    log = planted(files={"s.yaml": SECRET, "c.yaml": "kind: ConfigMap # as it was\n"})
    data = b"".join(export(log, WANTED))
    bundle = parts.parsed(data)
    (original,) = log.blobs.digests()
    (derived,) = bundle.manifest.derived
    assert (derived.digest, derived.files, derived.generates) == (original, ("s.yaml",), False)
    assert bundle.manifest.stand_in(original) == derived
    assert bundle.manifest.stand_in("sha256:") is None
    assert f"artifact {original}: in s.yaml" in bundle.redactions
    members = parts.members(data)
    assert form.blob_name(original) not in members
    found = files(members[form.blob_name(derived.member)])
    assert found["c.yaml"] == b"kind: ConfigMap # as it was\n"
    assert json.loads(found["s.yaml"])["stringData"] == {"password": "withheld0001"}
    assert all(VALUE.encode() not in content for content in members.values())
    assert b"".join(export(log, WANTED)) == data


def test_an_artifact_in_which_a_value_is_found_again_is_left_out_and_named() -> None:
    data = b"".join(export(planted(files={"s.yaml": SECRET, "notes.txt": f"it is {VALUE}"}), WANTED))
    bundle = parts.parsed(data)
    why = "'notes.txt' holds the value of a Secret that 's.yaml' has a Secret with plain data"
    assert [one.why for one in bundle.manifest.omitted] == [why]
    assert not [name for name in parts.members(data) if name.startswith("blobs/")]


# ── for one reader ───────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_withheld_is_encrypted_for_a_reader_and_nobody_else() -> None:
    mine, other = (pyrage.x25519.Identity.generate() for _ in range(2))
    log = planted(files={"s.yaml": SECRET})
    data = b"".join(export(log, WANTED, Options(recipients=(str(mine.to_public()),))))
    bundle, members = parts.parsed(data), parts.members(data)
    (original,) = log.blobs.digests()
    assert bundle.manifest.sealed == Sealed(recipients=(str(mine.to_public()),), artifacts=(original,))
    assert str(mine.to_public()) in bundle.redactions
    assert list(members)[3:5] == [form.EVENTS, form.SECRETS]
    with tarfile.open(fileobj=io.BytesIO(pyrage.decrypt(members[form.SECRETS], [mine]))) as archive:
        (entry,) = archive
        assert archive.extractfile(entry).read() == log.blobs.get(original)  # type: ignore[union-attr]
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(members[form.SECRETS], [other])
    assert all(VALUE.encode() not in content for content in members.values())


def test_nothing_is_encrypted_where_nothing_is_withheld() -> None:
    reader = str(pyrage.x25519.Identity.generate().to_public())
    data = b"".join(export(planted(files={"c.yaml": "kind: ConfigMap\n"}), WANTED, Options(recipients=(reader,))))
    assert parts.parsed(data).manifest.sealed is None
    assert form.SECRETS not in parts.members(data)


def test_an_artifact_without_one_goes() -> None:
    data = b"".join(export(planted(files={"c.yaml": "kind: ConfigMap\n"}), WANTED))
    assert len(parts.members(data)) == 5


@pytest.mark.parametrize("message", [VALUE, "x YzRuNHJ5L3YrbHVlIQ== x", "c4n4ry%2Fv%2Blue%21"])
def test_its_value_anywhere_else_refuses_the_export_and_is_not_told(message: str) -> None:
    with pytest.raises(Withheld) as found:
        export(planted(files={"s.yaml": SECRET}, message=message), WANTED)
    assert "the body of position 2 (run.opened)" in found.value.message
    assert VALUE not in found.value.message
    assert message not in found.value.message


def test_its_value_in_another_payload_refuses_the_export() -> None:
    payload = msgspec.json.encode([{"kind": "ConfigMap", "data": {"copied": VALUE}}])
    with pytest.raises(Withheld, match="blob sha256:") as found:
        export(planted(files={"s.yaml": SECRET}, payload=payload), WANTED)
    assert VALUE not in found.value.message


def test_a_secret_in_the_spec_refuses_the_export() -> None:
    spec = {"stages": [{"patches": [{"patch": SECRET}]}]}
    with pytest.raises(Withheld, match="the body of position 2"):
        export(planted(files={}, spec=spec), WANTED)


def test_a_blob_that_is_gone_is_named() -> None:
    log = planted(files={"c.yaml": "kind: ConfigMap\n"})
    log.blobs.packed.clear()
    bundle = parts.parsed(b"".join(export(log, WANTED)))
    assert [one.why for one in bundle.manifest.omitted] == ["the ledger does not have it any more"]


# ── logs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _failing_job(world: Any) -> None:
    from tests.simulation.acting import PREFIX, job
    from tests.simulation.bases import CONFIG, Script

    script = Script(world, one=(CONFIG,))
    made = job("migrate", outcome="fail", after_s=1.0)
    made["metadata"]["annotations"][f"{PREFIX}log"] = "words of the job\nthe last of them"
    world.publish_files("migrations", "v1", {"job.yaml": made})
    action = {"name": "migrate", "job": {"sourceRef": {"name": "migrations"}}, "retries": 0}
    script.release.stages[0]["actions"] = {"pre": [action]}
    script.create()
    await world.until("it fails", lambda: world.ready("rel")[0] == "False", within_s=240)


def test_log_tails_stay_behind_unless_they_are_wanted() -> None:
    log = making.played(_failing_job)
    stream, run = next(making.runs(log))
    bundle = parts.parsed(making.bundle(log, stream, run))
    (shortened,) = bundle.manifest.shortened
    assert shortened.fields == ("/evidence/containers/0/log",)
    assert f"- position {shortened.seq}: /evidence/containers/0/log" in bundle.redactions
    # The simulated Job's manifest says what it logs.
    assert b"words of the job" not in parts.members(making.bundle(log, stream, run))[form.EVENTS]
    verdict = check(making.opened(making.bundle(log, stream, run)))
    assert verdict.verdict == "REPRODUCED"
    assert verdict.notes == (
        f"log tails were left out of {shortened.seq}: these records were not held against their digests",
    )
    data = b"".join(export(log, Wanted(stream, run), Options(with_logs=True)))
    whole = parts.parsed(data)
    assert whole.manifest.shortened == ()
    assert b"words of the job" in b"".join(one.body or b"" for one in whole.records)
    assert check(making.opened(data)).notes == ()


# ── erased bodies ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_erased_body_is_named_and_the_replay_is_incomplete(tmp_path: Path) -> None:
    log = making.played(_nothing)
    stream, run = next(making.runs(log))
    seq = next(iter(log.read(Selection(types=("build.finished",))))).seq
    erased = Draft(event=LedgerBodiesErased(positions=[seq], reason="asked"))
    version = log.version("ledger")
    log.erase([seq], batch=Batch(stream="ledger", expected=version, epoch=log.epoch, at=AT, drafts=(erased,)))
    data = making.bundle(log, stream, run)
    assert [one.seq for one in parts.parsed(data).manifest.omitted] == [seq]
    with pytest.raises(Incomplete) as found:
        check(making.opened(data))
    assert found.value.seq == seq
