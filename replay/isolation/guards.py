"""Guards of a process that must not reach out: an audit hook, an environment that tells nothing, limits of the kernel.

Installed once, never taken off. What is refused is also noted: code that swallows the refusal is found out anyway.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, NoReturn

#: Starts of the names of audit events (https://docs.python.org/3/library/audit_events.html) that reach out.
_REFUSED = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.kill",
    "os.putenv",
    "os.unsetenv",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.chflags",
    "os.lockf",
    "os.utime",
    "os.setxattr",
    "os.removexattr",
    "shutil.",
    "tempfile.",
    "ctypes.",
    "sqlite3.",
    "urllib.",
    "http.",
    "ftplib.",
    "imaplib.",
    "poplib.",
    "smtplib.",
    "webbrowser.",
    "pty.",
    "signal.",
    "syslog.",
)
_READING = ("os.listdir", "os.scandir")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: A file of an artifact is no larger.
_GROWING_BYTES_MAX = 128 * 1024 * 1024
# From linux/sched.h.
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


class Breach(RuntimeError):
    """Something reached out, and was refused."""


class Opening(NamedTuple):
    """What is let through: one program, with one folder to work in and to write to."""

    #: path of the program
    program: str
    folder: str


class Guards:
    """The guards of this process. What they noted is in `breaches`."""

    def __init__(self, opening: Opening | None = None) -> None:
        self._opening = opening
        self._inside = opening.folder.rstrip(os.sep) + os.sep if opening is not None else ""
        #: what was tried, in order
        self.breaches: list[str] = []
        #: which guards are on
        self.on: dict[str, bool] = {}
        self._roots: tuple[str, ...] = ()

    def install(self, *, namespace: bool = True) -> None:
        """Put all guards up. `namespace`: try to leave the network, which not every kernel allows."""
        self.on["network namespace"] = namespace and _without_network()
        self.on["no file grows"] = _limited(_GROWING_BYTES_MAX if self._opening is not None else 0)
        self._roots = _library_roots()
        for environ in (os.environ, os.environb):
            _silenced(environ, self.refuse)
        self.on["no environment"] = True
        sys.addaudithook(self._heard)
        but = " but kustomize in a folder of its own" if self._opening is not None else ""
        self.on[f"no sockets, programs or files{but}"] = True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Files may grow in the folder that is open, for as long as this lasts."""
        _soft(_GROWING_BYTES_MAX)
        try:
            yield
        finally:
            _soft(0)

    def refuse(self, what: str) -> NoReturn:
        """Note a breach and refuse it."""
        self.breaches.append(what)
        raise Breach(f"{what} is refused: a replay reaches nothing")

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            self._opened(*arguments)
        elif event in _READING:
            self._read(arguments[0] if arguments else ".")
        elif event.startswith(_REFUSED) and not self._is_let_through(event, arguments):
            self.refuse(f"{event} {_shown(arguments)}".rstrip())

    def _is_let_through(self, event: str, arguments: tuple[Any, ...]) -> bool:
        """The one program, started in the folder with an environment that tells of nothing; folders inside of it."""
        if self._opening is None:
            return False
        if event == "os.mkdir":
            return self._is_inside(arguments[0])
        if event != "subprocess.Popen":
            return False
        program, _, folder, environment = arguments[:4]
        known = {"HOME", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY"}
        return program == self._opening.program and self._is_inside(folder) and set(environment or ("?",)) <= known

    def _is_inside(self, path: Any) -> bool:
        """Whether a path is the folder that is open, or below. Nothing makes links there."""
        if self._opening is None or not isinstance(path, str | os.PathLike):
            return False
        return (os.path.abspath(os.fspath(path)) + os.sep).startswith(self._inside)

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        is_writing = bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool((flags or 0) & _WRITING)
        if is_writing and not self._is_inside(path):
            self.refuse(f"open {_shown((path,))} for writing")
        if not is_writing:
            self._read(path)

    def _read(self, path: Any) -> None:
        """Only the interpreter and its libraries are read; what is open already has a number."""
        if isinstance(path, int):
            return
        text = os.fsdecode(path)
        if not (os.path.abspath(text) + os.sep).startswith(self._roots):
            self.refuse(f"open {_shown((text,))}")


def _silenced(environ: Any, refuse: Callable[[str], NoReturn]) -> None:
    """Make an environment refuse to be asked, whoever holds it by now."""

    def by_name(self: Any, key: object, *default: object) -> NoReturn:
        refuse(f"environment variable {key!r:.80}")

    def whole(self: Any) -> NoReturn:
        refuse("the environment")

    refusing = dict.fromkeys(("__getitem__", "__contains__", "get"), by_name)
    listing = dict.fromkeys(("__iter__", "__repr__", "keys", "values", "items", "copy"), whole)
    environ.__class__ = type("Guarded", (type(environ),), {**refusing, **listing})


def _shown(arguments: tuple[Any, ...]) -> str:
    return " ".join(f"{argument!r:.60}" for argument in arguments if isinstance(argument, str | bytes | int | tuple))[
        :200
    ]


def _library_roots() -> tuple[str, ...]:
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, *(path for path in sys.path if path)}
    places = {os.path.realpath(path) for path in found} | {os.path.abspath(path) for path in found}
    return tuple(sorted(place.rstrip(os.sep) + os.sep for place in places))


def _without_network() -> bool:
    """Leave the network for an empty one: `unshare(2)`, which Python has from 3.12 on only."""
    with suppress(OSError, AttributeError):
        unshare = ctypes.CDLL(None, use_errno=True).unshare
        return bool(unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0 or unshare(_CLONE_NEWNET) == 0)
    return False


def _limited(growing_bytes_max: int) -> bool:
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, growing_bytes_max))
        return True
    return False


def _soft(bytes_max: int) -> None:
    """Let files grow, or stop it; never beyond what was allowed when the guards were put up."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, _GROWING_BYTES_MAX))
