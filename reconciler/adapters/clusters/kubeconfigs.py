"""Reads the Secret with the kubeconfig of a remote cluster, as the tenant, and checks it.

Not a connection. Invariant: it is read with the rights of the identity that is given and no others, and no sentence
holds anything of its content.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import NamedTuple

from reconciler.compute import kubeconfig
from reconciler.compute.fields import strings, text
from reconciler.compute.kubeconfig_shape import shape
from reconciler.errors import NotFound, OperationError
from reconciler.ports.cluster import Cluster, Ref

#: `OperationError.reason` where there is no kubeconfig to look at.
MISSING = "KubeconfigMissing"


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
    name, slash, key = reference.partition("/")
    if not slash:
        raise OperationError(
            f"kubeConfig.configMapRef ({name}) is not supported: put a kubeconfig into a Secret and name it in "
            "kubeConfig.secretRef",
            reason=kubeconfig.REASON,
            retryable=False,
        )
    secret = f"Secret {namespace}/{name}"
    try:
        found = await cluster.get(Ref("v1", "Secret", namespace, name))
    except NotFound:
        raise _missing(f"{secret} does not exist: create it, or correct kubeConfig.secretRef") from None
    encoded = strings(found, "data").get(key)
    if encoded is None:
        raise _missing(f"{secret} has no key {key}: put the kubeconfig there, or correct kubeConfig.secretRef.key")
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _missing(f"the key {key} of {secret} is not base64: write the Secret again") from None
    version = f"{text(found, 'metadata', 'uid')}@{text(found, 'metadata', 'resourceVersion')}"
    return Found(version, f'{secret}, key "{key}"', content)


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


def _missing(message: str) -> OperationError:
    # Nobody tells when it comes, so it is looked for again.
    return OperationError(message, reason=MISSING, retryable=True)
