# The words people use here. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help setup demo up test check format bench docs clean

VENV := .venv
BIN := $(VENV)/bin
LOCK := pyproject.toml uv.lock
# What `make demo` needs is a part of what `make test` needs, so nothing that is there is taken away again.
SYNC := sync --frozen --inexact --no-default-groups --quiet
DEMO := --extra llama --extra whisper --extra macos --group demo
ifeq ($(shell uname -sm),Darwin arm64)
DEMO += --extra mlx
endif
DEV := --all-extras --group dev

# Dozens of processes start here: without this, where a shell says so, each compiles all of its modules again.
unexport PYTHONDONTWRITEBYTECODE

help: ## List these words
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## Install everything into .venv: engines, tests, linters

demo: $(VENV)/.demo ## Show it all live in under four minutes: real models, real jobs, a killed worker
	@$(BIN)/cidermill demo

up: $(VENV)/.demo ## Run Cidermill on this machine; Ctrl-C stops it
	@$(BIN)/cidermill up

test: $(VENV)/.dev ## Run all tests
	@$(BIN)/pytest -n auto --dist loadfile $(ONLY)

check: $(VENV)/.dev ## Check format, lint, types and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.bench ## Measure what the performance page promises; ONLY=name for one of them
	@$(BIN)/python -m tests.load $(ONLY)

docs: $(VENV)/.dev ## Write the reference pages that come from the code
	@$(BIN)/python -m docs.generate

clean: ## Remove what was installed and built here
	@rm -rf $(VENV) .demo .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist site
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.demo: $(LOCK) | $(VENV)/.uv
	@echo "Installing Cidermill with its engines into $(VENV) …"
	@$$(cat $(VENV)/.uv) $(SYNC) $(DEMO)
	@touch $@

$(VENV)/.dev: $(LOCK) | $(VENV)/.uv
	@echo "Installing Cidermill with all engines and tools into $(VENV) …"
	@$$(cat $(VENV)/.uv) $(SYNC) $(DEV)
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: $(VENV)/.dev
	@$$(cat $(VENV)/.uv) $(SYNC) $(DEV) --group bench
	@touch $@

# uv installs from the lock file: the one of this machine if it is new enough, else one of our own.
$(VENV)/.uv:
	@bash ops/find-uv $(VENV)
