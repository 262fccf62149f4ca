"""Tokens of service accounts: opaque words that map back to their user until they expire.

Not a credential outside this process: a token is derived from a counter, and only its own cluster accepts it.
"""

from __future__ import annotations

from reconciler.adapters.memory.world import World, text_of

#: The API server refuses shorter ones.
EXPIRES_S_MIN = 600


def issue(world: World, namespace: str, *, service_account: str, expires_s: int) -> tuple[str, str]:
    """A token and the time at which it expires."""
    user = f"system:serviceaccount:{namespace}:{service_account}"
    token = f"memory.{world.new_uid()}"
    expires = world.clock() + max(expires_s, EXPIRES_S_MIN)
    world.tokens[token] = (user, expires)
    return token, text_of(expires)


def user_of(world: World, token: str) -> str:
    """Whose token it is; empty when it is unknown, expired, or its service account is gone."""
    user, expires = world.tokens.get(token, ("", 0.0))
    if not user or expires <= world.clock():
        return ""
    _, _, namespace, name = user.split(":")
    kind = world.catalog.kind("v1", "ServiceAccount")
    return user if world.store.get(world.location(kind, namespace, name)) else ""
