"""Reads the Secret with the kubeconfig of a remote cluster, as the tenant, and checks it.

Not a connection. Invariant: it is read with the rights of the identity that is given and no others, and no sentence
holds anything of its content.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.compute import kubeconfig
from reconciler.compute.fields import strings, text
from reconciler.compute.kubeconfig_shape import shape
from reconciler.errors import NotFound, OperationError
from reconciler.ports.cluster import Cluster, Object, Ref

#: `OperationError.reason` where there is no kubeconfig to look at.
MISSING = "KubeconfigMissing"
#: What there was instead, as it is recorded: nothing of a value.
_NO_SECRET = {"secret": "absent"}
_NO_KEY = {"secret": "found", "key": "absent"}
_NOT_BASE64 = {"secret": "found", "key": "not base64"}


class Found(NamedTuple):
    """A kubeconfig as it is in a Secret just now."""

    #: changes with the Secret
    version: str
    #: names it in sentences
    where: str
    content: bytes


async def read(cluster: Cluster, reference: str, *, namespace: str) -> Found:
    """The kubeconfig at `<Secret>/<key>` in a namespace.

    Raises `OperationError` where it is not there, and what `cluster` raises where it cannot be read.
    """
    name, slash, _ = reference.partition("/")
    if not slash:
        raise OperationError(
            f"kubeConfig.configMapRef ({name}) is not supported: put a kubeconfig into a Secret and name it in "
            "kubeConfig.secretRef",
            reason=kubeconfig.REASON,
            retryable=False,
        )
    try:
        secret = await cluster.get(Ref("v1", "Secret", namespace, name))
    except NotFound:
        secret = None
    return found_in(secret, reference, namespace=namespace)


def found_in(secret: Object | None, reference: str, *, namespace: str) -> Found:
    """The kubeconfig in a Secret, or in none. Raises `OperationError`, with what was seen of the Secret."""
    name, _, key = reference.partition("/")
    named = f"Secret {namespace}/{name}"
    if secret is None:
        raise _missing(f"{named} does not exist: create it, or correct kubeConfig.secretRef", _NO_SECRET)
    encoded = strings(secret, "data").get(key)
    if encoded is None:
        message = f"{named} has no key {key}: put the kubeconfig there, or correct kubeConfig.secretRef.key"
        raise _missing(message, _NO_KEY)
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        message = f"the key {key} of {named} is not base64: write the Secret again"
        raise _missing(message, _NOT_BASE64) from None
    version = f"{text(secret, 'metadata', 'uid')}@{text(secret, 'metadata', 'resourceVersion')}"
    return Found(version, f'{named}, key "{key}"', content)


async def checked(found: Found) -> kubeconfig.Target:
    """Where it leads. Raises `OperationError` for whatever is wrong with it."""
    try:
        return await asyncio.to_thread(kubeconfig.parse, found.content, where=found.where)
    except OperationError as error:
        seen = await asyncio.to_thread(shape, found.content, where=found.where)
        if seen is not None:
            # Without its credentials, so that it can be judged again by whoever gets the record.
            error.evidence |= {"kubeconfig": seen, "where": found.where}
        raise


def missing_again(seen: Mapping[str, Any], reference: str, *, namespace: str) -> None:
    """Raises what `found_in` raised, from what is recorded of it; returns where that does not tell."""
    key = reference.partition("/")[2]
    if seen == _NO_SECRET:
        found_in(None, reference, namespace=namespace)
    if seen in (_NO_KEY, _NOT_BASE64):
        found_in({"data": {key: "*"} if seen == _NOT_BASE64 else {}}, reference, namespace=namespace)


def _missing(message: str, seen: Mapping[str, str]) -> OperationError:
    # Nobody tells when it comes, so it is looked for again.
    return OperationError(message, reason=MISSING, retryable=True, evidence=dict(seen))
