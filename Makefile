# The verbs of this checkout. Plain GNU make, bash and Python >= 3.11; everything else is installed
# into .venv from the locks in requirements/. `make help` lists the verbs.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The Python that creates .venv; afterwards .venv's own is used.
PYTHON ?= python3
# Handed on to the program behind a verb: make up ARGS="--port 0", make test ARGS="-k journal".
ARGS ?=
# How many times the crash test kills each part; empty is its own default.
KILLS ?=

venv_python := .venv/bin/python
# Everything a verb prints of its preparations goes to stderr: stdout belongs to the program, so
# that `make up ARGS="--once --json"` can be piped.
environment = @command -v $(PYTHON) >/dev/null \
	|| { echo "Tradewind needs Python 3.11 or newer: apt-get install python3 python3-venv" >&2; exit 1; }; \
	$(PYTHON) -m scripts.environment

.PHONY: help up test check fmt bench bench-peers lock clean

help: ## List the verbs
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

up: ## Install what is missing and start the platform; Ctrl-C stops it (ARGS="--port 0 --once …")
	$(environment) runtime
	@exec .venv/bin/tradewind up $(ARGS)

test: ## Run all tests (ARGS="-k journal", KILLS=100)
	$(environment) dev
	@exec $(venv_python) -m scripts.run_tests $(if $(KILLS),--kills $(KILLS)) -- $(ARGS)

check: ## Run everything that reads the code without running it: style, types, layers, spelling
	$(environment) dev
	@exec $(venv_python) -m scripts.check

fmt: ## Format the code and mend what ruff can mend
	$(environment) dev
	@$(venv_python) -m ruff check --fix-only --quiet .
	@$(venv_python) -m ruff format .

bench: ## Measure the gateway beside nginx on this machine (ARGS="--json")
	$(environment) dev
	@exec $(venv_python) -m bench $(ARGS)

bench-peers: ## Measure other gateways beside ours; installs them below build/peers (ARGS="--seconds 5")
	$(environment) dev
	@exec $(venv_python) -m bench.peers $(ARGS)

lock: ## Compile requirements/*.in into locks with hashes, from releases at least a week old
	$(environment) dev
	@exec $(venv_python) -m scripts.lock

clean: ## Remove what was built and cached; keeps .venv and the data folder
	@rm -rf build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache bench/build bench/results
	@find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
