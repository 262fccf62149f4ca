"""The command lines of the five programs.

Knows flags, starts nothing. Everything listens on 127.0.0.1 and works in its run directory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
NODE = "node-1"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where one control plane keeps its files, and on which ports it listens."""

    binaries: Path
    directory: Path
    etcd_port: int
    api_port: int
    kubelet_port: int

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://{LOOPBACK}:{self.api_port}"

    @property
    def certificate(self) -> Path:
        """The certificate that the API server makes for itself, followed by the authority that signed it."""
        return self.directory / "certificates" / "apiserver.crt"

    @property
    def audit_log(self) -> Path:
        """The audit log, one JSON object a line."""
        return self.directory / "audit.log"

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of `user`, which is `admin` or one of the programs."""
        return self.directory / f"{user}.kubeconfig"


def etcd(layout: Layout) -> list[str]:
    """Etcd for one member that may lose its data: no fsync."""
    url = f"http://{LOOPBACK}:{layout.etcd_port}"
    return [
        str(layout.binaries / "etcd"),
        f"--data-dir={layout.directory / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls=http://{LOOPBACK}:0",
        "--unsafe-no-fsync",
        "--log-level=warn",
        # A bench that writes for an hour must not end at the default of 2 GiB.
        f"--quota-backend-bytes={8 * 2**30}",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=5m",
    ]


def apiserver(layout: Layout) -> list[str]:
    """The API server: TLS with a certificate of its own making, RBAC, ServiceAccount tokens, audit log."""
    signing_key = layout.directory / "service-account.key"
    return [
        str(layout.binaries / "kube-apiserver"),
        f"--etcd-servers=http://{LOOPBACK}:{layout.etcd_port}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={layout.api_port}",
        f"--cert-dir={layout.certificate.parent}",
        f"--token-auth-file={layout.directory / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        f"--service-account-issuer={layout.url}",
        f"--service-account-signing-key-file={signing_key}",
        f"--service-account-key-file={signing_key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        # The Service `kubernetes` would get 127.0.0.1 as its endpoint, which the API refuses.
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",
        f"--audit-policy-file={HERE / 'audit.yaml'}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-maxsize=4096",
        # kwok stands in for a kubelet; it has an address only here.
        "--kubelet-preferred-address-types=InternalIP",
        "--profiling=false",
        "--shutdown-delay-duration=0s",
    ]


def controller_manager(layout: Layout) -> list[str]:
    """All default controllers, one instance, as fast as they can: a bench would measure the default of 20 a second."""
    return [
        str(layout.binaries / "kube-controller-manager"),
        f"--kubeconfig={layout.kubeconfig('kube-controller-manager')}",
        f"--root-ca-file={layout.certificate}",
        f"--service-account-private-key-file={layout.directory / 'service-account.key'}",
        # Every controller acts as its own ServiceAccount with its own role, as in an installed cluster.
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
        # A busy machine may keep kwok from its heartbeat for longer than the default 50 s: no reason to evict Pods.
        "--node-monitor-grace-period=1h",
        "--profiling=false",
    ]


def scheduler(layout: Layout) -> list[str]:
    """The scheduler, one instance. Writes its configuration beside the other files."""
    config = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"kubeconfig": str(layout.kubeconfig("kube-scheduler")), "qps": 1000, "burst": 2000},
    }
    path = layout.directory / "scheduler.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return [str(layout.binaries / "kube-scheduler"), f"--config={path}", "--secure-port=0"]


def kwok(layout: Layout) -> list[str]:
    """Kwok as the kubelet of every node; it serves `kubectl logs` from the file that `kwok.yaml` names."""
    (layout.directory / "container.log").write_bytes((HERE / "container.log").read_bytes())
    return [
        str(layout.binaries / "kwok"),
        f"--kubeconfig={layout.kubeconfig('kwok')}",
        f"--config={HERE / 'kwok.yaml'}",
        "--manage-all-nodes=true",
        f"--node-ip={LOOPBACK}",
        f"--node-port={layout.kubelet_port}",
        f"--server-address={LOOPBACK}:{layout.kubelet_port}",
        "--node-lease-duration-seconds=40",
        "--cidr=10.244.0.0/16",
    ]
