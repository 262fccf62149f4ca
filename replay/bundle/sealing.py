"""Encrypts for one reader what a bundle leaves out: the artifacts that spell Secrets out, byte for byte, with age.

Not a way to open them: `age -d -i KEY` does that, and gives a tar archive. What was never recorded (the values that
Secrets of the cluster had) cannot be in it. The format is age-encryption.org/v1; the library is loaded where it is
asked for, and is not needed to read a bundle.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from replay.errors import Unreadable

#: More is not held in memory to be encrypted.
BYTES_MAX = 192 * 1024 * 1024


class NoRecipient(ValueError):
    """Nothing can be encrypted for a text, which the message does not repeat: it may be an identity, hence secret."""


def recipient(text: str) -> Any:
    """The key behind `age1…`. Raises `NoRecipient`, also where the library is not installed."""
    age = _library()
    try:
        return age.x25519.Recipient.from_str(text)
    except age.RecipientError as error:
        kind = "an identity, which is for the reader alone" if text.upper().startswith("AGE-SECRET-KEY") else "none"
        raise NoRecipient(
            f"a recipient is 'age1' and 58 more characters, as age-keygen prints it; this is {kind}"
        ) from error


def sealed(artifacts: Mapping[str, bytes], recipients: Sequence[str]) -> bytes:
    """A tar archive of artifacts by digest, encrypted so that each of the recipients can open it.

    Raises `Unreadable` where they are too large, and what `recipient` raises. Never twice the same bytes.
    """
    if sum(map(len, artifacts.values())) > BYTES_MAX:
        raise Unreadable(
            f"the artifacts to encrypt have more than {BYTES_MAX} bytes: leave --include-secrets out, and hand them "
            "over by other means"
        )
    keys = [recipient(text) for text in recipients]
    encrypted: bytes = _library().encrypt(_archive(artifacts), keys)
    return encrypted


def member(digest: str) -> str:
    """The name of an artifact in the archive."""
    return digest.replace(":", "-", 1) + ".tar.gz"


def _archive(artifacts: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for digest, data in sorted(artifacts.items()):
            entry = tarfile.TarInfo(member(digest))
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return target.getvalue()


def _library() -> Any:
    try:
        return import_module("pyrage")
    except ImportError as error:
        raise NoRecipient("encrypting needs the library pyrage: install stageset-controller[age]") from error
