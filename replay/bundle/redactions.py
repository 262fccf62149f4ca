"""`REDACTIONS.md`: tells whoever gets a bundle what is inside, what was left out, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ledger.render import safe
from replay.bundle.format import Omitted
from replay.bundle.secrecy import VALUE_BYTES_MIN

_HEAD = """\
# What is in this bundle, and what is not

Inside: the records of {stream} from its first to position {last_seq}, word for word as they were written and hashed,
and {blobs} payloads that run {run} names: artifacts as they were fetched, and built manifests.

## Secrets

- The values of Secrets were never recorded: manifests hold tokens in their place, such as
  `secret:Secret/ns/name.key#…`. The keyed hash in a token can only be made with a key that stays in the installation.
- An artifact that spells out a Secret, or makes one (`secretGenerator`), is left out whole.
- All that is inside was searched for the values of such Secrets, raw and in base64, URL, JSON and hexadecimal form.
  Values of fewer than {value_bytes_min} bytes were not searched for.

## Left out
"""


class Contents(NamedTuple):
    """What the page tells of."""

    stream: str
    run: str
    last_seq: int
    #: payloads that are inside
    blobs: int
    omitted: Iterable[Omitted]
    #: payloads that only other runs name
    elsewhere: int


def text(contents: Contents) -> str:
    """The page. The same bundle has the same page."""
    stream, run, last_seq, blobs, omitted, elsewhere = contents
    head = _HEAD.format(
        stream=safe(stream), run=safe(run), last_seq=last_seq, blobs=blobs, value_bytes_min=VALUE_BYTES_MIN
    )
    lines = [f"- position {one.seq}: {one.what} {one.digest}: {safe(one.why)}".replace(" :", ":") for one in omitted]
    lines += [f"- {elsewhere} payloads that only other runs of the stream name"] if elsewhere else []
    return "\n".join((head, *(lines or ["Nothing."]), ""))
