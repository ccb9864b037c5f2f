# Everything a person or a machine does with TitanFlow from a checkout. `make` alone lists the targets.

VENV    := .venv
PY      := $(VENV)/bin/python
PIP     := $(PY) -m pip install --quiet --disable-pip-version-check
LOCK    := requirements.txt
WORKERS ?= 2
ROUNDS  ?= 10
ARGS    ?=

IS_SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
FIND_PYTHON   = for name in python3.11 python3.12 python3.13 python3 python; do \
	"$$name" -c '$(IS_SUPPORTED)' 2>/dev/null && { command -v "$$name"; break; }; done
# The pinned versions are the ones tested; where an index lacks one of them, the ranges of pyproject.toml decide.
define install
	@$(PIP) --constraint $(LOCK) $(1) || { echo "Cannot install the pinned versions here; trying the allowed ranges."; $(PIP) $(1); }
endef

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup live test soak check bench models lock clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "%-14s%s\n", $$1, $$2 }'

setup: $(VENV)/.dev ## Create the environment and install everything, development tools too

live: $(VENV)/.core ## Run a paper session on the sample tape: make live ARGS="--speed max"
	@$(PY) -m titanflow live $(ARGS)

test: setup check ## Check, then run all tests: make test ARGS="-k ledger"
	$(PY) -m pytest -n $(WORKERS) $(ARGS)

soak: setup ## Run the property tests on fresh examples, over and over: make soak ROUNDS=50
	@for round in $$(seq $(ROUNDS)); do echo "round $$round of $(ROUNDS)"; \
		HYPOTHESIS_PROFILE=soak $(PY) -m pytest -q -n $(WORKERS) -m hypothesis $(ARGS) || exit 1; done

check: setup ## Lint, formatting, types, import layers, generated docs
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) scripts/sync_architecture.py --check

bench: setup ## Measure: every benchmark prints one JSON document
	@for bench in benchmarks/bench_*.py; do echo "# $$bench" >&2; $(PY) "$$bench" $(ARGS) || exit 1; done

models: setup ## Train the shipped models anew, on the sample tape: some minutes
	$(PY) scripts/train_shipped.py

lock: setup ## Pin the versions that are installed now
	@{ echo "# The versions that TitanFlow is tested with, as constraints; written by make lock."; \
		$(PY) -m pip freeze --disable-pip-version-check --exclude-editable | sed 's/+cpu$$//'; } > $(LOCK).new && mv $(LOCK).new $(LOCK)

clean: ## Remove the environment and all that was built or cached
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PY) -m pip --version >/dev/null 2>&1 || { \
		python="$(PYTHON)"; [ -n "$$python" ] || python="$$($(FIND_PYTHON))"; \
		[ -n "$$python" ] || { echo "TitanFlow needs Python 3.11, 3.12 or 3.13: install one, or name it: make PYTHON=/path/to/python"; exit 1; }; \
		"$$python" -c '$(IS_SUPPORTED)' || { echo "$$python is not Python 3.11, 3.12 or 3.13"; exit 1; }; \
		echo "Creating $(VENV) with $$python"; \
		"$$python" -m venv $(VENV) || { rm -rf $(VENV); \
			echo "$$python cannot create environments: install its venv module (Debian: apt-get install python3-venv)"; exit 1; }; }
	@touch $@

$(VENV)/.core: pyproject.toml $(LOCK) | $(VENV)/.made
	@echo "Installing TitanFlow into $(VENV)"
	$(call install,--editable .)
	@touch $@

$(VENV)/.dev: pyproject.toml $(LOCK) | $(VENV)/.made
	@echo "Installing TitanFlow and its development tools into $(VENV)"
	$(call install,--editable '.[dev]')
	@touch $(VENV)/.core $@
