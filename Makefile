# One command sets up, checks, tests or shows everything; `make` alone lists them.
# Needs make, and a Python >= 3.11 with venv. `make test ARGS="-k templates -x"` hands arguments on.

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.lock
READY := $(VENV)/.ready
ARGS ?=

# The first interpreter that is new enough; plain python3 if none is, so that the message below can name its version.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; done; echo python3)

.DEFAULT_GOAL := help
.PHONY: help setup check lint types layers budgets test demo bench bench-eval bench-train format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with everything in it (the other targets do this by themselves)

check: lint types layers budgets ## lint, format, types, import layers, file and function budgets

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

budgets: $(READY)
	$(BIN)/python -m pytest -q tests/test_project.py -k budget

# All of them by as many processes as there are cores, up to four; chosen ones by one.
test: $(READY) ## run the tests
	$(BIN)/python -m pytest $(or $(ARGS),--numprocesses logical --maxprocesses 4 --dist loadfile)

demo: $(READY) ## take a small tower and language model through both stages, and ask them (minutes, CPU)
	$(BIN)/chiasm demo $(ARGS)

bench: $(READY) ## compare speed with transformers, as ratios
	$(BIN)/python -m bench $(ARGS)

bench-eval: $(READY) ## compare the speed of answering benchmarks with transformers, as ratios
	$(BIN)/python -m bench.evaluation $(ARGS)

bench-train: $(READY) ## compare the speed and memory of training with transformers, as ratios
	$(BIN)/python -m bench.training $(ARGS)

format: $(READY) ## put imports and layout in order
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: ## resolve the dependencies of pyproject.toml anew (needs Python 3.11 and a package index)
	$(PYTHON) scripts/lock.py

clean: ## remove what the tools left behind (keeps .venv and runs)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests bench scripts -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# Whole and current, or not there: the stamp is written last, and a .venv without a working pip is made again.
$(READY): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "error: chiasm needs Python 3.11 or newer; $(PYTHON) is $$({ $(PYTHON) --version || echo not there; } 2>&1 | tail -n 1)." \
		"Name another: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -r $(LOCK)
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
