"""Who asks and how: what accompanies every request inside MemoryCluster."""

from __future__ import annotations

from typing import NamedTuple


class Identity(NamedTuple):
    """The user of a request, as authentication would have found it."""

    user: str
    groups: frozenset[str] = frozenset()

    @property
    def unrestricted(self) -> bool:
        """Members of `system:masters` are not asked about."""
        return "system:masters" in self.groups


ADMIN = Identity("kubernetes-admin", frozenset({"system:masters", "system:authenticated"}))


def identity_of(user: str) -> Identity:
    """A user with the groups that authentication adds; service accounts are in those of their namespace too."""
    groups = {"system:authenticated"}
    parts = user.split(":")
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
        groups |= {"system:serviceaccounts", f"system:serviceaccounts:{parts[2]}"}
    return Identity(user, frozenset(groups))


class Write(NamedTuple):
    """How an object is to be written.

    `strict` refuses unknown fields (kubectl's `--validate=strict`) instead of dropping them.
    """

    manager: str
    dry_run: bool = False
    subresource: str = ""
    strict: bool = False
