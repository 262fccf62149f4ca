"""The format of a bundle: names, order and caps of its members, and what its manifest says.

A zstd frame around a ustar archive, in which only this may be, in this order: `manifest.json`, `environment.json`,
`REDACTIONS.md`, `events.jsonl`, perhaps `secrets.age`, then blobs by digest. The manifest is canonical JSON and has the
digest of all others.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from replay.errors import Unreadable

#: Version of this format. A reader refuses any other.
FORMAT = 1
SUFFIX = ".stagereplay"
MANIFEST, ENVIRONMENT, REDACTIONS, EVENTS = "manifest.json", "environment.json", "REDACTIONS.md", "events.jsonl"
#: The members before the blobs, in their order; the manifest stands before them.
FIXED = (ENVIRONMENT, REDACTIONS, EVENTS)
#: What was encrypted for somebody; between these and the blobs, where it is there.
SECRETS = "secrets.age"
BLOCK_BYTES = 512
#: zstd may look back so far, as a power of two: it is what a reader's decompressor takes in memory.
WINDOW_LOG = 23
_BLOB = re.compile(r"blobs/sha256-[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MIB = 1024 * 1024
T = TypeVar("T")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Caps on what is read, and so on what is written."""

    file_bytes_max: int = 512 * _MIB
    inflated_bytes_max: int = 768 * _MIB
    #: inflated size by compressed size, counted once more than `ratio_free_bytes` came out
    ratio_max: int = 200
    ratio_free_bytes: int = 8 * _MIB
    members_max: int = 10_000
    manifest_bytes_max: int = 4 * _MIB
    text_bytes_max: int = _MIB
    events_bytes_max: int = 48 * _MIB
    records_max: int = 50_000


LIMITS = Limits()


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member of the archive beside the manifest."""

    name: str
    size_bytes: int
    #: `sha256:<64 hex>` of its content
    digest: str


class Omitted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that records name and the bundle does not have."""

    #: position of the record that names it first
    seq: int
    #: digest of a blob; empty for the body of a record
    digest: str = ""
    #: artifact, payload, body
    what: str
    why: str


class Derived(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An artifact in which stand-ins stand for values of Secrets: not the bytes that the records name."""

    #: position of the record that names it first
    seq: int
    #: digest of the artifact, as records name it; nothing in the bundle can be held against it
    digest: str
    #: digest of the member that stands for it
    member: str
    #: files in it that are not what they were, by name
    files: tuple[str, ...]
    #: whether a Secret is generated of what was replaced: its name then ends otherwise, and so do references to it
    generates: bool = False


class Shortened(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record whose body lacks something that decides nothing. What is there cannot be held against its digest."""

    seq: int
    #: JSON pointers of what was left out
    fields: tuple[str, ...]


class Sealed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `secrets.age` holds, and for whom."""

    #: age recipients, as they were given
    recipients: tuple[str, ...]
    #: digests of the artifacts in it, byte for byte
    artifacts: tuple[str, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a bundle says of itself."""

    format: int
    #: id of the ledger
    ledger: str
    stream: str
    run: str
    #: positions in the ledger of the run's first record and of the last record that is here
    first_seq: int
    last_seq: int
    #: how many records there are: the stream from its first version to this one
    records: int
    #: hash of the header of the last one: what proves all of them
    head: str
    members: tuple[Member, ...]
    omitted: tuple[Omitted, ...] = ()
    #: how many payloads only other runs of the stream name; none of them is here
    elsewhere: int = 0
    #: artifacts that are here with stand-ins for values of Secrets
    derived: tuple[Derived, ...] = ()
    #: records that are here without log tails
    shortened: tuple[Shortened, ...] = ()
    sealed: Sealed | None = None

    def stand_in(self, digest: str) -> Derived | None:
        """What stands for the artifact with a digest; None where it is here as it was, or not at all."""
        return next((one for one in self.derived if one.digest == digest), None)


class Software(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wrote records: name and version by writer epoch."""

    epoch: int
    software: str


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the decisions depended on beside the recorded facts."""

    #: version of the distribution that made the bundle
    version: str
    #: digest of the deciding code of that version
    code: str
    #: version of the envelope, and of the folds
    envelope: int
    folds: int
    #: writers of the records, by epoch
    recorded_by: tuple[Software, ...] = ()
    #: the settings that the run's decisions read, as `run.opened` has them
    policy: dict[str, Any] = {}


class _Version(msgspec.Struct, frozen=True, kw_only=True):
    format: int


def encode(value: Manifest | Environment) -> bytes:
    """Canonical JSON with a newline."""
    return msgspec.json.encode(value, order="deterministic") + b"\n"


def blob_name(digest: str) -> str:
    """The member that has a blob."""
    return "blobs/" + digest.replace(":", "-", 1)


def read_manifest(data: bytes, *, limits: Limits = LIMITS) -> Manifest:
    """The manifest in `data`. Raises `Unreadable` for anything that this version would not have written."""
    version = _decoded(data, _Version, MANIFEST).format
    if version != FORMAT:
        raise Unreadable(f"it has bundle format {version}, this version reads format {FORMAT}: use another stagesetctl")
    manifest = _decoded(data, Manifest, MANIFEST)
    if encode(manifest) != data:
        raise Unreadable(f"{MANIFEST} is not canonical JSON: it was not written by stagesetctl")
    _check(manifest, limits)
    return manifest


def read_environment(data: bytes) -> Environment:
    """The environment in `data`. Raises `Unreadable`."""
    return _decoded(data, Environment, ENVIRONMENT)


def _decoded(data: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"{name} cannot be understood: {error}") from error


def _check(manifest: Manifest, limits: Limits) -> None:
    names = [member.name for member in manifest.members]
    fixed = (*FIXED, SECRETS) if manifest.sealed is not None else FIXED
    blobs = names[len(fixed) :]
    if tuple(names[: len(fixed)]) != fixed or blobs != sorted(set(blobs)):
        raise Unreadable(f"{MANIFEST}: the members are not {', '.join(fixed)} and blobs in order, each once")
    if len(names) > limits.members_max:
        raise Unreadable(f"{MANIFEST}: {len(names)} members are more than {limits.members_max}")
    if not 0 < manifest.records <= limits.records_max:
        raise Unreadable(f"{MANIFEST}: {manifest.records} records are not 1 to {limits.records_max}")
    for place, member in enumerate(manifest.members):
        is_blob = place >= len(fixed)
        if not _DIGEST.fullmatch(member.digest) or (is_blob and not _BLOB.fullmatch(member.name)):
            raise Unreadable(f"{MANIFEST}: {member.name!r:.80} is no member of a bundle")
        if is_blob and blob_name(member.digest) != member.name:
            raise Unreadable(f"{MANIFEST}: {member.name} is not named by its digest")
        if not 0 <= member.size_bytes <= _cap(member.name, limits):
            raise Unreadable(f"{MANIFEST}: {member.name} has {member.size_bytes} bytes, more than is read")
    _check_derived(manifest)


def _check_derived(manifest: Manifest) -> None:
    """What stands for another must be there, and the other must not; a record is shortened once."""
    found = {member.digest for member in manifest.members if _BLOB.fullmatch(member.name)}
    if any(one.member not in found or one.digest in found for one in manifest.derived):
        raise Unreadable(f"{MANIFEST}: what stands for an artifact is no member, or the artifact is one too")
    seqs = [one.seq for one in manifest.shortened]
    if seqs != sorted(set(seqs)):
        raise Unreadable(f"{MANIFEST}: the shortened records are not in order, each once")


def _cap(name: str, limits: Limits) -> int:
    caps = {ENVIRONMENT: limits.text_bytes_max, REDACTIONS: limits.text_bytes_max, EVENTS: limits.events_bytes_max}
    return caps.get(name, limits.inflated_bytes_max)
