"""What every EventLog must do. A test class per log inherits `LogContract` and provides the fixture `log`.

Each refusal is held against a copy of everything that was there before: a refused append changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest

from ledger import events
from ledger.audit import audit
from ledger.chain import START, Head
from ledger.envelope import BODY_BYTES_MAX, HEADER_BYTES_MAX, INTEGER_MAX, Actor, Draft, decode_header, digest
from ledger.errors import (
    AppendRefused,
    BlobMissing,
    BlobTooLarge,
    BodyTooLarge,
    Closed,
    HeaderTooLarge,
    NotCanonical,
    StaleEpoch,
    WrongVersion,
)
from ledger.log import DRAFTS_MAX, HOUSEKEEPING, Appended, EventLog, Selection
from ledger.upcast import decode
from tests.contract.log_cases import NOT_CANONICAL, UNREADABLE_BODIES, matches, noise, together
from tests.ledger.making import AT, LATER, SHA, append, bare, batch, content, draft, erase

OPERATOR = Actor(kind="user", id="CORP\\jane", how="annotation")


@contextmanager
def unchanged(log: EventLog) -> Iterator[None]:
    """Hold everything in the log against what was there before."""
    before, epoch = content(log), log.epoch
    yield
    assert (content(log), log.epoch) == (before, epoch)


class LogContract:
    @pytest.fixture
    def log(self) -> Iterator[EventLog]:
        """An empty log that is closed at the end."""
        raise NotImplementedError

    # ── appending ────────────────────────────────────────────────────────────────────────────────────────────────

    def test_a_new_log_has_its_first_record(self, log: EventLog) -> None:
        (row,) = log.read()
        header = decode_header(row.header)
        assert (header.type, header.stream, header.seq, header.ver) == ("ledger.created", HOUSEKEEPING, 1, 1)
        assert (header.at, header.ledger, header.gprev, header.prev) == (AT, log.ledger, "", "")
        assert log.head() == Head(1, digest(row.header))
        assert (log.epoch, log.version(HOUSEKEEPING), log.version("a")) == (0, 1, 0)
        assert audit(log).valid

    def test_append_links_both_chains(self, log: EventLog) -> None:
        first = append(log, "a", draft(), bare())
        second = append(log, "b", draft("é ∑ 😀"))
        third = append(log, "a", draft(), at=LATER)
        headers = [decode_header(row.header) for row in log.read()]
        marks = [digest(row.header) for row in log.read()]
        assert [(h.seq, h.stream, h.ver) for h in headers[1:]] == [(2, "a", 1), (3, "a", 2), (4, "b", 1), (5, "a", 3)]
        assert [h.gprev for h in headers] == ["", *marks[:-1]]
        assert [h.prev for h in headers[1:]] == ["", marks[1], "", marks[2]]
        assert first == Appended(1, Head(2, marks[2]), Head(3, marks[2]))
        assert second == Appended(1, Head(1, marks[3]), Head(4, marks[3]))
        assert third == Appended(3, Head(3, marks[4]), Head(5, marks[4]))
        assert (log.head(), log.version("a"), log.version("b")) == (Head(5, marks[4]), 3, 1)
        assert [h.at for h in headers[-2:]] == [AT, LATER]

    def test_what_is_read_is_what_was_appended(self, log: EventLog) -> None:
        blob = log.blobs.put(b"payload")
        finished = Draft(
            event=events.VerifyFinished(message='"quotes" \\ and\nlines', evidence={"a": [1, 2.5, None, {"b": True}]}),
            actor=OPERATOR,
            run="a.1",
            snapshot=SHA,
            stage='back\\slash "quoted"',
            attempt=INTEGER_MAX,
            outcome="failed",
            intent=1,
            idem="ü\u2028",
            req=SHA,
            res=SHA,
            state=SHA,
            blobs=(blob,),
        )
        append(log, "a/b", finished)
        (stored,) = log.read(Selection(stream="a/b"))
        header, event = decode(stored)
        assert event == finished.event
        assert stored.body is not None
        assert stored.salt is not None
        for field in ("actor", "run", "snapshot", "stage", "attempt", "outcome", "intent", "idem", "req", "state"):
            assert getattr(header, field) == getattr(finished, field)
        assert (header.op, header.type, header.blobs) == ("verify", "verify.finished", (blob,))
        assert (header.writer.epoch, header.v) == (0, 1)

    def test_salts_differ(self, log: EventLog) -> None:
        append(log, "a", draft("same"), draft("same"))
        first, second = log.read(Selection(stream="a"))
        assert first.body == second.body
        assert first.salt != second.salt
        assert decode_header(first.header).body != decode_header(second.header).body

    @pytest.mark.parametrize("expected", [0, 1, 3, 99, -1])
    def test_wrong_version(self, log: EventLog, expected: int) -> None:
        append(log, "a", draft(), draft())
        with unchanged(log), pytest.raises(WrongVersion, match="stream a is at version 2") as caught:
            log.append(batch(log, "a", expected=expected))
        assert (caught.value.stream, caught.value.expected, caught.value.actual) == ("a", expected, 2)

    @pytest.mark.parametrize("epoch", [0, 1, 3, -1])
    def test_stale_epoch(self, log: EventLog, epoch: int) -> None:
        append(log, "a")
        for _ in range(2):
            log.open_epoch(actor=OPERATOR, at=AT, reason="test")
        with unchanged(log), pytest.raises(StaleEpoch, match="the ledger is in epoch 2") as caught:
            log.append(batch(log, "a", epoch=epoch))
        assert (caught.value.given, caught.value.current) == (epoch, 2)

    def test_an_epoch_is_recorded(self, log: EventLog) -> None:
        assert log.open_epoch(actor=OPERATOR, at=LATER, reason="lease", software="test 1") == 1
        header, event = decode(list(log.read())[-1])
        assert event == events.LedgerEpochOpened(reason="lease", software="test 1")
        assert (header.stream, header.ver, header.writer.epoch, header.actor) == (HOUSEKEEPING, 2, 1, OPERATOR)
        assert log.epoch == 1
        append(log, "a", epoch=1)
        assert decode_header(list(log.read())[-1].header).writer.epoch == 1

    def test_a_refused_epoch_changes_nothing(self, log: EventLog) -> None:
        with unchanged(log), pytest.raises(NotCanonical):
            log.open_epoch(actor=Actor(kind="\x00"), at=AT, reason="")
        with unchanged(log), pytest.raises(NotCanonical):
            log.open_epoch(actor=OPERATOR, at="today", reason="")

    @pytest.mark.parametrize("header", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
    def test_headers_hold_no_odd_values(self, log: EventLog, header: dict[str, Any]) -> None:
        append(log, "a")
        # The missing blob of the one case is found first; it is refused all the same.
        with unchanged(log), pytest.raises((NotCanonical, BlobMissing)):
            append(log, "a", draft(), draft(**header))

    @pytest.mark.parametrize(
        "at", ["", "now", "2030-01-31", AT[:-1], AT + "\n", "2030-13-31T12:00:00.000Z", AT.replace("1", "\u0661")]
    )
    def test_headers_hold_instants(self, log: EventLog, at: str) -> None:
        with unchanged(log), pytest.raises(NotCanonical, match="is not a time such as"):
            append(log, "a", at=at)

    @pytest.mark.parametrize("event", UNREADABLE_BODIES.values(), ids=UNREADABLE_BODIES)
    def test_bodies_can_be_read_again(self, log: EventLog, event: events.Event) -> None:
        with unchanged(log), pytest.raises(NotCanonical, match=f"^{event.__struct_config__.tag} cannot be recorded"):
            append(log, "a", draft(), Draft(event=event))

    def test_bodies_are_not_endlessly_deep(self, log: EventLog) -> None:
        deep: dict[str, Any] = {}
        for _ in range(100_000):
            deep = {"a": deep}
        with unchanged(log), pytest.raises(NotCanonical):
            append(log, "a", Draft(event=events.VerifyFinished(evidence=deep)))
        while deep:  # taken apart from the outside: the interpreter would recurse
            deep = deep["a"]

    @pytest.mark.parametrize("stream", ["", "a\x00", "\ud800"])
    def test_streams_have_names(self, log: EventLog, stream: str) -> None:
        with unchanged(log), pytest.raises(NotCanonical):
            log.append(batch(log, "a").__class__(stream=stream, expected=0, epoch=0, at=AT, drafts=(draft(),)))

    def test_header_too_large(self, log: EventLog) -> None:
        append(log, "a", draft(run="r" * 10_000))
        with unchanged(log), pytest.raises(HeaderTooLarge, match="put long text in the body") as caught:
            append(log, "a", draft(run="r" * HEADER_BYTES_MAX))
        assert caught.value.size_bytes > caught.value.limit_bytes == HEADER_BYTES_MAX

    def test_body_too_large(self, log: EventLog) -> None:
        with unchanged(log), pytest.raises(BodyTooLarge, match="put large payloads in a blob") as caught:
            append(log, "a", draft("x" * BODY_BYTES_MAX))
        assert caught.value.size_bytes > caught.value.limit_bytes == BODY_BYTES_MAX

    def test_a_batch_has_a_number_of_drafts(self, log: EventLog) -> None:
        empty = batch(log, "a").__class__(stream="a", expected=0, epoch=0, at=AT, drafts=())
        with unchanged(log), pytest.raises(NotCanonical, match="1 to 10000 drafts"):
            log.append(empty)
        with unchanged(log), pytest.raises(NotCanonical, match="1 to 10000 drafts"):
            append(log, "a", *[bare()] * (DRAFTS_MAX + 1))

    def test_drafts_name_blobs_that_are_there(self, log: EventLog) -> None:
        with unchanged(log), pytest.raises(BlobMissing, match=SHA):
            append(log, "a", draft(), draft(blobs=(SHA,)))

    def test_each_batch_of_several_stands_for_itself(self, log: EventLog) -> None:
        append(log, "a")
        rows = list(log.read())
        results = log.append_many(
            [
                batch(log, "a", draft("1"), expected=1),
                batch(log, "b", draft("2"), expected=1),
                batch(log, "c", draft("3"), draft(attempt=-1)),
                batch(log, "a", draft("4"), expected=2),
                batch(log, "a", draft("5"), expected=2),
                batch(log, "d", draft("6"), epoch=9),
                batch(log, "d", draft("7", blobs=(SHA,))),
                batch(log, "b", draft("8")),
            ]
        )
        assert [type(result) for result in results] == [
            *(Appended, WrongVersion, NotCanonical, Appended, WrongVersion, StaleEpoch, BlobMissing, Appended)
        ]
        added = list(log.read())
        assert added[: len(rows)] == rows
        texts = [decode(row).event.message for row in added[len(rows) :]]  # type: ignore[union-attr]
        assert texts == ["1", "4", "8"]
        assert [result.ledger.number for result in results if isinstance(result, Appended)] == [3, 4, 5]
        assert (log.version("a"), log.version("b"), log.version("c"), log.version("d")) == (3, 1, 0, 0)
        assert audit(log).valid

    def test_blobs_come_with_the_batches_that_name_them(self, log: EventLog) -> None:
        packed = [log.blobs.pack(data) for data in (b"payload", noise(200_000), b"payload")]
        names = [blob.digest for blob in packed]
        assert names == [digest(b"payload"), digest(noise(200_000)), digest(b"payload")]
        assert not any(log.blobs.has(name) for name in names)
        wanted = [batch(log, "a", draft(blobs=tuple(names))), batch(log, "b", draft(blobs=(SHA,)))]
        results = log.append_many(wanted, blobs=packed)
        assert [type(result) for result in results] == [Appended, BlobMissing]
        assert [log.blobs.get(name) for name in names] == [b"payload", noise(200_000), b"payload"]
        assert (audit(log).verdict, audit(log).blobs) == ("VALID", 2)

    def test_blobs_come_alone(self, log: EventLog) -> None:
        head = log.head()
        assert log.append_many([], blobs=[log.blobs.pack(b"payload")]) == []
        with unchanged(log):
            assert log.append_many([], blobs=[log.blobs.pack(b"payload")]) == []
        assert (log.head(), log.blobs.get(digest(b"payload"))) == (head, b"payload")

    def test_no_batches(self, log: EventLog) -> None:
        with unchanged(log):
            assert log.append_many([]) == []

    def test_many_streams(self, log: EventLog) -> None:
        results = log.append_many([batch(log, f"s/{number % 50}", expected=number // 50) for number in range(200)])
        assert not [result for result in results if not isinstance(result, Appended)]
        assert (audit(log).records, audit(log).streams) == (201, 51)

    def test_a_closed_log_refuses(self, log: EventLog) -> None:
        wanted = batch(log, "a")
        log.close()
        log.close()
        with pytest.raises(Closed):
            log.append(wanted)
        with pytest.raises(Closed):
            log.open_epoch(actor=OPERATOR, at=AT, reason="")

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    @pytest.fixture
    def mixed(self, log: EventLog) -> EventLog:
        for number in range(60):
            header: dict[str, Any] = {}
            if number % 2:
                header["run"] = f"r{number % 3}"
            if number % 3:
                header |= {"snapshot": "sha256:" + str(number % 2) * 64, "stage": f"s{number % 4}"}
            if number % 5:
                header["outcome"] = ("ok", "failed")[number % 2]
            make = (draft, bare)[number % 4 == 0]
            at = f"2030-01-31T12:00:{number // 2:02d}.000Z"
            append(log, f"{'äb'[number % 2]}/{number % 7}", make(**header), at=at)
        erase(log, [3, 5])
        return log

    @pytest.mark.parametrize(
        "selection",
        [
            Selection(),
            Selection(stream="ä/2"),
            Selection(stream="none"),
            Selection(stream_prefix="ä/"),
            Selection(stream_prefix="b/_"),
            Selection(stream_prefix="%"),
            Selection(run="r1"),
            Selection(snapshot="sha256:" + "1" * 64),
            Selection(stage="s1"),
            Selection(outcome="failed"),
            Selection(types=("run.succeeded",)),
            Selection(types=("run.succeeded", "run.blocked", "none")),
            Selection(after=20),
            Selection(after=-3, until=4),
            Selection(until=20),
            Selection(after=19, until=20),
            Selection(after=20, until=19),
            Selection(after=1_000),
            Selection(until=1_000),
            Selection(since="2030-01-31T12:00:10.000Z"),
            Selection(before="2030-01-31T12:00:10.000Z"),
            Selection(since="2030-01-31T12:00:10.000Z", before="2030-01-31T12:00:11.000Z"),
            Selection(stream="ä/2", run="r1"),
            Selection(stream_prefix="b", run="r1", after=10, until=50),
            Selection(stream_prefix="b", types=("run.blocked",), outcome="failed", stage="s1"),
            Selection(run="r2", snapshot="sha256:" + "1" * 64, stage="s3", since=AT, before=LATER.replace("1Z", "9Z")),
            Selection(types=("run.blocked", "run.succeeded"), after=7, since="2030-01-31T12:00:05.000Z", until=30),
        ],
        ids=repr,
    )
    def test_selections(self, mixed: EventLog, selection: Selection) -> None:
        everything = list(mixed.read())
        naive = [row for row in everything if matches(decode_header(row.header), selection)]
        assert list(mixed.read(selection)) == naive

    def test_reading_is_lazy(self, mixed: EventLog) -> None:
        reading = mixed.read()
        assert isinstance(reading, Iterator)
        assert next(reading).seq == 1
        append(mixed, "new")
        assert [row.seq for row in mixed.read()] == list(range(1, 64))
        assert next(reading).seq == 2
        reading.close()  # type: ignore[attr-defined]

    def test_reading_while_writing(self, log: EventLog) -> None:
        append(log, "a", *[bare()] * 1_200)
        seen = [row.seq for row in log.read() if row.seq % 100 or append(log, "b")]
        assert seen[: 12 * 100] == list(range(1, 1_201))
        assert audit(log).valid

    # ── erasing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def test_erase(self, log: EventLog) -> None:
        append(log, "a", draft("secret"), draft("other"), bare())
        before = list(log.read())
        result = erase(log, [2], reason="order 7")
        rows = list(log.read())
        assert rows[1] == before[1]._replace(body=None, salt=None)
        assert [rows[0], *rows[2:4]] == [before[0], *before[2:]]
        assert result.ledger == log.head() == Head(5, digest(rows[4].header))
        assert decode(rows[4]).event == events.LedgerBodiesErased(positions=[2], reason="order 7")
        assert [log.erased(seq) for seq in range(1, 6)] == [False, True, False, False, False]
        assert decode(rows[1]).event is None
        report = audit(log)
        assert (report.verdict, report.erased) == ("VALID", 1)

    def test_erase_several_and_again(self, log: EventLog) -> None:
        append(log, "a", draft(), draft(), draft(), bare())
        erase(log, [4, 2])
        erase(log, [2, 3, 5])
        assert [row.seq for row in log.read() if row.body is None] == [1, 2, 3, 4, 5]
        assert audit(log).valid

    def test_a_refused_erasure_changes_nothing(self, log: EventLog) -> None:
        append(log, "a", draft(), draft())
        erase(log, [2])
        order = Draft(event=events.LedgerBodiesErased(positions=[3], reason=""))
        for wrong, error in (({"expected": 9}, WrongVersion), ({"epoch": 9}, StaleEpoch), ({"at": ""}, NotCanonical)):
            with unchanged(log), pytest.raises(error):
                log.erase([3], batch=batch(log, HOUSEKEEPING, order, **wrong))

    @pytest.mark.parametrize(
        ("positions", "why"),
        [
            ([0], "there is no record at position 0"),
            ([-1], "there is no record at position -1"),
            ([5], "there is no record at position 5"),
            ([99], "there is no record at position 99"),
            ([2, 4], "position 4 is the record of an erasure"),
        ],
    )
    def test_erase_what_cannot_be_erased(self, log: EventLog, positions: list[int], why: str) -> None:
        append(log, "a", draft(), draft())
        erase(log, [2])
        with unchanged(log), pytest.raises(NotCanonical, match=why):
            erase(log, positions)

    def test_erase_records_what_it_erases(self, log: EventLog) -> None:
        append(log, "a", draft(), draft())
        order = Draft(event=events.LedgerBodiesErased(positions=[2], reason=""))
        for wanted in ((order,), (draft(),)):
            with unchanged(log), pytest.raises(NotCanonical, match="the positions that it names"):
                log.erase([2, 3], batch=batch(log, HOUSEKEEPING, *wanted))

    # ── blobs ────────────────────────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("size_bytes", [0, 1, 10_000, 300_000])
    def test_blobs(self, log: EventLog, size_bytes: int) -> None:
        data = noise(size_bytes)
        name = log.blobs.put(data)
        assert name == digest(data)
        assert log.blobs.put(data[start : start + 999] for start in range(0, size_bytes, 999)) == name
        assert log.blobs.get(name) == b"".join(log.blobs.read(name)) == data
        assert log.blobs.has(name)
        assert list(log.blobs.digests()) == [name]

    def test_blobs_are_sorted(self, log: EventLog) -> None:
        names = [log.blobs.put(bytes([number])) for number in range(20)]
        assert list(log.blobs.digests()) == sorted(names)

    @pytest.mark.parametrize("name", [SHA, "", "sha256:../../etc/passwd", "x"])
    def test_a_missing_blob(self, log: EventLog, name: str) -> None:
        assert not log.blobs.has(name)
        with pytest.raises(BlobMissing):
            log.blobs.get(name)

    @pytest.mark.parametrize("size_bytes", [10, 200_000])
    def test_blobs_have_limits_both_ways(self, log: EventLog, size_bytes: int) -> None:
        data = noise(size_bytes)
        with unchanged(log), pytest.raises(BlobTooLarge, match="nothing was stored"):
            log.blobs.put((data[:5], data[5:]), limit_bytes=size_bytes - 1)
        name = log.blobs.put(data, limit_bytes=size_bytes)
        assert log.blobs.get(name, limit_bytes=size_bytes) == data
        with pytest.raises(BlobTooLarge):
            log.blobs.get(name, limit_bytes=size_bytes - 1)

    def test_a_failing_source_stores_nothing(self, log: EventLog) -> None:
        def chunks() -> Iterator[bytes]:
            yield noise(200_000)
            raise ConnectionError

        with unchanged(log), pytest.raises(ConnectionError):
            log.blobs.put(chunks())

    # ── racing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def test_threads_race_for_versions(self, log: EventLog) -> None:
        streams, acknowledged, barrier = ("a", "b"), [[] for _ in range(4)], Barrier(4)  # type: ignore[var-annotated]

        def work(number: int) -> None:
            barrier.wait()
            for turn in range(40):
                stream = streams[turn % 2]
                text = f"{number}.{turn}"
                try:
                    result = append(log, stream, draft(text), draft(text))
                except WrongVersion:
                    continue
                acknowledged[number].append((stream, result.first_version, result.stream, text))

        together(work, 4)
        decoded = [decode(row) for row in log.read()][1:]
        found = {(h.stream, h.ver): event.message for h, event in decoded if isinstance(event, events.RunBlocked)}
        told = [answer for answers in acknowledged for answer in answers]
        assert len(told) * 2 == len(decoded) == len(found) > 8
        for stream, version, end, text in told:
            assert end.number == version + 1
            assert (found[stream, version], found[stream, version + 1]) == (text, text)
        assert audit(log).valid

    def test_threads_race_for_epochs(self, log: EventLog) -> None:
        opened: list[int] = []
        together(lambda _: opened.append(log.open_epoch(actor=OPERATOR, at=AT, reason="race")), 8)
        assert sorted(opened) == list(range(1, 9))
        assert log.epoch == 8
        assert audit(log).valid

    def test_threads_read_while_others_write(self, log: EventLog) -> None:
        def work(number: int) -> None:
            for turn in range(25):
                if number % 2:
                    append(log, str(number), draft(str(turn)))
                else:
                    rows = list(log.read())
                    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
                    assert all(digest(a.header) == decode_header(b.header).gprev for a, b in pairwise(rows))

        together(work, 4)
        assert log.head().number == 51
        assert audit(log).valid

    # ── what a refusal is ────────────────────────────────────────────────────────────────────────────────────────

    def test_refusals_are_of_one_family(self, log: EventLog) -> None:
        with pytest.raises(AppendRefused):
            append(log, "a", expected=5)
        assert Head(0, "") == START
