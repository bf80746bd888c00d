# Every target makes and updates .venv by itself: `make demo` is the first thing to type.
# Two stamps stand in one .venv: the demo wants only what a user needs, so it does not wait for the
# tools of development; they are added the first time that `make test`, `check` or `bench` asks for them.

PYTHON ?= python3
WORKERS ?= 2
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
PINS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check bench docs torch sbom audit clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.installed  ## train the default experiment until it groks, then write report.html
	@$(BIN)/afterfit demo $(ARGS)

test: .venv/.installed-dev  ## the tests; ARGS="-m 'not slow'" for the quick ones, WORKERS=0 for one process
	@# Workers share JAX's compilation cache (tests/conftest.py); worksteal keeps a file's tests together.
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: .venv/.installed-dev  ## formatting, lint, types
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/ty check

bench: .venv/.installed-dev  ## the benchmarks
	@if [ -f benchmarks/__main__.py ]; then $(BIN)/python -m benchmarks $(ARGS); \
	else echo "there are no benchmarks in this checkout (benchmarks/__main__.py)"; fi

docs: .venv/.installed-docs  ## the documentation, into site/; a warning is an error
	@mkdir -p docs/results
	@for outcome in results/*/*/verdicts.json; do \
		folder=$$(dirname "$$outcome"); name=$${folder#results/}; \
		$(BIN)/afterfit report "$$folder" --output "docs/results/$$(echo "$$name" | tr / -).html" || exit 1; \
	done
	@$(BIN)/zensical build --strict --clean
	@echo "site/index.html"

torch: .venv/.installed-dev  ## PyTorch, which the comparison tests need
	@# Without the constraints: its CUDA builds pin other versions of libraries than JAX's do.
	@$(BIN)/python -m pip install -qq --disable-pip-version-check torch==2.13.0

sbom: .venv/.installed .venv-audit/.installed  ## a bill of materials of .venv, sbom.json (CycloneDX)
	@.venv-audit/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON \
		--output-file sbom.json $(BIN)/python
	@echo sbom.json

audit: .venv/.installed .venv-audit/.installed  ## known vulnerabilities of what is in .venv; needs the network
	@$(BIN)/python -m pip freeze --exclude-editable --disable-pip-version-check > .venv-audit/installed.txt
	@# Strict: a package that the database of advisories cannot tell anything about is no success.
	@.venv-audit/bin/pip-audit --strict --no-deps --disable-pip -r .venv-audit/installed.txt || { \
		echo "Either something is known of a package, or no database of advisories could be asked: see above." >&2; \
		exit 1; }

clean:  ## remove .venv and everything that the targets made (stores of runs stay)
	@rm -rf .venv .venv-audit sbom.json site docs/results build dist .cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@for python in "$(PYTHON)" python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
			echo "making .venv with $$("$$python" --version)"; \
			exec "$$python" -m venv --clear .venv; \
		fi; \
	done; \
	echo "afterfit needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is none of them and no other was found." >&2; \
	echo "Try: make PYTHON=path/to/python3.13 $(MAKECMDGOALS)" >&2; \
	exit 2

# Apart, so that the bill does not list what writes it.
.venv-audit/.installed: | .venv/bin/python
	@$(BIN)/python -m venv --clear .venv-audit
	@.venv-audit/bin/python -m pip install -qq --disable-pip-version-check cyclonedx-bom==7.5.0 pip-audit==2.10.1
	@touch $@

.venv/.installed: $(PINS) | .venv/bin/python
	@echo "installing afterfit into .venv"
	@$(PIP) -e .
	@touch $@

.venv/.installed-dev: $(PINS) | .venv/bin/python
	@echo "installing afterfit and the tools of development into .venv"
	@$(PIP) -e '.[dev]'
	@touch .venv/.installed $@

.venv/.installed-docs: $(PINS) | .venv/bin/python
	@echo "installing afterfit and the tools of the documentation into .venv"
	@$(PIP) -e '.[docs]'
	@touch .venv/.installed $@
