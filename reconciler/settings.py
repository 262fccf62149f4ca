"""The controller's settings, as its command line gives them. The core never reads them: policy travels in events."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. Names follow the flags."""

    #: file of the ledger
    ledger: str = "ledger.db"
    kubeconfig: str = ""
    context: str = ""
    #: namespaces to look at; empty: all
    watch_namespaces: tuple[str, ...] = ()
    default_interval_ms: int = 600_000
    max_teardown_wait_ms: int = 3_600_000
    no_cross_namespace_refs: bool = False
    #: `host` or `host:port` entries that may be fetched from although their address is refused by default
    allowed_artifact_hosts: tuple[str, ...] = ()
    inventory_shard_cap: int = 5_000
    metrics_bind_address: str = ":8080"
    health_probe_bind_address: str = ":8081"
    log_level: str = "info"
    log_format: str = "json"
