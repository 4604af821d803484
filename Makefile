# make repro | test | test-slow | test-all | test-endurance | ui | app | lint | bench: each first builds the environment in .venv, if it is not there yet.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1

# Python compiles what is imported, a small part of it, by itself.
PIP := python -m pip --quiet --disable-pip-version-check install --no-compile

# An environment holds the path of its folder: in one that was moved or copied it is made anew.
$(shell test -s $(VENV)/ready && test "$$(cat $(VENV)/ready)" != "$(CURDIR)" && rm -r $(VENV))

.PHONY: repro test test-slow test-all test-endurance ui app lint bench
repro: $(VENV)/ready
	python -m pneumonia.params
	dvc repro

test: $(VENV)/ready
	pytest -m "not slow and not endurance"

test-slow: $(VENV)/ready
	pytest -m slow

test-all: $(VENV)/ready
	pytest -m "not endurance"

test-endurance: $(VENV)/ready
	pytest -m endurance

ui: $(VENV)/ready
	mlflow ui

app: $(VENV)/ready
	pneumonia app

lint: $(VENV)/ready
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	python tools/licences.py

bench: $(VENV)/ready
	@for benchmark in $(filter-out benchmarks/untrained.py,$(wildcard benchmarks/*.py)); do python $$benchmark || exit 1; done

# The mark is made last, so an installation that was cut off is done again.
$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else f"error: python is {v[0]}.{v[1]}; it may be 3.11, 3.12 or 3.13: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --requirement requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	echo "$(CURDIR)" > $@
