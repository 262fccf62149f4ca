"""A bundle that proves itself and is made of nothing but attacks on whoever shows it: each text tries to be markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.envelope import Stored, body_digest, decode_header, digest
from ledger.events import BY_TAG
from ledger.upcast import decode
from replay.bundle import format as form
from replay.bundle.format import Manifest, Software
from tests.replay import parts

#: Leaves attributes, elements, comments, style sheets; runs where anything of it becomes markup.
ATTACK = (
    "\"'--></style></title></pre></textarea>]]><script>window.pwned=1</script>"
    "<img src=x onerror=window.pwned=1><svg onload=window.pwned=1>"
    "<a href=javascript:window.pwned=1>&lt;script&gt;&#60;{{7*7}}${7*7}"
)
#: What a body may also hold, and a header may not.
UNPRINTABLE = "\u202e\x00\x1b[31m\u2028\r\n"
#: Fields that are one of a few words, and digests that lead to payloads.
_KEPT = frozenset({"trigger", "hook", "answer", "digest", "manifests", "artifact"})


def hostile(data: bytes) -> bytes:
    """The bundle with an attack in every text of its records, its manifests and its environment."""
    members = parts.members(data)
    bundle = parts.parsed(data)
    moved = _payloads(members)
    records: list[Stored] = []
    for stored in bundle.records:
        made = _record(stored, moved)
        records.append(parts.with_header(made, prev=digest(records[-1].header) if records else ""))
    members[form.EVENTS] = parts.lines(records)
    environment = replace(
        bundle.environment, version=ATTACK, recorded_by=(Software(epoch=1, software=ATTACK),), policy={ATTACK: ATTACK}
    )
    members[form.ENVIRONMENT] = form.encode(environment)
    members[form.REDACTIONS] += (ATTACK + UNPRINTABLE).encode()
    manifest = msgspec.json.decode(members[form.MANIFEST], type=Manifest)
    last = decode_header(records[-1].header)
    ordered = {name: members[name] for name in (form.MANIFEST, *form.FIXED)}
    ordered |= {name: members[name] for name in sorted(members) if name.startswith("blobs/")}
    return parts.vouched(
        parts.packed(ordered.items()),
        stream=last.stream,
        run=manifest.run + ATTACK,
        head=digest(records[-1].header),
        omitted=(form.Omitted(seq=1, digest=ATTACK, what=ATTACK, why=ATTACK + UNPRINTABLE),),
    )


def _record(stored: Stored, moved: Mapping[str, str]) -> Stored:
    header, event = decode(stored)
    body = msgspec.to_builtins(event)
    tag = body.pop("type")
    made = parts.with_body(stored, msgspec.convert({"type": tag, **_attacked(body, moved)}, BY_TAG[tag]))
    made = parts.with_header(made, **_header(header, moved))
    return parts.with_header(made, body=body_digest(made.salt or b"", made.body)) if made.body is not None else made


def _header(header: Any, moved: Mapping[str, str]) -> dict[str, Any]:
    fields = {name: value + ATTACK for name in ("stage", "run") if (value := getattr(header, name))}
    blobs = tuple(moved.get(name, name) for name in header.blobs)
    return {**fields, "stream": header.stream + ATTACK, "blobs": blobs}


def _payloads(members: dict[str, bytes]) -> dict[str, str]:
    """Put attacks into the manifests; returns their new digests by the old ones."""
    moved = {}
    for name in [name for name in members if name.startswith("blobs/")]:
        try:
            objects = msgspec.json.decode(members[name])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        data = msgspec.json.encode(_attacked(objects, {}))
        del members[name]
        members[form.blob_name(digest(data))] = data
        moved[name.removeprefix("blobs/").replace("-", ":", 1)] = digest(data)
    return moved


def _attacked(value: Any, moved: Mapping[str, str], *, top: bool = True) -> Any:
    match value:
        case dict():
            return {
                key if top else f"{key}{ATTACK}": inner
                if key in _KEPT and inner not in moved
                else _attacked(inner, moved, top=top and key in _STRUCTS)
                for key, inner in value.items()
            }
        case list():
            return [_attacked(inner, moved, top=top) for inner in value]
        case str():
            return moved.get(value) or value + ATTACK + UNPRINTABLE
        case _:
            return value


#: Fields that hold values of the vocabulary: their keys are names of fields.
_STRUCTS = frozenset(
    {"pins", "objects", "pin", "anchors", "owned", "replace", "left", "anchor", "stages", "completions"}
)
