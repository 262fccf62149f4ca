"""`stagesetctl sandbox`: a small Kubernetes API on this machine, with the StageSet API installed.

Not a cluster: nothing runs in it, and nothing of it is kept. Invariant: it listens on loopback only.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from ledger.cli.lazy import EXIT_CODES, Failure

_INTRODUCTION = """\
A small Kubernetes API answers on {url} until Ctrl-C. Nothing of it is kept.

  export KUBECONFIG={kubeconfig}
  kubectl get stagesets -A
  stageset-controller --ledger sandbox.db --log-format text
"""
#: What a kubeconfig of ours says, and nobody else's: only such a file is written over.
_MARK = '"current-context": "sandbox"'


@click.command(epilog=EXIT_CODES)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0: any free one.")
@click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False),
    default="",
    help="Where to write the kubeconfig; removed at the end.  [default: in a temporary folder]",
)
@click.option(
    "--load", "files", multiple=True, metavar="FILE", help="Manifests to apply first; - is standard input. Repeatable."
)
def sandbox(port: int, kubeconfig: str, files: tuple[str, ...]) -> None:
    """Serve a small Kubernetes API in memory, for kubectl and a controller.

    It has the StageSet API and Flux's source kinds installed, and answers on 127.0.0.1 alone. Workloads become ready,
    or do not, as their annotations say (sandbox.stages.metio.wtf/ready-after, /outcome, …). Runs until Ctrl-C.

    \b
    Examples:
      stagesetctl sandbox
      stagesetctl sandbox --port 6443 --kubeconfig sandbox.kubeconfig --load release.yaml
    """
    from reconciler.cli.loading import STDIN, CannotLoad, read

    try:
        texts = [(path, sys.stdin.read() if path == STDIN else read(path)) for path in files]
        with ExitStack() as stack:
            path = Path(kubeconfig or stack.enter_context(tempfile.TemporaryDirectory(prefix="stageset-sandbox-")))
            asyncio.run(_serve(path if kubeconfig else path / "kubeconfig", port=port, texts=texts))
    except CannotLoad as error:
        raise Failure(str(error)) from None


async def _serve(kubeconfig: Path, *, port: int, texts: Sequence[tuple[str, str]]) -> None:
    from reconciler.adapters.clock import SystemClock
    from reconciler.adapters.memory.cluster import MemoryCluster
    from reconciler.adapters.memory.flux import source_crds
    from reconciler.adapters.sandbox import serve
    from reconciler.api import crd
    from reconciler.cli.loading import load

    _check_not_foreign(kubeconfig)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = SystemClock()
    cluster = MemoryCluster(lambda: clock.now_ms() / 1000, name="sandbox")
    for definition in (*map(crd.document, crd.CRDS), *source_crds()):
        await cluster.create(definition)
    await cluster.tick()
    for path, text in texts:
        count = await load(cluster, path, text)
        click.echo(f"{path}: {count} objects applied")
    try:
        running = await serve(cluster, port=port, kubeconfig_path=kubeconfig)
    except OSError as error:
        raise _cannot_serve(error, port=port, kubeconfig=kubeconfig) from None
    async with running:
        click.echo(_INTRODUCTION.format(url=running.url, kubeconfig=kubeconfig))
        # Whoever started us may read it through a pipe.
        sys.stdout.flush()
        await stop.wait()


def _check_not_foreign(kubeconfig: Path) -> None:
    if kubeconfig.exists() and (not kubeconfig.is_file() or _MARK not in kubeconfig.read_text(errors="replace")):
        raise Failure(f"{kubeconfig} is there and not a sandbox's: it is left alone; choose another --kubeconfig")


def _cannot_serve(error: OSError, *, port: int, kubeconfig: Path) -> Failure:
    if error.filename:
        return Failure(f"{kubeconfig} cannot be written: {error.strerror or error}")
    return Failure(f"cannot listen on 127.0.0.1:{port}: {error.strerror or error}; choose another --port, or 0")
