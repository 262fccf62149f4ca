"""The zstd module, wherever this Python has it, and a frame read forward: counted, capped, nothing after its end.

Invariant: no more than a chunk beyond a cap is ever inflated, and never more memory taken than the format's window.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from replay.bundle.format import WINDOW_LOG, Limits
from replay.errors import Unreadable

_CHUNK_BYTES = 64 * 1024


def zstd() -> Any:
    """Imported where a bundle is touched: `--help` starts without it."""
    if sys.version_info >= (3, 14):
        from compression import zstd as module  # type: ignore[import-not-found, unused-ignore]
    else:
        from backports import zstd as module
    return module


class Inflated:
    """What a zstd frame inflates to, read forward. Every method raises `Unreadable`."""

    def __init__(self, file: BinaryIO, *, limits: Limits) -> None:
        self._file, self._limits = file, limits
        self._module = zstd()
        options = {self._module.DecompressionParameter.window_log_max: WINDOW_LOG}
        self._frame = self._module.ZstdDecompressor(options=options)
        self._chunks = self._inflate()
        self._buffer = bytearray()
        self._taken = self._given = 0

    def read(self, size_bytes: int) -> bytes:
        """Exactly so many bytes; for sizes that were checked against a cap."""
        return b"".join(self.pieces(size_bytes))

    def pieces(self, size_bytes: int) -> Iterator[bytes]:
        """Exactly so many bytes, in chunks."""
        while size_bytes:
            if not self._buffer:
                self._buffer += next(self._chunks, b"")
                if not self._buffer:
                    raise _cut()
            piece = bytes(self._buffer[:size_bytes])
            del self._buffer[: len(piece)]
            size_bytes -= len(piece)
            yield piece

    def end(self) -> None:
        """Raise unless nothing follows."""
        if self._buffer or next(self._chunks, b""):
            raise Unreadable("there is something after its end")

    def _inflate(self) -> Iterator[bytes]:
        frame = self._frame
        while not frame.eof:
            data = self._file.read(_CHUNK_BYTES) if frame.needs_input else b""
            if frame.needs_input and not data:
                raise _cut()
            self._taken += len(data)
            try:
                chunk = frame.decompress(data, max_length=_CHUNK_BYTES)
            except self._module.ZstdError as error:
                raise Unreadable("it is no bundle, or is damaged: it is not the zstd frame that was written") from error
            self._given += len(chunk)
            self._check()
            if chunk:
                yield chunk
        if frame.unused_data or self._file.read(1):
            raise Unreadable("there is something after its end")

    def _check(self) -> None:
        limits = self._limits
        if self._taken > limits.file_bytes_max:
            raise Unreadable(f"it has more than {limits.file_bytes_max} bytes")
        if self._given > limits.inflated_bytes_max:
            raise Unreadable(f"it inflates to more than {limits.inflated_bytes_max} bytes")
        if self._given > limits.ratio_free_bytes and self._given > self._taken * limits.ratio_max:
            raise Unreadable(f"it inflates to more than {limits.ratio_max} times its size: it is a bomb")


def _cut() -> Unreadable:
    return Unreadable("it ends too early: copy it again from where it was exported")
