"""Takes what was sent out of what came back: servers like to quote the request in their answers.

Beside whole values (`redaction`) it looks for their parts (a token after its scheme, the strings in a JSON body) and
for fragments of them, since a quotation may be cut. Invariant: what cannot be looked through is left out whole.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

from reconciler.compute.redaction import MASK, Redactor

#: Characters in a row that a text shares with a secret before they are taken out.
FRAGMENT_LENGTH = 12
#: More secret text than this is not looked for: everything is taken out instead.
SECRETS_CHARS_MAX = 64 * 1024

_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def excerpt(raw: bytes, *, scrub: Callable[[str], str], bytes_max: int) -> str:
    """The beginning of an answer without secret values; empty where it is not UTF-8 text.

    Cut after it was scrubbed, so that no value is cut in two. In another encoding a value would not be found.
    """
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return ""
    if _NOT_TEXT.search(text):
        return ""
    return scrub(text).encode()[:bytes_max].decode(errors="ignore")


def scrubber(secrets: Iterable[bytes]) -> Callable[[str], str]:
    """A function that takes these values, their parts and fragments out of a text, in their usual encodings."""
    try:
        values = [secret.decode() for secret in secrets if secret]
    except UnicodeDecodeError:
        return _everything
    if sum(map(len, values)) > SECRETS_CHARS_MAX:
        return _everything
    if not values:
        return str
    parts = [part for value in values for part in (value, *_parts(value))]
    # Host names are shown in lower case, pages escape what HTML would read.
    spelled = {form for part in parts for form in (part, part.lower(), html.escape(part))}
    redactor, forms = Redactor(spelled), [form for value in values for form in _forms(value)]
    return lambda text: _without_fragments(redactor.scrub(text), forms)


def _everything(text: str) -> str:
    return MASK if text else ""


def _parts(value: str) -> Iterator[str]:
    """What a server may quote alone: credentials after their scheme, strings in JSON, fields of a form, cookies."""
    try:
        decoded = json.loads(value)
    except (ValueError, RecursionError):
        decoded = None
    if isinstance(decoded, dict | list):
        yield from _strings(decoded)
        return
    words = re.split(r"[\s;,]+", value.strip())
    yield from (word.partition("=")[2].strip("\"'") for word in words)
    yield from (field for _, field in parse_qsl(value))
    if len(words) == 2:
        yield words[1]
        if words[0].lower() == "basic":
            yield from _basic(words[1])


def _basic(credentials: str) -> Iterator[str]:
    """RFC 7617: user and password."""
    try:
        pair = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    yield pair
    yield pair.partition(":")[2]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _forms(value: str) -> Iterator[str]:
    """The encodings in which a fragment is looked for."""
    yield from (value, json.dumps(value)[1:-1], quote(value, safe=""), quote_plus(value), html.escape(value))
    raw = value.encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode()
        yield encoded
        yield encoded.replace("+", "-").replace("/", "_")
    yield raw.hex()


def _without_fragments(text: str, forms: Iterable[str]) -> str:
    """The text without any run of `FRAGMENT_LENGTH` characters that one of the forms has too, whatever the case."""
    lowered = text.lower() if len(text.lower()) == len(text) else text
    windows: dict[str, list[int]] = {}
    for at in range(len(lowered) - FRAGMENT_LENGTH + 1):
        windows.setdefault(lowered[at : at + FRAGMENT_LENGTH], []).append(at)
    hits = set()
    for form in forms:
        low = form.lower()
        hits |= {low[at : at + FRAGMENT_LENGTH] for at in range(len(low) - FRAGMENT_LENGTH + 1)} & windows.keys()
    if not hits:
        return text
    covered = bytearray(len(text))
    for at in (at for hit in hits for at in windows[hit]):
        covered[at : at + FRAGMENT_LENGTH] = b"\1" * FRAGMENT_LENGTH
    pieces = re.finditer(rb"\x00+|\x01+", covered)
    return "".join(MASK if piece[0][0] else text[piece.start() : piece.end()] for piece in pieces)
