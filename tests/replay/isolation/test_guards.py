"""Each guard, seen to refuse: in an interpreter of its own, with and without a network namespace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = """
import sys
sys.path.insert(0, {root!r})
import os, socket, subprocess, tempfile, ctypes, shutil, json, pathlib, sqlite3, locale
from replay.isolation.guards import Breach, Guards
held = os.environ
guards = Guards()
guards.install(namespace={namespace})
try:
    {planted}
except BaseException as error:
    sys.stdout.write(type(error).__name__ + "\\n")
else:
    sys.stdout.write("nothing\\n")
sys.stdout.write("\\n".join(guards.breaches))
"""
PLANTED = {
    "socket": "socket.socket()",
    "dns": "socket.getaddrinfo('localhost', 80)",
    "bound before": "socket.create_connection(('127.0.0.1', 9))",
    "subprocess": "subprocess.run(['true'])",
    "system": "os.system('true')",
    "fork": "os.fork()",
    "exec": "os.execv('/bin/true', ['true'])",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "write": "open('/tmp/stagereplay-planted', 'w')",
    "append": "open('/tmp/stagereplay-planted', 'ab')",
    "low write": "os.open('/tmp/stagereplay-planted', os.O_CREAT | os.O_WRONLY)",
    "path write": "pathlib.Path('/tmp/stagereplay-planted').write_text('x')",
    "remove": "os.remove('/tmp/stagereplay-planted')",
    "mkdir": "os.mkdir('/tmp/stagereplay-planted')",
    "rename": "os.rename('/tmp/a', '/tmp/b')",
    "temporary file": "tempfile.NamedTemporaryFile()",
    "kubeconfig": "open(os.path.join('/root', '.kube', 'config'))",
    "token": "open('/var/run/secrets/kubernetes.io/serviceaccount/token')",
    "listing": "os.listdir('/')",
    "environment": "os.environ['HOME']",
    "getenv": "os.getenv('KUBECONFIG')",
    "held environment": "held.get('HOME')",
    "whole environment": "dict(os.environ)",
    "bytes environment": "os.environb[b'HOME']",
    "environment check": "'HOME' in os.environ",
    "set environment": "os.environ.__setitem__('A', 'b')",
    "library": "ctypes.CDLL('libc.so.6')",
    "database": "sqlite3.connect(':memory:')",
    "signal": "os.kill(os.getpid(), 0)",
}


def planted(code: str, *, namespace: bool = False) -> list[str]:
    text = CODE.format(root=str(ROOT), namespace=namespace, planted=code)
    done = subprocess.run([sys.executable, "-B", "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", PLANTED)
def test_what_reaches_out_is_refused_and_noted(name: str) -> None:
    raised, *breaches = planted(PLANTED[name])
    assert raised == "Breach"
    assert len(breaches) == 1
    assert not Path("/tmp/stagereplay-planted").exists()


def test_the_network_is_left_where_the_kernel_allows() -> None:
    for namespace in (True, False):
        assert planted("socket.socket()", namespace=namespace)[0] == "Breach"


def test_a_refusal_that_is_swallowed_is_noted() -> None:
    code = "\n    ".join(("try:", "    socket.socket()", "except Exception:", "    pass"))
    raised, *breaches = planted(code)
    assert raised == "nothing"
    assert breaches[0].startswith("socket.__new__")


def test_what_a_replay_needs_is_allowed() -> None:
    allowed = "json.loads('{}'), json.__file__ and open(json.__file__).read(), __import__('colorsys')"
    assert planted(allowed) == ["nothing"]
