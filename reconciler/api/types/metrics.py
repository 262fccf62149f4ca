"""Metrics that gates look at.

Not the query itself. Numbers are decimal strings, because the API has no floating point.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from reconciler.api.fields import says
from reconciler.api.types.references import LocalObjectReference

_TOKEN = "Secret whose key `token` is sent as a bearer token."  # noqa: S105 - a sentence, not a credential


class PrometheusSource(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A number from a Prometheus query."""

    address: Annotated[str, says("Base URL of the Prometheus API.")]
    query: Annotated[str, says("PromQL that yields a scalar or a vector of one sample.")]
    secret_ref: Annotated[LocalObjectReference | None, says(_TOKEN)] = None


class WebhookSource(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A number from a JSON document."""

    url: Annotated[str, says("URL that answers GET with JSON.")]
    json_path: Annotated[str, says("kubectl JSONPath to exactly one number or numeric string.")]
    secret_ref: Annotated[LocalObjectReference | None, says(_TOKEN)] = None


class MetricSource(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Where a number comes from; exactly one of the two."""

    prometheus: Annotated[PrometheusSource | None, says("Ask Prometheus.")] = None
    webhook: Annotated[WebhookSource | None, says("Ask an HTTP endpoint.")] = None


class Threshold(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Inclusive bounds of a healthy value; at least one."""

    min: Annotated[str, says("Smallest healthy value, a decimal string.")] = ""
    max: Annotated[str, says("Largest healthy value, a decimal string.")] = ""
