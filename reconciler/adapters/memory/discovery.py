"""What the API server tells of itself: its version."""

from __future__ import annotations

from collections.abc import Mapping

#: `gitVersion` says what is imitated and that it is imitated.
VERSION: Mapping[str, str] = {
    "major": "1", "minor": "37", "gitVersion": "v1.37.2+memory", "gitCommit": "", "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "none", "platform": "memory",
}  # fmt: skip
