"""A Dockerfile as instructions, and its build stage replayed in a folder instead of a container.

Knows the instructions that deploy/Dockerfile uses and refuses others: what is not replayed must not be tested.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy/Dockerfile"


class Instruction(NamedTuple):
    """`RUN` and what follows."""

    word: str
    rest: str


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, its FROM first."""
    found: list[list[Instruction]] = []
    for line in re.sub(r"\\\n", " ", DOCKERFILE.read_text()).splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.strip().partition(" ")
            if word == "FROM":
                found.append([])
            if found:
                found[-1].append(Instruction(word, rest))
    return found


def environment(stage: list[Instruction]) -> dict[str, str]:
    """What ENV sets."""
    words = [word for one in stage if one.word == "ENV" for word in shlex.split(one.rest)]
    return dict(word.split("=", 1) for word in words)


def exec_form(stage: list[Instruction], word: str) -> list[str]:
    """The words of ENTRYPOINT or CMD."""
    (found,) = (json.loads(one.rest) for one in stage if one.word == word)
    return list(found)


def single(stage: list[Instruction], word: str) -> str:
    (found,) = (one.rest for one in stage if one.word == word)
    return found


class Replay:
    """Absolute paths of the image are below `root`; `python` and `pip` are those of a fresh environment."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._directory = root
        self._base = root / "base"
        subprocess.run([sys.executable, "-m", "venv", str(self._base)], check=True)

    def run(self, stage: list[Instruction]) -> None:
        env = {**os.environ, **environment(stage), "PATH": f"{self._base}/bin:/usr/bin:/bin"}
        for one in stage:
            match one.word:
                case "FROM" | "ENV":
                    pass
                case "WORKDIR":
                    self._directory = self.path(one.rest)
                    self._directory.mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(one.rest.split())
                case "RUN":
                    command = re.sub(r"(?<![\w.])/(opt|src|wheels)\b", rf"{self._root}/\1", one.rest)
                    done = subprocess.run(
                        ["bash", "-ec", command],
                        cwd=self._directory, env=env, capture_output=True, text=True, check=False,
                    )  # fmt: skip
                    assert done.returncode == 0, f"{one.rest}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
                case _:
                    raise AssertionError(f"{one.word} is not replayed")

    def path(self, absolute: str) -> Path:
        """Where a path of the image is."""
        return self._root / absolute.lstrip("/")

    def _copy(self, words: list[str]) -> None:
        *sources, target = words
        for source in sources:
            assert allowed(source), f"{source} is kept out of the build by Dockerfile.dockerignore"
            there = self._directory / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, there)


def allowed(source: str) -> bool:
    """Whether Dockerfile.dockerignore lets a path into the build: `*` keeps all out, `!path` lets one in."""
    lines = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert lines[0] == "*"
    return f"!{source}" in lines
