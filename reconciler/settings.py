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
    #: globs over the hosts that http actions may call; empty: all. An exact `host` or `host:port` is also opened where
    #: its address is refused by default
    allowed_action_hosts: tuple[str, ...] = ()
    #: `host` or `host:port` entries that a tenant's kubeconfig may lead to although it is refused by default
    allowed_cluster_hosts: tuple[str, ...] = ()
    inventory_shard_cap: int = 5_000
    #: only the process that holds the Lease works; off for one that runs alone
    leader_elect: bool = False
    #: namespace of the Lease; empty: the Pod's own
    leader_election_namespace: str = ""
    leader_election_lease_duration_ms: int = 15_000
    leader_election_renew_deadline_ms: int = 10_000
    leader_election_retry_period_ms: int = 2_000
    metrics_bind_address: str = ":8080"
    health_probe_bind_address: str = ":8081"
    log_level: str = "info"
    log_format: str = "json"
