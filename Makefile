# Needs git, make and Python >= 3.11 (or uv, which finds one). Everything else comes into .venv from hash-pinned locks.
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# One file stays on one worker: its servers and databases start once.
WORKERS := -n logical --maxprocesses 4 --dist loadfile

.PHONY: help install demo test check bench format docs lock

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

install: ## Make .venv with every extra; afterwards .venv/bin/remit runs
	@scripts/install.sh

demo: install ## Play the story with real pages in your browser
	@$(BIN)/remit demo

test: install ## Run the tests
	$(PYTEST) $(WORKERS)

check: install ## All that CI runs: lint, format, types, floors, generated docs, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/reference.py --check
	$(PYTEST) $(WORKERS)

bench: install ## Measure Remit beside npm oidc-provider and write docs/benchmarks/
	$(BIN)/python -m bench
	$(BIN)/python -m bench vault
	$(BIN)/python -m bench proxy
	$(BIN)/python -m bench asking
	$(BIN)/python -m bench relations

format: install ## Format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: install ## Write docs/reference/ from the code
	$(BIN)/python scripts/reference.py

lock: ## Resolve the locks anew; ARGS=--upgrade takes newer versions
	@scripts/lock.sh $(ARGS)
