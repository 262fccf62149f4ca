from __future__ import annotations

from replay.bundle.format import Derived, Omitted, Sealed, Shortened
from replay.bundle.redactions import Contents, text


def test_it_tells_what_was_left_out_and_why() -> None:
    gone = Omitted(seq=7, digest="sha256:abc", what="artifact", why="'a.yaml' has a Secret\x1b[31m")
    page = text(Contents("stageset/a/b/c", "a/b/c-1", 9, 3, [gone, Omitted(seq=8, what="body", why="erased")], 2))
    assert "- position 7: artifact sha256:abc: 'a.yaml' has a Secret\\x1b[31m" in page
    assert "- position 8: body: erased" in page
    assert "2 payloads that only other runs" in page
    assert "\x1b" not in page


def test_nothing_left_out() -> None:
    page = text(Contents("s", "r", 1, 0, [], 0))
    assert page.endswith("## With stand-ins\n\nNothing.\n\n## Left out\n\nNothing.\n")
    assert "Nothing was encrypted for anybody." in page


def test_it_tells_what_has_stand_ins_what_is_shorter_and_who_can_read_more() -> None:
    derived = Derived(seq=3, digest="sha256:0", member="sha256:1", files=("a.yaml", "b\x1b.yaml"), generates=True)
    shortened = Shortened(seq=5, fields=("/evidence/containers/0/log",))
    sealed = Sealed(recipients=("age1abc",), artifacts=("sha256:0",))
    contents = Contents("s", "r", 9, 1, [], 0, [derived], [shortened], sealed=sealed)
    page = text(contents)
    assert "- position 3: artifact sha256:0: in a.yaml, b\\x1b.yaml\n  It is sha256:1 here" in page
    assert "Names of generated Secrets end otherwise" in page
    assert "- position 5: /evidence/containers/0/log" in page
    assert "`secrets.age` holds 1 of these artifacts byte for byte, encrypted with age for age1abc." in page
    assert "(`--with-logs`), as they were recorded" in text(contents._replace(with_logs=True))
