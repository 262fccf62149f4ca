"""Artifacts with Secrets in them, spelled out in every way that is looked for."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile

VALUE = "c4n4ry/v+lue!"
ENCODED = base64.b64encode(VALUE.encode()).decode()


def artifact(**files: str | bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(target.getvalue(), mtime=0)


def files(data: bytes) -> dict[str, bytes]:
    """What is in an artifact, by name."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}  # type: ignore[union-attr]


SECRET = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{password: {VALUE}}}\n"
HIDDEN = {
    "string data": SECRET,
    "data": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{password: {ENCODED}}}\n",
    "escaped kind": f'{{"kind": "\\u0053ecret", "stringData": {{"password": "{VALUE}"}}}}',
    "list": json.dumps({"kind": "List", "items": [{"kind": "Secret", "stringData": {"a": VALUE}}]}),
    "second document": f"kind: ConfigMap\n---\n{SECRET}",
    "literal": f"secretGenerator:\n- name: x\n  literals: [password={VALUE}]\n",
    "inline patch": "patches:\n- patch: |\n    kind: Secret\n    metadata: {name: s}\n    stringData:\n"
    f"      password: {VALUE}\n",
    "json patch": "patches:\n- target: {kind: Secret, name: s}\n  patch: |\n    - op: add\n      path: /data/password\n"
    f"      value: {ENCODED}\n",
    "merge patch without kind": "patches:\n- target: {kind: Sec.*}\n  patch: |\n    metadata: {name: s}\n    data:\n"
    f"      password: {ENCODED}\n",
    "list of secrets": json.dumps({"kind": "SecretList", "items": [{"data": {"a": ENCODED}}]}),
    "last applied": json.dumps(
        {
            "kind": "ConfigMap",
            "metadata": {
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": json.dumps(
                        {"kind": "Secret", "data": {"a": ENCODED}}
                    )
                }
            },
        }
    ),
    "json patch without kind": "patches:\n- target: {name: s}\n  patch: |\n    - op: add\n"
    f"      path: /stringData/password\n      value: {VALUE}\n",
}
