"""The cluster in memory in a process of its own, which counts what it is asked. `python -m tests.bench.rollout_server`.

A word on standard input is answered by a line of JSON: `counts` (requests so far by verb, open watches, CPU seconds).
Ends when standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.flux import source_crds
from reconciler.adapters.sandbox import serve
from reconciler.api import crd


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
        while await reader.readline():
            print(json.dumps(_counts(cluster)), flush=True)


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
