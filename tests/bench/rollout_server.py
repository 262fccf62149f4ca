"""The cluster in memory in a process of its own, which counts what it is asked. `python -m tests.bench.rollout_server`.

A line on standard input is answered by a line of JSON: `counts` (requests so far by verb, open watches, CPU seconds),
`copy FILE` (copies of the first StageSet, its objects and its inventories, under the names, uids and heads in the
file). Ends when standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.flux import source_crds
from reconciler.adapters.memory.store import Entry
from reconciler.adapters.sandbox import serve
from reconciler.api import crd, names
from reconciler.compute.inventory import StageOf, parse, shard_objects
from tests.bench import rollout_fleet as fleet

#: What the stages of the fleet are made of.
OWNED = (("v1", "ConfigMap"), ("apps/v1", "Deployment"))


async def main(kubeconfig: Path) -> None:
    """Serve until standard input ends."""
    cluster = MemoryCluster(time.time, name="bench")
    for definition in (*map(crd.document, crd.CRDS), *source_crds()):
        await cluster.create(definition)
    await cluster.tick()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with await serve(cluster, kubeconfig_path=kubeconfig):
        print(json.dumps({"kubeconfig": str(kubeconfig)}), flush=True)
        while words := (await reader.readline()).decode().split():
            answer = _copy(cluster, Path(words[1])) if words[0] == "copy" else _counts(cluster)
            print(json.dumps(answer), flush=True)


def _copy(cluster: MemoryCluster, path: Path) -> dict[str, object]:
    """Put copies into the store as they are: what a long life of the cluster would have left there."""
    world = cluster.world
    stageset = world.catalog.kind("stages.metio.wtf/v1", "StageSet")
    inventory = world.catalog.kind("stages.metio.wtf/v1", "StageInventory")
    _, first = next(world.store.list(stageset.storage, fleet.NAMESPACE))
    shards = [entry.copy() for _, entry in world.store.list(inventory.storage, fleet.NAMESPACE)]
    uid = first.obj["metadata"]["uid"]
    owned = [kept for kind in OWNED for kept in world.store.list(world.catalog.kind(*kind).storage, fleet.NAMESPACE)]
    for name, (namespace, own, head) in json.loads(path.read_text()).items():
        obj = _renamed(first.copy(), {"release-00000": name, uid: own})
        obj["metadata"]["namespace"] = namespace
        obj["status"]["ledger"] = {
            **obj["status"]["ledger"],
            "stream": f"stageset/{namespace}/{name}/{own}",
            "head": head,
        }
        world.store.put(world.location(stageset, namespace, name), obj)
        for at, entry in owned:
            made = _renamed(entry.copy(), {"release-00000": name})
            made["metadata"]["labels"][names.LABEL_NAMESPACE] = namespace
            # Under the version that the ledger knows: nothing has happened to it.
            world.store._objects[at.storage][at.namespace][made["metadata"]["name"]] = Entry(made, entry.version)
        for shard in shards:
            made = _shard(_renamed(shard, {"release-00000": name}), StageSet(namespace, name, own))
            made["metadata"]["uid"] = f"{own[:-12]}{world.count():012x}"
            world.store.put(world.location(inventory, namespace, made["metadata"]["name"]), made)
    return {"copied": path.name}


class StageSet(NamedTuple):
    """Whose a copy of an inventory is."""

    namespace: str
    name: str
    uid: str


def _shard(shard: dict[str, Any], owner: StageSet) -> dict[str, Any]:
    stage = shard["metadata"]["labels"][names.LABEL_STAGE]
    refs = parse([shard]).refs
    (made,) = shard_objects(
        refs, of=StageOf(**owner._asdict(), stage=stage), position=shard["spec"].get("stagePosition", 0)
    )
    return {**shard, **made, "metadata": {**shard["metadata"], **made["metadata"]}}


def _renamed(obj: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    text = json.dumps(obj)
    for old, new in words.items():
        text = text.replace(old, new)
    found: dict[str, Any] = json.loads(text)
    return found


def _counts(cluster: MemoryCluster) -> dict[str, object]:
    return {
        "requests": cluster.hooks.counts,
        "watches": len(cluster.world.store.watchers),
        "cpu_s": time.process_time(),
    }


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main(Path(sys.argv[1])))
    else:
        uvloop.run(main(Path(sys.argv[1])))
