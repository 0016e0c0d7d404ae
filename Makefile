# Two commands do all the set-up: `make demo` and `make test`. Both stand on `make install`.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.ONESHELL:

PYTHON ?= python3
REPO ?= .
BUDGET ?= 5m
BIN := .venv/bin
EXTENSION := cd editor-clients/vscode && npm ci --silent --no-audit --no-fund && npm test --silent && npm run package --silent
INSTALLED := .venv/.installed

.PHONY: help install demo test test-package test-big test-editors test-extension lint format clean

help:
	@echo "make demo [REPO=path] [BUDGET=5m]  train on a repository, convert, serve, compare"
	echo "make test                          install what tests need, and run them"
	echo "make install                       the environment alone, in .venv, with all extras"
	echo "make lint                          ruff format and check, mypy --strict, for each system"
	echo "make test-editors                  drive real editors: VS Code, Neovim, Helix, Emacs (Debian)"
	echo "make test-package                  install the built wheel by pip, pipx and uv, and run it"
	echo "make test-extension                the VS Code extension without VS Code: tests, types, package"
	echo "make test-big                      the slow tests, with big models"

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt scripts/install.sh
	@PYTHON="$(PYTHON)" scripts/install.sh
	touch $@

demo: $(INSTALLED)
	@$(BIN)/budgetai-demo --repo "$(REPO)" --budget "$(BUDGET)"

test: $(INSTALLED)
	@# Two at a time with a thread each. Who is done first takes over what the other has left.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not big and not editors" -n 2 --dist worksteal

test-big: $(INSTALLED)
	@$(BIN)/python -m pytest -m big

test-package: $(INSTALLED)
	@# The wheel as users have it, in fresh environments: needs a package index.
	$(BIN)/python -m pytest -m big tests/test_installed.py

test-editors: $(INSTALLED)
	@# One at a time: editors and the model share the processor.
	PYTHON=$(BIN)/python tests/editors/get.sh
	($(EXTENSION))
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m editors tests/editors

test-extension:
	@# The VS Code extension without VS Code: its own tests, its types, its package. Needs node and npm.
	$(EXTENSION)

lint: $(INSTALLED)
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	# What other systems do not have is not used there. Tests run here alone.
	for system in win32 darwin; do
	  $(BIN)/mypy --platform $$system --cache-dir .mypy_cache/$$system server training convert
	done

format: $(INSTALLED)
	@$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	@rm -rf .venv
