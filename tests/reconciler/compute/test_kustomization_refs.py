"""No kustomization that passes can make kustomize read outside the tree."""

from __future__ import annotations

import pytest

from reconciler.compute.kustomization import prepare
from reconciler.errors import OperationError

CM = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
TREE = {
    "app/a.yaml": CM,
    "app/sub/kustomization.yaml": b"resources: [../a.yaml]\n",
    "base/kustomization.yaml": b"resources: [b.yaml]\n",
    "base/b.yaml": CM,
    "plain/x.yaml": CM,
    "github.com/o/r/kustomization.yaml": b"resources: []\n",
    "app/github.com/o/r/kustomization.yaml": b"resources: []\n",
}


def check(content: str, **more: bytes) -> None:
    files = {**TREE, "app/kustomization.yaml": content.encode(), **{f"app/{k}.yaml": v for k, v in more.items()}}
    prepare(files, path="app", tool="t")


def refusal(content: str, **more: bytes) -> OperationError:
    with pytest.raises(OperationError) as caught:
        check(content, **more)
    assert not caught.value.retryable
    return caught.value


@pytest.mark.parametrize(
    "content",
    [
        "resources: [a.yaml, ./sub/, ../base, ../base/b.yaml]",
        "resources: [./github.com/o/r]",
        "components: [../base]\nbases: [../base]",
        "patches: [{path: a.yaml}, {patch: 'a: b'}]",
        'patchesStrategicMerge: [a.yaml, "a: b\\nc: /etc/passwd\\n"]',
        "patchesJson6902: [{path: a.yaml, target: {kind: X, name: y, version: v1}}]",
        "replacements: [{path: a.yaml}, {source: {kind: X}}]",
        "configMapGenerator: [{name: a, files: [a.yaml, k=a.yaml], envs: [../base/b.yaml], literals: [a=/etc]}]",
        "crds: [a.yaml]\nconfigurations: [a.yaml]\nopenapi: {path: a.yaml}",
        'transformers: ["apiVersion: builtin\\nkind: PrefixTransformer\\nmetadata: {name: x}\\nprefix: a-\\n"]',
        "namePrefix: /etc/passwd\ncommonAnnotations: {a: https://x}\nimages: [{name: github.com/x}]",
    ],
)
def test_references_inside_the_tree(content: str) -> None:
    check(content)


OUTSIDE = {
    "https://host/x.yaml": "is remote",
    "http://169.254.169.254/latest": "is remote",
    "github.com/o/r": "is remote",
    "GitHub.com/o/r?ref=main": "is remote",
    "git@github.com:o/r": "is remote",
    "git::https://host/r": "is remote",
    "ssh://host/r": "is remote",
    "file:///etc/passwd": "is remote",
    "host.xz/r?ref=v1": "is remote",
    "/etc/passwd": "is an absolute path",
    "../../etc/passwd": "leads out of the artifact",
    "sub/../../../x": "leads out of the artifact",
    "nope.yaml": "does not exist in the artifact",
}
FIELDS = (
    "resources: [{}]",
    "bases: [{}]",
    "components: [{}]",
    "crds: [{}]",
    "configurations: [{}]",
    "generators: [{}]",
    "transformers: [{}]",
    "validators: [{}]",
    "openapi: {{path: {}}}",
    "patches: [{{path: {}}}]",
    "patchesJson6902: [{{path: {}}}]",
    "patchesStrategicMerge: [{}]",
    "replacements: [{{path: {}}}]",
    "configMapGenerator: [{{name: a, files: [{}]}}]",
    "configMapGenerator: [{{name: a, files: ['k={}']}}]",
    "configMapGenerator: [{{name: a, Files: [{}]}}]",
    "secretGenerator: [{{name: a, envs: [{}]}}]",
    "secretGenerator: [{{name: a, env: {}}}]",
)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("reference", "said"), OUTSIDE.items())
def test_references_outside_the_tree(field: str, reference: str, said: str) -> None:
    error = refusal(field.format(f'"{reference}"' if "'" not in field else reference))
    assert error.reason == "ReferenceRefused"
    assert error.message.startswith("app/kustomization.yaml: ")
    assert field.split(":", maxsplit=1)[0] in error.message
    assert reference in error.message
    assert said in error.message


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (b"apiVersion: builtin\nkind: ConfigMapGenerator\nfiles: [/etc/passwd]", "absolute"),
        (b"apiVersion: builtin\nkind: ConfigMapGenerator\nENVS: [/etc/passwd]", "absolute"),
        (b"apiVersion: builtin\nkind: PatchTransformer\nPath: ../../x", "leads out"),
        (b"apiVersion: builtin\nkind: PatchStrategicMergeTransformer\npaths: [https://x]", "remote"),
        (b"apiVersion: builtin\nkind: ReplacementTransformer\nreplacements: [{path: /x}]", "absolute"),
        (b"apiVersion: builtin\nkind: HelmChartInflationGenerator", "not built into kustomize"),
        (b"apiVersion: someteam.example.com/v1\nkind: SedTransformer", "run no plugins"),
        (
            b"apiVersion: builtin\nkind: X\nmetadata: {annotations: {config.kubernetes.io/function: 'exec: x'}}",
            "function",
        ),
        (b"apiVersion: builtin\nkind: X\nmetadata: {configFn: {}}", "function"),
    ],
)
@pytest.mark.parametrize("field", ["generators", "transformers", "validators"])
def test_plugin_configurations(field: str, config: bytes, said: str) -> None:
    assert said in refusal(f"{field}: [cfg.yaml]", cfg=config).message
    inline = "\n".join("  " + line for line in config.decode().splitlines())
    assert said in refusal(f"{field}:\n- |\n{inline}\n  x: y\n").message


def test_nested_kustomizations_are_followed() -> None:
    files = {
        **TREE,
        "base/kustomization.yaml": b"resources: [https://evil/x]\n",
        "kustomization.yaml": b"resources: [app/sub]\n",
    }
    prepare(files, tool="t")
    files["app/sub/kustomization.yaml"] = b"resources: [../../base]\n"
    with pytest.raises(OperationError, match=r"base/kustomization\.yaml: resources 'https://evil/x' is remote"):
        prepare(files, tool="t")


def test_cycles_end() -> None:
    files = {"a/kustomization.yaml": b"resources: [../b]", "b/kustomization.yaml": b"resources: [../a]"}
    prepare(files, path="a", tool="t")


def test_directory_where_a_file_is_needed_and_without_kustomization() -> None:
    assert "is a directory, and a file is needed" in refusal("transformers: [sub]").message
    assert "without a kustomization.yaml" in refusal("resources: [../plain]").message


@pytest.mark.parametrize(
    "field", ["helmCharts: [{name: x}]", "helmGlobals: {a: b}", "helmChartInflationGenerator: [{}]"]
)
def test_helm_is_refused(field: str) -> None:
    assert "Helm" in refusal(field).message
