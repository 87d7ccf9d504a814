# The two commands a stranger needs: 'make demo' and 'make test'. Both make .venv by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test bench fuzz check format lint types contracts migrations coverage lowest install install-dev clean

demo: install
	$(BIN)/facegallery demo

test: install-dev
	$(BIN)/python -m pytest

# PHOTOS=DIR works on real photographs (benchmarks/README.md says how they lie) instead of the sample group.
bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks $(if $(PHOTOS),--photos '$(PHOTOS)')

# What the reader of archives does with FUZZ_SECONDS of hostile files. Where atheris is not built for this Python, it says so.
FUZZ_SECONDS ?= 60
fuzz: install-dev $(VENV)/installed-fuzz
	$(BIN)/python -m tests.fuzz_archive -max_total_time=$(FUZZ_SECONDS) -seed=1

check: install-dev format lint types contracts migrations test

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

# The stamps stand for "installed since pyproject.toml last changed".
$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(VENV)/installed $@

$(VENV)/installed-bench: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $(VENV)/installed $@

$(VENV)/installed-fuzz: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	@touch $(VENV)/installed $@

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("facegallery needs Python 3.10 or later: make PYTHON=python3.12 ..." if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)

format:
	$(BIN)/ruff format --check .

lint:
	$(BIN)/ruff check .

types:
	$(BIN)/mypy

contracts:
	$(BIN)/lint-imports

migrations:
	$(BIN)/alembic check

coverage: install-dev
	$(BIN)/python -m pytest --cov --cov-fail-under=90

# The lowest version of every dependency that pyproject.toml promises, in an environment of its own.
lowest: install-dev
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(VENV)-lowest
	$(BIN)/uv pip install --quiet --python $(VENV)-lowest/bin/python --resolution lowest-direct --editable '.[dev]'
	$(VENV)-lowest/bin/python -m pytest

clean:
	rm -rf $(VENV) $(VENV)-lowest build dist facegallery-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
