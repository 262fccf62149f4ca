"""Pages of docs/ as tests read them: sections by anchor, and the commands in them, run as a reader would type them.

A reader has the controller in a Pod; here it is a process. Only that is translated.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.cluster.rollout.installed import ROOT
from tests.cluster.rollout.shop import NAME, Shop

_HEADING = re.compile(r"^(#{2,3}) (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_IN_THE_POD = "kubectl -n stageset-system exec deploy/stageset-controller -- "
_LOGS = "kubectl -n stageset-system logs deploy/stageset-controller"
REMEDY = "**Remedy.**"


class Section(NamedTuple):
    """A heading and what is under it, up to the next heading."""

    anchor: str
    level: int
    text: str

    @property
    def look(self) -> list[str]:
        """Commands that only look."""
        return commands(self.text.partition(REMEDY)[0])

    @property
    def remedy(self) -> list[str]:
        """Commands of the remedy."""
        return commands(self.text.partition(REMEDY)[2])


def sections(page: str) -> dict[str, Section]:
    """The sections of a page of docs/, by anchor."""
    text = (ROOT / "docs" / page).read_text()
    found = list(_HEADING.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    made = [Section(_anchor(one[2]), len(one[1]), text[one.end() : end]) for one, end in zip(found, ends, strict=True)]
    assert len({one.anchor for one in made}) == len(made), f"{page}: two headings have one anchor"
    return {one.anchor: one for one in made}


def _anchor(heading: str) -> str:
    """As GitHub makes it: lower case, punctuation dropped, spaces to hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def commands(text: str) -> list[str]:
    """The lines after `$ ` of all console blocks."""
    lines = [line for block in _BLOCK.findall(text) for line in block.splitlines()]
    assert all(line.startswith("$ ") for line in lines), lines
    return [line.removeprefix("$ ") for line in lines]


def type_in(command: str, shop: Shop, **variables: str) -> str:
    """Run a command of a page as the administrator; returns what it printed. AssertionError where it failed."""
    controller = shop.controller
    command = command.replace(_IN_THE_POD, "").replace("/var/lib/stageset/ledger.db", str(controller.ledger))
    if command.startswith(_LOGS):
        return controller.log_tail()
    if "flux-system" in command:
        # Flux itself is not installed here.
        return ""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(controller.ledger.parent),
        "KUBECONFIG": str(shop.kubectl.kubeconfig),
        "NS": shop.namespace,
        "NAME": NAME,
        "STAGE": "backend",
        **variables,
    }
    done = subprocess.run(
        ["bash", "-ec", command], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
