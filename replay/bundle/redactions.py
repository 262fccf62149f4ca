"""`REDACTIONS.md`: tells whoever gets a bundle what is inside, what was left out, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ledger.render import safe
from replay.bundle.format import SECRETS, Derived, Omitted, Sealed, Shortened
from replay.bundle.secrecy import VALUE_BYTES_MIN

_HEAD = """\
# What is in this bundle, and what is not

Inside: the records of {stream} from its first to position {last_seq}, word for word as they were written and hashed
(those that lack something are named below), and {blobs} payloads that run {run} names: artifacts as they were fetched
or with stand-ins, built manifests, and what operations were told when they failed.

## Secrets

- The values of Secrets were never recorded: manifests hold tokens in their place, such as
  `secret:Secret/ns/name.key#…`. The keyed hash in a token can only be made with a key that stays in the installation.
- Where an artifact spells a Secret out, or makes one (`secretGenerator`), each value is a stand-in of the same kind;
  where that is not sure to take all of it out, the artifact is left out whole. Values of ConfigMaps are no secrets.
- All that is inside was searched for the values of such Secrets, raw and in base64, URL, JSON and hexadecimal form.
  Values of fewer than {value_bytes_min} bytes were not searched for.
- {sealed}

## Logs

{logs}

## With stand-ins
"""
_NOT_SEALED = "Nothing was encrypted for anybody."
_WITH_LOGS = (
    "Tails of the logs of Jobs are inside (`--with-logs`), as they were recorded: without known values of Secrets."
)
_WITHOUT_LOGS = """\
Tails of the logs of Jobs are left out (`--with-logs` takes them in); the last line may stand in the sentence that says
why an action failed. A record that lacks one cannot be held against its digest:
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
    derived: Sequence[Derived] = ()
    shortened: Sequence[Shortened] = ()
    with_logs: bool = False
    sealed: Sealed | None = None


def text(contents: Contents) -> str:
    """The page. The same bundle has the same page."""
    head = _HEAD.format(
        stream=safe(contents.stream),
        run=safe(contents.run),
        last_seq=contents.last_seq,
        blobs=contents.blobs,
        value_bytes_min=VALUE_BYTES_MIN,
        sealed=_encrypted(contents.sealed),
        logs=_WITH_LOGS if contents.with_logs else "\n".join((_WITHOUT_LOGS, *_or_nothing(_shortened(contents)))),
    )
    parts = (head, *_or_nothing(_derived(contents)), "\n## Left out\n", *_or_nothing(_omitted(contents)), "")
    return "\n".join(parts)


def _or_nothing(lines: Iterable[str]) -> list[str]:
    return [*lines] or ["Nothing."]


def _encrypted(sealed: Sealed | None) -> str:
    if sealed is None:
        return _NOT_SEALED
    readers = ", ".join(safe(one) for one in sealed.recipients)
    return (
        f"`{SECRETS}` holds {len(sealed.artifacts)} of these artifacts byte for byte, encrypted with age for {readers}."
    )


def _shortened(contents: Contents) -> Iterator[str]:
    for one in contents.shortened:
        yield f"- position {one.seq}: {', '.join(safe(field) for field in one.fields)}"


def _derived(contents: Contents) -> Iterator[str]:
    for one in contents.derived:
        names = ", ".join(safe(name) for name in one.files)
        yield f"- position {one.seq}: artifact {one.digest}: in {names}"
        yield f"  It is {one.member} here; that it was made of the artifact of that digest cannot be proved without it."
        if one.generates:
            yield "  Names of generated Secrets end otherwise with it, and so do references to them."


def _omitted(contents: Contents) -> Iterator[str]:
    for one in contents.omitted:
        yield f"- position {one.seq}: {one.what} {one.digest}: {safe(one.why)}".replace(" :", ":")
    if contents.elsewhere:
        yield f"- {contents.elsewhere} payloads that only other runs of the stream name"
