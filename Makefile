# Thin: each target is one readable command. `make help` lists them.
VENV ?= .venv
PYTHON ?= python3
RUN = PATH="$(CURDIR)/$(VENV)/bin:$$PATH"

.PHONY: help setup table1 test lint report bench clean
help: ## list the targets
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

setup: $(VENV)/.installed ## create .venv with the pinned dependencies
$(VENV)/.installed: requirements.lock requirements-clip.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement requirements.lock
	$(VENV)/bin/pip install --quiet --no-deps --no-build-isolation --requirement requirements-clip.lock --editable .
	touch $@

table1: setup ## build results/table1.csv (embedded simulated data; no GPU, key or download)
	$(RUN) snakemake --cores all results/table1.csv

test: setup ## run the tests (offline)
	$(RUN) OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile

lint: setup ## ruff, mypy, snakefmt and snakemake --lint
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) snakemake --lint

report: setup ## results/snakemake-report.html of what has been built
	$(RUN) snakemake --cores all && $(RUN) snakemake --report results/snakemake-report.html

bench: setup ## measure speed; results are ratios in one run
	$(RUN) python -m benchmarks

clean: ## delete everything computed (not results/reference)
	rm -rf .snakemake logs $(filter-out results/reference results/README.md,$(wildcard results/*))
