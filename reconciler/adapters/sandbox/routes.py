"""From a URL path to the resource that is meant.

Pure. Source of the grammar: apiserver `endpoints/request/requestinfo.go`.
"""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """A resource path, taken apart. `plural` is empty for discovery of the group version."""

    group: str
    version: str
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


def parse(path: str) -> Target | None:
    """`/api/v1/…` and `/apis/<group>/<version>/…`; None for every other path, and for ones that are too long."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) >= 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) >= 3 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return None
    return Target(group, version, *_padded(rest, namespace))


def _padded(rest: list[str], namespace: str) -> tuple[str, str, str, str]:
    plural, name, subresource = (*rest, "", "", "")[:3]
    return plural, namespace, name, subresource
