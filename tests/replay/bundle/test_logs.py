from __future__ import annotations

import msgspec

from ledger.envelope import Stored, decode_header
from ledger.export.record import Exported
from replay.bundle.logs import without_logs
from tests.replay import making


def record(body: object) -> Exported:
    first = next(iter(making.played(_nothing).read()))
    stored = Stored(1, first.header, msgspec.json.encode(body), b"salt")
    return Exported(stored, decode_header(first.header), "sha256:")


async def _nothing(_: object) -> None:
    pass


def test_log_tails_go_and_everything_else_stays() -> None:
    body = {"reason": "JobFailed", "evidence": {"containers": [{"exitCode": 3}, {"log": "words", "pod": "p"}]}}
    made, shortened = without_logs(record(body))
    assert shortened is not None
    assert (shortened.seq, shortened.fields) == (1, ("/evidence/containers/1/log",))
    kept = {"reason": "JobFailed", "evidence": {"containers": [{"exitCode": 3}, {"pod": "p"}]}}
    assert msgspec.json.decode(made.stored.body or b"") == kept
    # With the salt, what was left out could be guessed at.
    assert made.stored.salt is None


def test_other_records_are_untouched() -> None:
    for body in ({"evidence": {"log": 5}}, {"log": "of another kind"}, {"message": '"log":'}):
        given = record(body)
        made, shortened = without_logs(given)
        assert shortened is None
        assert made is given
