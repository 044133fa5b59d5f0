# The commands of the project by name. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Any Python >= 3.10: it only makes .venv, with the interpreter that the machine's line needs.
PYTHON ?= python3
VENV := .venv/bin
# Two processes. What shares a fixture stays in one of them, in the order that tests/conftest.py says.
WORKERS := -n 2 --dist loadgroup --no-loadscope-reorder

export TF_CPP_MIN_LOG_LEVEL ?= 2
# Without compiled bytecode each process that imports TFX compiles it anew: 70 s instead of 20.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help bootstrap demo test test-quick lint format types bench notebooks doctor pins clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

bootstrap: ## Make .venv with the line of the stack that fits this machine
	@$(PYTHON) -m tools.bootstrap

demo: bootstrap ## From raw ratings to a gRPC answer (DATASET=..., DATA_DIR=... where wanted)
	@$(VENV)/recsys-tf demo $(if $(DATASET),--dataset $(DATASET)) $(if $(DATA_DIR),--data-dir $(DATA_DIR))

test: lint types ## Check style and types, then run every test
	$(VENV)/python -m pytest $(WORKERS)

test-quick: bootstrap ## Run the tests that take seconds
	$(VENV)/python -m pytest $(WORKERS) -m "not slow"

lint: bootstrap ## Check style and formatting, changing nothing
	$(VENV)/ruff check
	$(VENV)/ruff format --check

format: bootstrap ## Format the code and mend what ruff can mend
	$(VENV)/ruff check --fix
	$(VENV)/ruff format

types: bootstrap ## Check the types
	$(VENV)/mypy $(wildcard recsys_tf pipeline serving)

# Those that need no data from a folder and no peers' environment; a missed bound does not end the run.
BENCHMARKS := ranking_evaluation.py recommend_latency.py gradient_cost.py \
	"movielens_quality.py random" \
	"movielens_quality.py time" "baseline_search.py ml-100k-random" \
	"baseline_search.py ml-100k-time" diversity_front.py planted_relations.py \
	"multitask_tables.py --dataset adult" "multitask_tables.py --dataset census"

bench: bootstrap ## Run the benchmarks that fetch their own data; tables go to docs/results.md
	@for script in $(BENCHMARKS); do echo "== $$script"; $(VENV)/python benchmarks/$$script || true; done
	$(VENV)/python benchmarks/results_page.py

notebooks: bootstrap ## Run the notebooks and keep their outputs
	TF_CPP_MIN_LOG_LEVEL=3 $(VENV)/jupyter-execute --inplace notebooks/*.ipynb

doctor: ## Say what this machine has, which line it takes and what is missing
	@$(PYTHON) -m tools.bootstrap --check
	@if [ -x $(VENV)/recsys-tf ]; then $(VENV)/recsys-tf doctor; fi

PIN := $(VENV)/uv pip compile setup.py --all-extras --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --quiet

pins: bootstrap ## Resolve the pinned sets in requirements/ anew (UPGRADE=--upgrade for newer versions)
	$(PIN) $(UPGRADE) requirements/line-tfx-1.16.in --python-version 3.10 \
		--python-platform x86_64-manylinux_2_28 -o requirements/line-tfx-1.16.txt
	$(PIN) $(UPGRADE) requirements/line-tfx-1.21.in --python-version 3.10 --universal \
		-o requirements/line-tfx-1.21.txt

clean: ## Remove what builds and tools leave behind (.venv and data stay)
	rm -rf build dist ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
