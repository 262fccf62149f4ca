# One word a job; each sets up what it needs in .venv and build/, nothing global.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# One process for each core; whoever is done first takes over from the others.
PYTEST := $(BIN)/python -m pytest -q -n auto --dist worksteal
SOURCES := ledger reconciler replay tests

.DEFAULT_GOAL := help
.PHONY: help demo test check bench controlplane browser soak docs format lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): tests/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r tests/requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(INSTALLED) ## a release, a broken one, a kill in the middle, and the story from the ledger (CLUSTER=kubeconfig: on a real cluster)
	$(BIN)/python -m tests.demo

test: $(INSTALLED) ## unit, property and simulation tests (two minutes)
	$(PYTEST) -m "not cluster and not slow"

check: $(INSTALLED) ## format, ruff, mypy --strict, import-linter and every test that needs no control plane
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -m "not cluster"

format: $(INSTALLED) ## format the code and sort its imports
	$(BIN)/ruff check --fix --quiet $(SOURCES) || true
	$(BIN)/ruff format --quiet $(SOURCES)

docs: $(INSTALLED) ## write the generated pages and manifests again
	$(BIN)/python -m tests.generated

$(VENV)/.bench: $(INSTALLED) tests/bench/requirements.lock
	$(BIN)/python -m pip install --quiet --require-hashes -r tests/bench/requirements.lock
	@touch $@

bench: $(VENV)/.bench ## measure against the physical limit and the peers; writes build/bench/*.json
	$(BIN)/python -m tests.bench

controlplane: $(INSTALLED) ## build (or find) etcd, kube-apiserver, controller-manager, scheduler and kwok
	$(BIN)/python -m tests.controlplane

browser: ## install the Chromium that opens replay reports in a test (Debian, as root)
	@command -v chromium >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends chromium fonts-dejavu-core >/dev/null; }

soak: $(INSTALLED) ## the simulation and the kill tests with many more seeds
	SOAK=1 $(PYTEST) -m "not cluster"

lock: $(INSTALLED) ## pin the dependencies again (needs uv on the PATH)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra fast --extra age pyproject.toml -o deploy/requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra fast --extra age --extra dev -c deploy/requirements.lock pyproject.toml -o tests/requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra bench -c tests/requirements.lock pyproject.toml -o tests/bench/requirements.lock

clean: ## remove what the jobs made
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
