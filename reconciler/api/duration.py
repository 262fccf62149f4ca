"""Go duration strings (`1h2m3.5s`), read and written as whole milliseconds.

Not a clock and not a policy. Invariant: `parse(format(ms)) == ms` for every `ms` in range. The grammar is the
one of Go's `time.ParseDuration`; the range is that of its 64-bit nanoseconds.
"""

from __future__ import annotations

import functools
import re

#: What the CRDs accept: exactly Go's grammar. The range is checked by `parse` alone.
PATTERN = r"^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$"

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter: Go accepts both
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_WHOLE = re.compile(PATTERN)
_PART = re.compile(r"([0-9]*)\.?([0-9]*)(ns|us|µs|μs|ms|s|m|h)")
_NANOSECONDS_MAX = 2**63 - 1
_NS_PER_MS = 1_000_000
#: Longer text is refused unread: no real duration needs it, and reading it costs time.
_TEXT_CHARS_MAX = 200


class DurationError(ValueError):
    """The text is no duration, or one out of range. The message continues a sentence that begins with the field."""


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> int:
    """Milliseconds of a Go duration, rounded to the nearest, halves away from zero.

    Below a millisecond only the sign survives: a positive duration is at least 1 ms and a negative one at most -1 ms,
    so that rounding never turns a tiny timeout into none. Raises `DurationError`.
    """
    if len(text) > _TEXT_CHARS_MAX or not _WHOLE.match(text) or text.endswith("\n"):
        raise DurationError(f"must be a Go duration such as 30s, 10m or 1h30m, not {_quoted(text)}")
    sign = -1 if text.startswith("-") else 1
    # Go counts each part in integers and cuts what is below a nanosecond, part by part.
    total_ns = sum(_part_ns(*part) for part in _PART.findall(text))
    if total_ns > _NANOSECONDS_MAX:
        raise DurationError(f"must be a duration below 292 years, not {_quoted(text)}")
    total_ms = max((total_ns + _NS_PER_MS // 2) // _NS_PER_MS, 1 if total_ns else 0)
    return sign * total_ms


def format(ms: int) -> str:
    """The shortest Go spelling of a number of milliseconds: `90000` is `1m30s`, `1500` is `1.5s`, `0` is `0s`."""
    if ms == 0:
        return "0s"
    sign, rest = ("-" if ms < 0 else ""), abs(ms)
    if rest < 1000:
        return f"{sign}{rest}ms"
    hours, rest = divmod(rest, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, millis = divmod(rest, 1000)
    tail = f"{seconds}.{millis:03d}".rstrip("0") + "s" if millis else (f"{seconds}s" if seconds else "")
    return sign + (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes else "") + tail


def _part_ns(whole: str, fraction: str, unit: str) -> int:
    scale = _UNITS_NS[unit]
    return int(whole or "0") * scale + (int(fraction) * scale // 10 ** len(fraction) if fraction else 0)


def _quoted(text: str) -> str:
    shown = text if len(text) <= 40 else text[:40] + "…"
    return f'"{shown}"'
