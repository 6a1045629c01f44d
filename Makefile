# `make` explains itself. An active environment (venv or conda) is used; else .venv is created.
ENV := $(or $(VIRTUAL_ENV),$(CONDA_PREFIX),$(CURDIR)/.venv)
export PATH := $(ENV)/bin:$(PATH)
PYTHON ?= python3
INSTALLED := $(ENV)/.agch-installed

.PHONY: help setup repro table test lint bench

help: ## show this help
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(INSTALLED) ## create the environment and install what the project needs

$(INSTALLED): pyproject.toml constraints.txt
	@[ -x "$(ENV)/bin/python" ] || $(PYTHON) -m venv "$(ENV)"
	python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch "$@"

repro: setup ## rebuild the experiment of params.yaml and print its table
	dvc repro
	@python -m benchmarks.table

table: setup ## the table of 16, 32, 64 and 128 bits, one experiment each
	python -m benchmarks.table 16 32 64 128

test: setup ## the tests (make test ARGS='-m slow' for the slow ones)
	python -m pytest $(ARGS)

lint: setup ## black, flake8 and mypy
	black --check --quiet .
	flake8
	mypy

bench: setup ## timed comparisons, as ratios in one run
	python -m benchmarks.pinning
