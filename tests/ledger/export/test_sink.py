from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import Unavailable
from ledger.export.sink import to_file


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "out"

    def lines() -> Iterator[bytes]:
        yield b"one\n"
        assert not target.exists()
        yield b"two\n"

    to_file(target, lines())
    assert target.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_there_stays_when_the_lines_fail(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"older")

    def lines() -> Iterator[bytes]:
        yield b"one\n"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        to_file(target, lines())
    assert target.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    to_file(tmp_path / "link", [b"x"])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    to_file(pipe, [b"one\n", b"two\n"])
    reader.join()
    assert read == [b"one\ntwo\n"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a Linux device")
def test_a_full_disk_is_named() -> None:
    with pytest.raises(Unavailable, match=r"/dev/full: cannot be written: No space left on device"):
        to_file(Path("/dev/full"), [b"x"])
