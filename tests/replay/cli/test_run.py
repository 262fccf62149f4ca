from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from replay.bundle import format as form
from replay.isolation import parent
from tests.replay import parts
from tests.replay.ledgers import command
from tests.replay.test_replayer import _seq_of


def _environment(data: bytes, **fields: object) -> bytes:
    environment = parts.parsed(data).environment
    return parts.vouched(parts.changed(data, environment=form.encode(replace(environment, **fields))))


def test_reproduced_is_0(bundle: Path) -> None:
    done = command("run", bundle)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("REPRODUCED  ")
    assert "guards on: " in done.stdout
    report = msgspec.json.decode(command("run", "-o", "json", bundle).stdout)
    assert report["verdict"] == "REPRODUCED"
    assert report["guards"]["no environment"] is True


def test_diverged_is_1_and_says_where(bundle: Path, tmp_path: Path) -> None:
    data = bundle.read_bytes()
    found = parts.parsed(data)
    place = [one.seq for one in found.records].index(_seq_of(found, "verify.intended"))
    records = list(found.records)
    body = (records[place].body or b"").replace(b"2030-", b"2031-")
    from ledger.envelope import body_digest, digest

    made = parts.with_header(records[place], body=body_digest(records[place].salt or b"", body))._replace(body=body)
    records = parts.rechained([*records[:place], made, *records[place + 1 :]], since=place)
    forged = tmp_path / "forged"
    forged.write_bytes(parts.with_records(data, records, head=digest(records[-1].header)))
    done = command("run", forged)
    assert done.exit_code == 1, done.stdout
    assert done.stdout.splitlines()[0].startswith("DIVERGED  ")
    assert f"INPUT  position {made.seq} (verify.intended): it is decided otherwise now" in done.stdout
    assert "field   body/deadline" in done.stdout
    report = msgspec.json.decode(command("run", "-o", "json", forged).stdout)
    assert report["divergence"]["first"]["recorded"].startswith('"2031-')
    assert command("run", "--until", str(made.seq - 2), forged).exit_code == 0


@pytest.mark.parametrize(("words", "code"), [(("--probe", "x"), 2), (("--until", "0"), 2)])
def test_wrong_usage_is_2(bundle: Path, words: tuple[str, ...], code: int) -> None:
    assert command("run", *words, bundle).exit_code == code


def test_unreadable_is_3(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(bundle.read_bytes()[:-1])
    for path in (tmp_path / "cut", tmp_path / "none", tmp_path):
        done = command("run", path)
        assert done.exit_code == 3
        assert done.stderr.startswith(f"Error: {path}: ")
        assert len(done.stderr.splitlines()) == 1


def test_incomplete_is_4(bundle: Path) -> None:
    done = command("run", "--until", "100000", bundle)
    assert done.exit_code == 4
    assert "position 100000 is not in the bundle" in done.stderr


def test_incompatible_is_5(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "newer").write_bytes(_environment(bundle.read_bytes(), folds=10_000))
    done = command("run", tmp_path / "newer")
    assert done.exit_code == 5
    assert "use a newer stagesetctl" in done.stderr


def test_broken_isolation_is_6(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = parent.BOOT.replace("; main(", "; import reconciler.step as s, socket; real = s.decide; "
        "s.decide = lambda state: (socket.getaddrinfo('localhost', 1), real(state))[1]; main(")  # fmt: skip
    monkeypatch.setattr(parent, "BOOT", planted)
    done = command("run", bundle)
    assert done.exit_code == 6, done.stdout
    assert "socket.getaddrinfo" in done.stderr


def test_probes(bundle: Path) -> None:
    done = command("run", "--probe", "2", bundle)
    assert done.exit_code == 0, done.stderr
    assert "2 probes said the same" in done.stdout
