from __future__ import annotations

from replay.bundle.format import Omitted
from replay.bundle.redactions import Contents, text


def test_it_tells_what_was_left_out_and_why() -> None:
    gone = Omitted(seq=7, digest="sha256:abc", what="artifact", why="'a.yaml' has a Secret\x1b[31m")
    page = text(Contents("stageset/a/b/c", "a/b/c-1", 9, 3, [gone, Omitted(seq=8, what="body", why="erased")], 2))
    assert "- position 7: artifact sha256:abc: 'a.yaml' has a Secret\\x1b[31m" in page
    assert "- position 8: body: erased" in page
    assert "2 payloads that only other runs" in page
    assert "\x1b" not in page


def test_nothing_left_out() -> None:
    assert text(Contents("s", "r", 1, 0, [], 0)).endswith("## Left out\n\nNothing.\n")
