# `make` prints what there is. Everything that is made lives in .venv and in the cache folder of tools/engine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The engine needs nothing but a Python, so a demo does not wait for the developer's tools.
ENGINE = $(PYTHON) -m tools.engine
CHECKED := $(VENV)/.checked
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest
SOURCES := pipedrive_fdw tests tools examples setup.py
# Tests and examples are full of words that only look like secrets.
MADE_UP := KeywordDetector Base64HighEntropyString HexHighEntropyString BasicAuthDetector
# Known in what Python 3.9 gets, and out of reach: SECURITY.md says why.
OUT_OF_REACH := CVE-2026-44431 CVE-2026-44432 GHSA-8988-9cw3-xx77 GHSA-gh4c-6fx4-qh6g GHSA-vxq7-64xx-v4gw \
  CVE-2026-25645 CVE-2025-67221
LOCKED := --quiet --generate-hashes --no-annotate --allow-unsafe --custom-compile-command 'make lock'

.DEFAULT_GOAL := help
.PHONY: help demo up reset down status psql dsn simulator-url test check fmt lint types unit e2e fuzz golden docs examples bench lock audit sbom dist extension install uninstall clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## a PostgreSQL, a made-up company and a tour of queries, about a minute
	@$(ENGINE) demo
up: ## start them and keep them running; prints their addresses
	@$(ENGINE) up
reset: ## start over: throws away what was made in the database since the import
	@$(ENGINE) reset
down: ## stop them; the database keeps what was made in it
	@$(ENGINE) down
status: ## what runs
	@$(ENGINE) status
psql: ## psql on what `make up` started
	@$(ENGINE) psql
dsn: ## its address
	@$(ENGINE) dsn
simulator-url: ## the address of the made-up company's API
	@$(ENGINE) simulator-url

test: $(READY) ## every test, a worker per core; PG_CONFIG=/path/to/pg_config for an installed server with Multicorn
	$(PYTEST) --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
check: $(CHECKED) ## lint, types and unit tests: no PostgreSQL, under a minute
	@$(MAKE) --no-print-directory lint types unit
fmt: $(CHECKED) ## format the sources, and fix what can be fixed
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)
lint: $(CHECKED) ## what ruff says
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
types: $(CHECKED) ## what mypy says
	$(BIN)/mypy
unit: $(CHECKED) ## tests without PostgreSQL
	$(PYTEST) -q --numprocesses auto --maxprocesses 4 --dist worksteal tests/unit
e2e: $(READY) ## tests in a real PostgreSQL
	$(PYTEST) tests/e2e
fuzz: $(READY) ## 20,000 spoilt answers of the API, and 2,000 statements on such in PostgreSQL: half an hour
	HOSTILE_ANSWERS=20000 HOSTILE_STATEMENTS=2000 \
	  $(PYTEST) -q tests/hostile/test_answers.py tests/hostile/test_wire.py tests/hostile/test_postgres.py
golden: $(READY) ## write the golden files of tests/regress anew
	REGENERATE=1 $(PYTEST) -q tests/regress
docs: $(READY) ## write the generated parts of docs anew, and build the site in build/site
	$(BIN)/python -m tests.docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo build/site/index.html
examples: $(READY) .venv-dbt/.ready .venv-superset/.ready ## the dbt project and the Superset dashboard, in the real tools
	$(PYTEST) -q examples
bench: $(READY) ## how fast it is: writes docs/benchmarks.md and its plots
	$(BIN)/python -m tests.bench --write
lock: $(VENV)/.audit ## fix the libraries anew that are installed into a server: requirements/
	@for python in 3.9 3.10; do \
	  $(BIN)/uv pip compile setup.py $(LOCKED) --python-version $$python -o requirements/python$$python.txt || exit 1; \
	done
	@printf 'pip>=25\nsetuptools>=77\n' | \
	  $(BIN)/uv pip compile - $(LOCKED) --python-version 3.9 --universal -o requirements/build.txt
	@echo 'ziglang>=0.13,<0.16' | \
	  $(BIN)/uv pip compile - $(LOCKED) --python-version 3.9 -o requirements/compiler.txt
audit: $(VENV)/.audit ## known faults of the libraries, bandit's findings, secrets in the repository
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml pipedrive_fdw tools/engine setup.py
	git ls-files -z ':!tests' ':!examples' | xargs -0 $(BIN)/detect-secrets-hook
	git ls-files -z tests examples | xargs -0 $(BIN)/detect-secrets-hook $(MADE_UP:%=--disable-plugin %)
	$(BIN)/python -m pip_audit --disable-pip --no-deps --strict $(OUT_OF_REACH:%=--ignore-vuln %) \
	  --requirement requirements/python3.9.txt
	$(BIN)/python -m pip_audit --disable-pip --no-deps --strict \
	  $(foreach file,$(filter-out %3.9.txt,$(wildcard requirements/*.txt)),--requirement $(file))
sbom: $(VENV)/.audit ## what is installed into a server as CycloneDX, in dist/
	@mkdir -p dist
	@for file in requirements/python*.txt; do \
	  $(BIN)/cyclonedx-py requirements $$file --output-reproducible -o dist/$$(basename $$file .txt).cdx.json || exit 1; \
	done
	@ls dist/*.cdx.json
dist: $(READY) ## source archive and wheel, in dist/
	rm -rf build dist
	$(BIN)/python -m build . >/dev/null
	@ls dist/*
extension: ## the extension's control file and script, put together in build/extension
	@$(ENGINE) extension build/extension
install: $(VENV)/.made ## package and extension into an installed server: PG_CONFIG=/path/to/pg_config
	@$(BIN)/python -m tools.engine install
uninstall: $(VENV)/.made ## take both away again
	@$(BIN)/python -m tools.engine uninstall
clean: ## stop what runs, and remove what was made in this checkout
	@$(ENGINE) clean
	rm -rf $(VENV) .venv-dbt .venv-superset build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || \
	  { echo "$(PYTHON) must be Python 3.9 or newer; name another: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments: please install that (apt-get install python3-venv)" >&2; exit 1; }
	@echo "making $(VENV)" >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.audit: $(READY)
	@echo "installing the tools that look at the package into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --editable '.[audit]'
	@touch $@

$(CHECKED): setup.py $(VENV)/.made
	@echo "installing the package and its checks into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --editable '.[check]'
	@touch $@
$(READY): $(CHECKED)
	@echo "installing the other tools into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.venv-%/.ready: examples/requirements/%.txt
	@echo "installing $* into .venv-$*" >&2
	@$(PYTHON) -m venv --clear .venv-$*
	@.venv-$*/bin/python -m pip install --quiet --quiet --disable-pip-version-check --requirement $<
	@touch $@
