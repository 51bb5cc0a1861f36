# `make demo` and `make test` set up everything they need in .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?= torch

.PHONY: demo test lint compat zoo clean

demo: $(VENV)/.installed
	mkdir -p demo
	$(BIN)/nnapi-check examples/small_segmenter.pt --api-level 30 --html demo/report.html
	$(BIN)/nnapi-check convert examples/small_segmenter.pt --api-level 30 -o demo/small_segmenter_nnapi.pt --layers --html demo/converted.html
	@echo "Open demo/report.html and demo/converted.html in a browser."

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Runs what this PyTorch writes in releases from 1.13.1 on, each in an environment of its own, and tells in a table.
compat: $(VENV)/.installed
	$(BIN)/python -m benchmarks.compat --write

# What becomes of every model of torchvision, checked, converted and run, as a page and a table; goes on where it was stopped.
zoo: $(VENV)/.installed-test
	mkdir -p demo
	$(BIN)/nnapi-check sweep 'benchmarks.zoo:*' --feature-level 3 --feature-level 5 --feature-level 8 --jobs 2 \
		--convert --seconds 2400 --database demo/zoo.db --html demo/zoo.html --format markdown > demo/zoo.md

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet $(TORCH) -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml $(VENV)/.installed
	$(BIN)/pip install --quiet $(TORCH) -e ".[test]"
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed-test
	$(BIN)/pip install --quiet $(TORCH) -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) demo
