# speakerd: everything a fresh machine needs is installed by the target that needs it.
# Only make, git and python3 are expected to be there.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   ?= demo
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --use-pep517

.DEFAULT_GOAL := help
.PHONY: help demo demo-entra test check bench bench-peers bench-wake bench-a53 install uninstall wheels lock clean

help: ## show this
	@echo "speakerd $$(sed -n 's/^__version__ = "\(.*\)"/\1/p' speakerd/__init__.py): say a wake word to a Raspberry Pi, it answers"
	@echo
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'
	@echo
	@echo "Start with: make demo"

demo: $(VENV)/.local ## hold a whole conversation on this machine: no account, no network, no sound card
	@$(BIN)/speakerd fetch-models
	@$(BIN)/speakerd demo --out $(DEMO)

demo-entra: $(VENV)/.dev ## sign in, have the sign-in revoked, sign in again: against a stand-in for Entra
	@$(BIN)/speakerd fetch-models
	@$(BIN)/python -m tests.demo_entra --out $(DEMO)/entra

test: $(VENV)/.dev ## run every test
	@$(BIN)/speakerd fetch-models
	@$(BIN)/python .ci/coverage_by_own_test.py
	@$(BIN)/python -m tests.booted.root
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: $(VENV)/.dev ## format, lint, types, import contracts
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python .ci/state_diagram.py

bench: $(VENV)/.local ## measure the speaker and print the figures
	@$(BIN)/speakerd fetch-models
	@$(BIN)/speakerd bench

bench-peers: $(VENV)/.local ## measure the speaker beside openai-agents and pipecat-ai (fetches about 170 MB once)
	@PYTHON="$(PYTHON)" sh .ci/packages.sh peers
	@$(BIN)/speakerd fetch-models
	@$(BIN)/speakerd bench peers

bench-wake: $(VENV)/.local ## measure the wake word beside openWakeWord and two others (fetches about 130 MB once)
	@$(BIN)/speakerd fetch-models
	@$(BIN)/speakerd bench wake

bench-a53: $(VENV)/.dev ## count instructions on an emulated Cortex-A53 with a Pi's wheels (keeps 0.8 GB)
	@PYTHON="$(PYTHON)" sh .ci/packages.sh a53
	@$(BIN)/speakerd fetch-models
	@$(BIN)/python .ci/bench_a53.py

install: ## put the service on this machine, or bring it up to date (as root)
	@PYTHON="$(PYTHON)" WHEELS="$(WHEELS)" LOCAL="$(LOCAL)" sh systemd/install.sh

uninstall: ## take it off again; PURGE=1: with configuration, sign-in and user (as root)
	@PURGE="$(PURGE)" sh systemd/uninstall.sh

wheels: ## fill the folder wheels for `make install WHEELS=wheels` on a machine without a network
	@PYTHON="$(PYTHON)" sh .ci/packages.sh build
	@$(PYTHON) .ci/wheels.py $(or $(WHEELS),wheels)

lock: ## write the lock files anew from pyproject.toml (maintainers; needs uv)
	@.lock/lock.sh

clean: ## remove what was built here
	rm -rf $(VENV) demo bench build dist wheels

# The environment in three layers, each stamped when it is complete.

$(VENV)/.base: .lock/run.txt .lock/build.txt pyproject.toml
	@PYTHON="$(PYTHON)" sh .ci/packages.sh build
	@echo "==> environment in $(VENV) ($$($(PYTHON) --version))"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "==> packages of the daemon, by hash (about 60 MB)"
	@$(PIP) --require-hashes --no-deps -r .lock/build.txt
	@$(PIP) --require-hashes --no-deps --no-build-isolation -r .lock/run.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.local: $(VENV)/.base .lock/local.txt
	@echo "==> ears and voice for a machine without an account, by hash (about 110 MB)"
	@$(PIP) --require-hashes --no-deps --no-build-isolation -r .lock/local.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.local .lock/dev.txt
	@PYTHON="$(PYTHON)" sh .ci/packages.sh test
	@echo "==> tools for tests and checks, by hash"
	@$(PIP) --require-hashes --no-deps -r .lock/dev.txt
	@touch $@
