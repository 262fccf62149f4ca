"""The real kustomize in its private directory: results, sentences, isolation, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.kustomize import BuildLimits, Kustomize, Tool, find_tool
from reconciler.compute.kustomization import BuildTree, prepare
from reconciler.compute.manifests import parse
from reconciler.errors import OperationError

CM = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  when: '2020-01-01'\n  n: '0644'\n  v: ${v}\n"


def build(
    files: Mapping[str, bytes], scratch: Path, path: str = "", patches: list[dict[str, Any]] | None = None
) -> str:
    async def main() -> str:
        tool = await find_tool()
        tree = prepare(files, path=path, patches=patches or [], tool=tool.identity)
        return await Kustomize(tool, scratch=str(scratch)).run(tree)

    try:
        return asyncio.run(main())
    finally:
        assert list(scratch.iterdir()) == []


def refusal(
    files: Mapping[str, bytes], scratch: Path, path: str = "", patches: list[dict[str, Any]] | None = None
) -> OperationError:
    with pytest.raises(OperationError) as caught:
        build(files, scratch, path, patches)
    assert str(scratch) not in caught.value.message
    assert "stageset-build" not in caught.value.message
    return caught.value


def test_generated_build_keeps_strings_strings(tmp_path: Path) -> None:
    (obj,) = parse(build({"d/a.yaml": CM}, tmp_path, "d"))
    assert obj["data"] == {"when": "2020-01-01", "n": "0644", "v": "${v}"}


def test_files_outside_the_directory_but_inside_the_tree(tmp_path: Path) -> None:
    files = {"a/kustomization.yaml": b"resources: [../b/x.yaml, ../c]\n", "b/x.yaml": CM}
    files |= {"c/kustomization.yaml": b"nameSuffix: -c\nresources: [../b/x.yaml]\n"}
    assert [obj["metadata"]["name"] for obj in parse(build(files, tmp_path, "a"))] == ["a", "a-c"]


def test_patches_apply(tmp_path: Path) -> None:
    patches = [
        {"patch": "- op: replace\n  path: /data/n\n  value: patched", "target": {"kind": "ConfigMap"}},
        {"patch": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  extra: '1'\n"},
    ]
    (obj,) = parse(build({"a.yaml": CM}, tmp_path, patches=patches))
    assert obj["data"]["n"] == "patched"
    assert obj["data"]["extra"] == "1"


def test_kustomization_without_resources_builds_with_origin(tmp_path: Path) -> None:
    text = build({"kustomization.yaml": b"configMapGenerator: [{name: a, literals: [k=v]}]\n"}, tmp_path)
    assert "config.kubernetes.io/origin" in text
    assert str(tmp_path) not in text
    empty = b"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    assert build({"kustomization.yaml": empty}, tmp_path).strip() == ""


def test_errors_name_file_and_line(tmp_path: Path) -> None:
    files = {"d/kustomization.yaml": b"resources: [a.yaml]\n", "d/a.yaml": CM + b"  broken: [\n"}
    error = refusal(files, tmp_path, "d")
    assert (error.reason, error.retryable) == ("BuildFailed", False)
    assert 'kustomize cannot build path "d"' in error.message
    assert "a.yaml" in error.message
    assert "line" in error.message


def test_invalid_patch_is_named(tmp_path: Path) -> None:
    patch = {"patch": "- op: replace\n  path: /data/none/x\n  value: 1", "target": {"kind": "ConfigMap"}}
    assert "/data/none/x" in refusal({"a.yaml": CM}, tmp_path, patches=[patch]).message
    missing = {"patch": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: other\n"}
    assert "ConfigMap" in refusal({"a.yaml": CM}, tmp_path, patches=[missing]).message


def test_cycles_are_kustomizes_own_error(tmp_path: Path) -> None:
    files = {"a/kustomization.yaml": b"resources: [../b]", "b/kustomization.yaml": b"resources: [../a]"}
    assert "cycle" in refusal(files, tmp_path, "a").message


def script(tmp_path: Path, body: str) -> Tool:
    path = tmp_path / "tool.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return Tool((str(path),), "fake")


def run_script(tmp_path: Path, body: str, **limits: Any) -> str:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    tree = BuildTree(files={"d/a.yaml": CM}, directory="d", digest="x")
    kustomize = Kustomize(script(tmp_path, body), limits=BuildLimits(**limits), scratch=str(scratch))
    try:
        return asyncio.run(kustomize.run(tree))
    finally:
        assert list(scratch.iterdir()) == []


def test_environment_is_empty_and_directory_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    said = run_script(tmp_path, "/usr/bin/env; /usr/bin/stat -c 'mode=%a' . ; echo arg=$1; exec /bin/cat $1/a.yaml")
    names = {line.split("=")[0] for line in said.splitlines() if "=" in line}
    assert names <= {
        "HOME",
        "TMPDIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "PWD",
        "_",
        "SHLVL",
        "OLDPWD",
        "PATH",
        "mode",
        "arg",
    }
    assert "mode=700" in said
    assert "kind: ConfigMap" in said


def test_time_limit_kills_the_whole_group(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(OperationError) as caught:
        run_script(tmp_path, f"/bin/sleep 600 & echo $! > {pid}.new; /bin/mv {pid}.new {pid}; wait", total_s=2)
    assert (caught.value.reason, caught.value.retryable) == ("BuildTimeout", True)
    assert 'path "d" within 2 s' in caught.value.message
    assert_gone(int(pid.read_text()))


def assert_gone(pid: int) -> None:
    """Killed: either reaped or a zombie that nobody has waited for yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return
    assert state == "Z"


def test_cancelling_kills_and_cleans(tmp_path: Path) -> None:
    scratch, pid = tmp_path / "scratch", tmp_path / "pid"
    scratch.mkdir()
    os.mkfifo(pid)

    async def main() -> int:
        kustomize = Kustomize(script(tmp_path, f"echo $$ > {pid}; exec /bin/sleep 600"), scratch=str(scratch))
        task = asyncio.ensure_future(kustomize.run(BuildTree(files={"a": b""}, directory="", digest="x")))
        started = int(await asyncio.to_thread(pid.read_text))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return started

    assert_gone(asyncio.run(main()))
    assert list(scratch.iterdir()) == []


def test_output_limit(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="rendered more than 10 B") as caught:
        run_script(tmp_path, "echo 12345678901", output_bytes_max=10)
    assert caught.value.reason == "BuildOutputTooLarge"
    assert run_script(tmp_path, "echo 123456789", output_bytes_max=10) == "123456789\n"


def test_words_of_the_tool_are_bounded_and_scrubbed(tmp_path: Path) -> None:
    body = "echo '# Warning: old' >&2; echo \"Error: $1/x.yaml: $HOME bad\" >&2; exit 3"
    with pytest.raises(OperationError) as caught:
        run_script(tmp_path, body)
    assert caught.value.message == 'kustomize cannot build path "d": d/x.yaml: . bad'
    flood = "i=0; while [ $i -lt 20000 ]; do echo word; i=$((i+1)); done >&2; exit 1"
    with pytest.raises(OperationError) as caught:
        run_script(tmp_path, flood)
    assert len(caught.value.message) < 2_100


def test_at_most_so_many_at_once(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def main() -> None:
        body = f"echo + >> {log}; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo - >> {log}"
        kustomize = Kustomize(script(tmp_path, body), limits=BuildLimits(concurrent_max=2))
        tree = BuildTree(files={"a": b""}, directory="", digest="x")
        await asyncio.gather(*[kustomize.run(tree) for _ in range(6)])

    asyncio.run(main())
    running = [0]
    for line in log.read_text().split():
        running.append(running[-1] + (1 if line == "+" else -1))
    assert max(running) <= 2
    assert running[-1] == 0
