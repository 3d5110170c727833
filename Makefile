# Strongroom: `make demo` shows it at work, `make test` proves it. Both set up what they need, inside this folder.

# The first Python that is new enough; `make PYTHON=...` names another.
PYTHON := $(shell for candidate in python3 python3.13 python3.12 python3.11; do \
	"$$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$candidate" && break; done)

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
CDK := $(BIN)/node infra/local/node_modules/aws-cdk/bin/cdk

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo up down status test lint test-unit test-contract test-infra test-cloud bench synth openapi lock clean clean-all

# A wrong name is told in one line, with where the right ones are.
.DEFAULT:
	@echo "error: there is no target '$@'; \`make help\` lists them" >&2; exit 2

help:  ## Show this list
	@echo "Strongroom. The targets:"
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

setup:  ## Set up .venv and the CDK's command line (every other target does this first)
	@if [ -z "$(PYTHON)" ]; then \
		echo "error: no Python 3.11 or later with the venv module was found; install one, or name it: make PYTHON=..." >&2; \
		exit 1; fi
	@$(PYTHON) infra/local/install.py

demo: setup  ## Deploy two regions on loopback and show the platform doing its main job
	@$(BIN)/python -m infra.local.demo

up: setup  ## Start the local cloud and leave it running
	@$(BIN)/python -m infra.local up

down:  ## Stop the local cloud
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m infra.local down; else echo "Nothing is set up, so nothing runs."; fi

status: setup  ## Tell whether the local cloud is up, and where
	@$(BIN)/python -m infra.local status

test: setup lint  ## Run everything: lint, types, import rules, unit, contract, infra and cloud tests
	$(PYTEST) tests/unit tests/contract tests/infra --cov --cov-report=term:skip-covered
	$(PYTEST) tests/cloud

lint: setup  ## Check style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy functions sdk infra layers tests
	$(BIN)/lint-imports

test-unit: setup  ## Run the unit tests
	$(PYTEST) tests/unit

test-contract: setup  ## Run the contract tests
	$(PYTEST) tests/contract

test-infra: setup  ## Run the tests of the synthesized templates
	$(PYTEST) tests/infra

test-cloud: setup  ## Run the tests against the local cloud; uses a running one made of these sources
	$(PYTEST) tests/cloud

bench: setup  ## Measure everything and write build/bench.json
	@$(BIN)/python -m tests.bench

# Without an account of its own: an example's, so that nothing on AWS is asked.
synth: setup  ## Synthesize the templates for AWS into cdk.out
	@CDK_DEFAULT_ACCOUNT=$${CDK_DEFAULT_ACCOUNT:-111122223333} PATH="$(CURDIR)/$(BIN):$$PATH" \
		$(CDK) synth --quiet --no-notices

openapi: setup  ## Write the interface's OpenAPI document anew, after a change of its routes
	$(BIN)/python -m strongroom_service.entry.api.openapi

LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

lock: setup  ## Resolve the Python packages and those of the layers anew into their lock files, after a change of either
	$(LOCK) --group dev --output-file requirements.lock
	$(foreach layer,reader admin,$(LOCK) layers/$(layer)/requirements.in --output-file layers/$(layer)/requirements.lock &&) true

clean: down  ## Remove what was built and the local cloud's files
	rm -rf build dist cdk.out .local .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

clean-all: clean  ## Also remove the set-up
	rm -rf .venv infra/local/node_modules
