"""The guards' one opening, for kustomize: what else is tried through it is refused as without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = """
import sys
sys.path.insert(0, {root!r})
import os, subprocess, pathlib, resource
from replay.isolation.guards import Guards, Opening
folder, program = {folder!r}, {program!r}
empty = {{"HOME": folder}}
guards = Guards(Opening(program, folder))
guards.install(namespace=False)
try:
    {planted}
except BaseException as error:
    sys.stdout.write(type(error).__name__ + "\\n")
else:
    sys.stdout.write("nothing\\n")
sys.stdout.write("\\n".join(guards.breaches))
"""
REFUSED = {
    "another program": "subprocess.run(['/bin/true'], cwd=folder, env=empty)",
    "in another folder": "subprocess.run([program], cwd='/', env=empty)",
    "with an environment": "subprocess.run([program], cwd=folder, env={'KUBECONFIG': 'x'})",
    "with ours": "subprocess.run([program], cwd=folder)",
    "a write elsewhere": "open('/tmp/stagereplay-planted', 'w')",
    "a write beside it": "open(folder + 'x', 'w')",
    "a write out of it": "open(folder + '/../planted', 'w')",
    "a folder elsewhere": "os.mkdir('/tmp/stagereplay-planted')",
    "a removal": "os.remove(folder + '/a')",
    "a link": "os.symlink('/', folder + '/a')",
    "a read of it": "open(folder + '/a').read()",
    "a socket": "__import__('socket').socket()",
}


def planted(code: str, folder: Path, program: str = sys.executable) -> list[str]:
    text = CODE.format(root=str(ROOT), folder=str(folder), program=program, planted=code)
    done = subprocess.run([sys.executable, "-B", "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_else_gets_through(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    raised, *breaches = planted(REFUSED[name], folder)
    assert raised == "Breach"
    assert len(breaches) == 1
    assert list(tmp_path.iterdir()) == [folder]
    assert not list(folder.iterdir())


def test_the_program_runs_in_its_folder(tmp_path: Path) -> None:
    code = "done = subprocess.run([program, '-c', 'print(1)'], cwd=folder, env=empty, capture_output=True); print(done)"
    assert planted(code, tmp_path)[0].endswith(r"stdout=b'1\n', stderr=b'')")


def test_files_grow_in_the_folder_and_only_while_it_is_said(tmp_path: Path) -> None:
    code = "\n    ".join(
        (
            "with guards.writing():",
            "    os.mkdir(folder + '/a')",
            "    pathlib.Path(folder + '/a/b').write_bytes(b'x')",
            "pathlib.Path(folder + '/c').write_bytes(b'x')",
        )
    )
    raised, *breaches = planted(code, tmp_path)
    assert (raised, breaches) == ("OSError", [])
    assert (tmp_path / "a" / "b").read_bytes() == b"x"
    assert (tmp_path / "c").read_bytes() == b""


def test_what_it_starts_may_not_let_files_grow_either(tmp_path: Path) -> None:
    wrote = "open('c', 'wb', buffering=0).write(b'x')"
    code = f'print(subprocess.run([program, "-c", "{wrote}"], cwd=folder, env=empty, capture_output=True).returncode)'
    assert planted(code, tmp_path)[0] != "0"
    assert (tmp_path / "c").read_bytes() == b""
