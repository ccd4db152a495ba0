PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SRC ?= fixtures/agent_platform
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help audit test lint types unit self-audit bench docs new-rule new-library clean

help:  ## Show what there is to make.
	@awk '/^[a-z-]+:.*## / {split($$0, part, /:.*## /); printf "make %-12s %s\n", part[1], part[2]}' $(MAKEFILE_LIST)

audit: $(VENV)/.installed  ## Audit SRC=path, by default the example application.
	@$(BIN)/perfaudit scan --exit-zero $(SRC)

test: lint types unit self-audit  ## Prove everything: lint, types, tests, the wheel, the docs.

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

unit: $(VENV)/.installed-dev node_modules
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

self-audit: $(VENV)/.installed-dev
	$(BIN)/perfaudit scan src
	$(BIN)/perfaudit rules docs --check docs

bench: $(VENV)/.installed-dev  ## Compare speed and memory with bandit and with parsing alone.
	$(BIN)/python bench/bench.py $(ARGS)

docs: $(VENV)/.installed  ## Write the pages of the rules and libraries anew.
	$(BIN)/perfaudit rules docs docs

new-rule: $(VENV)/.installed  ## Start a rule: name=database/query-in-loop.
	$(BIN)/perfaudit rules new $(name)

new-library: $(VENV)/.installed  ## Start a library: name=requests.
	$(BIN)/perfaudit rules new libraries/$(name)

clean:  ## Remove what make made.
	rm -rf $(VENV) node_modules dist build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "perfaudit needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.installed

# The validator of SARIF comes from npm; tests that need it say so where npm is missing.
node_modules: | $(VENV)/.installed-dev
	@if command -v npm >/dev/null; then $(BIN)/python tests/reporters/sarif_tool.py >/dev/null; \
	else echo "npm is missing: SARIF is not validated."; fi
