"""Arguments and options of commands that talk to a cluster.

Nothing here imports Kubernetes, HTTP or YAML libraries: help must be quick.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ledger.cli.lazy import EXIT_FOUND, Failure
from reconciler.api import duration

F = TypeVar("F", bound=Callable[..., Any])

EXIT_CODES = """\b
Exit codes:
  0  done: the controller has taken it up (with --no-wait: it is asked for)
  1  not done: no such StageSet, stage or action, or not taken up in time
  2  wrong usage
  3  the cluster cannot be reached, or refuses
"""


class Refused(Failure):
    """What was asked cannot be done, or was not: one sentence on standard error."""

    exit_code = EXIT_FOUND


class Duration(click.ParamType[float]):
    """A Go duration such as `90s`, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return value if isinstance(value, float) else duration.parse(str(value)) / 1000
        except ValueError as error:
            self.fail(str(error), param, ctx)


STAGESET = click.argument("stageset")
STAGE = click.option("--stage", required=True, metavar="NAME", help="Name of the stage.")
ACTION = click.option("--action", required=True, metavar="NAME", help="Name of the action.")

_OPTIONS = (
    click.option("-n", "--namespace", default="", metavar="NAME", help="Namespace; else that of the context."),
    click.option("--kubeconfig", default="", metavar="FILE", help="Kubeconfig; else KUBECONFIG, ~/.kube/config."),
    click.option("--context", default="", metavar="NAME", help="Context of the kubeconfig."),
    click.option(
        "--wait/--no-wait", default=True, show_default=True, help="Wait until the controller has taken it up."
    ),
    click.option("--timeout", type=Duration(), default="5m", show_default=True, help="How long to wait."),
    click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="text for people, json for machines.",
    ),
)


def cluster_options(function: F) -> F:
    """Add the options that `reaching.Options.of` reads."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
