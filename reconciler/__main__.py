"""`stageset-controller`: the controller process. Flags in, one installation out; ends well on SIGTERM."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
from collections.abc import Callable

import click

from reconciler import VERSION
from reconciler.api import duration
from reconciler.settings import Settings

#: Flags of the election whose settings are in milliseconds.
ELECTION_MS = {f"leader_election_{name}" for name in ("lease_duration", "renew_deadline", "retry_period")}
#: How often free memory is given back, in seconds: some milliseconds each time.
GIVE_BACK_S = 30.0


class DurationType(click.ParamType[int]):
    """A Go duration such as `10m`, as milliseconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return duration.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class BindAddressType(click.ParamType[str]):
    """`host:port`, `:port`, or `0` for none."""

    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from reconciler.adapters.probes import address

        try:
            address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--ledger", default="ledger.db", show_default=True, help="File of the ledger; created when it is not there."
)
@click.option("--kubeconfig", default="", help="Kubeconfig; else KUBECONFIG, the Pod's ServiceAccount, ~/.kube/config.")
@click.option("--context", default="", help="Context of the kubeconfig.")
@click.option(
    "--watch-namespaces", default="", envvar="STAGESET_WATCH_NAMESPACES", help="Comma-separated list; empty: all."
)
@click.option(
    "--default-interval", type=DurationType(), default="10m", show_default=True, help="For a StageSet without one."
)
@click.option(
    "--max-teardown-wait", type=DurationType(), default="1h", show_default=True, help="A teardown gives up after this."
)
@click.option("--no-cross-namespace-refs", is_flag=True, help="Refuse sources of other namespaces.")
@click.option(
    "--allowed-artifact-hosts",
    multiple=True,
    help="Exact host or host:port that may be fetched from although its address is loopback or link-local. Repeatable.",
)
@click.option(
    "--allowed-action-hosts",
    multiple=True,
    help="Glob over the host that http actions may call; without one, any host. An exact host or host:port also "
    "opens a loopback or link-local address, which a pattern does not. Repeatable.",
)
@click.option(
    "--allowed-cluster-hosts",
    multiple=True,
    help="Exact host or host:port that a kubeconfig of a StageSet may lead to although it is loopback, link-local or "
    "without TLS. Repeatable.",
)
@click.option(
    "--inventory-shard-cap", type=click.IntRange(1), default=5000, show_default=True, help="Entries a StageInventory."
)
@click.option("--leader-elect", is_flag=True, help="Work only while holding the Lease; others stand by.")
@click.option(
    "--leader-election-namespace",
    default="",
    envvar="STAGESET_LEADER_ELECTION_NAMESPACE",
    help="Namespace of the Lease; empty: the Pod's own.",
)
@click.option(
    "--leader-election-lease-duration",
    type=DurationType(),
    default="15s",
    show_default=True,
    help="A Lease that was not renewed for this long may be taken.",
)
@click.option(
    "--leader-election-renew-deadline",
    type=DurationType(),
    default="10s",
    show_default=True,
    help="A holder that could not renew for this long gives up.",
)
@click.option(
    "--leader-election-retry-period",
    type=DurationType(),
    default="2s",
    show_default=True,
    help="Pause between two tries to take or renew the Lease.",
)
@click.option(
    "--metrics-bind-address",
    type=BindAddressType(),
    default=":8080",
    show_default=True,
    help="Prometheus metrics; 0: none.",
)
@click.option(
    "--health-probe-bind-address",
    type=BindAddressType(),
    default=":8081",
    show_default=True,
    help="/healthz and /readyz; 0: none.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option("--log-format", type=click.Choice(["json", "text"]), default="json", show_default=True)
@click.version_option(VERSION)
def main(watch_namespaces: str, max_teardown_wait: int, default_interval: int, **flags: object) -> None:
    """Roll StageSets out on a cluster, with a ledger as the only memory.

    Exit codes: 0 ended on request, 1 cannot run, 2 usage, 3 another process may have taken over: the Lease was lost,
    or the ledger refused an append.
    """
    from ledger.errors import LedgerError
    from reconciler.adapters.telling import set_up
    from reconciler.errors import ReconcilerError

    settings = Settings(
        watch_namespaces=tuple(name.strip() for name in watch_namespaces.split(",") if name.strip()),
        max_teardown_wait_ms=max_teardown_wait or 3_600_000,
        default_interval_ms=default_interval,
        **{f"{name}_ms" if name in ELECTION_MS else name: value for name, value in flags.items()},  # type: ignore[arg-type]
    )
    _check_election(settings)
    set_up(level=settings.log_level, form=settings.log_format)
    try:
        with asyncio.Runner(loop_factory=_event_loop()) as runner:
            sys.exit(runner.run(_run(settings)))
    except (LedgerError, ReconcilerError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _check_election(settings: Settings) -> None:
    """Raises `click.UsageError` where the durations contradict each other."""
    from reconciler.adapters.lease import BadTerms
    from reconciler.wiring import terms_of

    try:
        terms_of(settings)
    except BadTerms as error:
        raise click.UsageError(str(error)) from None


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed: half as much again of HTTP throughput. Else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _give_back() -> None:
    """Give memory that is free back to the system, now and then; glibc keeps what a rollout or the fold needed."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return
    while True:
        await asyncio.sleep(GIVE_BACK_S)
        await asyncio.to_thread(trim, 0)


async def _run(settings: Settings) -> int:
    from reconciler.adapters.ending import ON_REQUEST, Ended, Ending
    from reconciler.adapters.telling import LogTeller
    from reconciler.wiring import running

    ending = Ending()
    for number in (signal.SIGTERM, signal.SIGINT):
        why = f"{signal.Signals(number).name} received"
        asyncio.get_running_loop().add_signal_handler(number, ending.ask, ON_REQUEST, why)
    try:
        async with running(settings, teller=LogTeller(), ending=ending):
            giving_back = asyncio.ensure_future(_give_back())
            try:
                await ending.wait()
            finally:
                giving_back.cancel()
    except Ended:
        # Asked to end while it waited for its turn.
        pass
    return ending.code or ON_REQUEST


if __name__ == "__main__":
    main()
