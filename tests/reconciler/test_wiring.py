"""The parts that only the process makes; the whole of it runs in the cluster tests and the demo."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.errors import OperationError
from reconciler.settings import Settings
from reconciler.wiring import KEY_BYTES, connected, election_namespace, installation_key


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "ledger.db.key"
    key = installation_key(path)
    assert len(key) == KEY_BYTES
    assert installation_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_that_a_crash_left_half_written_is_made_again(tmp_path):
    path = tmp_path / "ledger.db.key"
    path.write_bytes(b"half")
    assert len(installation_key(path)) == KEY_BYTES


def test_two_installations_have_two_keys(tmp_path):
    assert installation_key(tmp_path / "one") != installation_key(tmp_path / "two")


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OperationError, match="nowhere"):
        asyncio.run(connected(Settings(kubeconfig=str(tmp_path / "nowhere"))))


def test_the_lease_is_in_the_namespace_that_is_set_else_in_the_pods(tmp_path):
    pod = tmp_path / "namespace"
    with pytest.raises(OperationError, match="--leader-election-namespace"):
        election_namespace(Settings(), pod=pod)
    pod.write_text("stageset-system\n")
    assert election_namespace(Settings(), pod=pod) == "stageset-system"
    assert election_namespace(Settings(leader_election_namespace="other"), pod=pod) == "other"
