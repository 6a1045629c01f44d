# `make` explains itself. An active environment (venv or conda) is used; else .venv is created.
ENV := $(or $(VIRTUAL_ENV),$(CONDA_PREFIX),$(CURDIR)/.venv)
export PATH := $(ENV)/bin:$(PATH)
PYTHON ?= python3
INSTALLED := $(ENV)/.agch-installed

.PHONY: help setup extras repro table ablation paper-table studio test lint bench
SEEDS ?= 3
SOURCE ?= openclipart

help: ## show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(INSTALLED) ## create the environment and install what the project needs

$(INSTALLED): pyproject.toml constraints.txt
	@[ -x "$(ENV)/bin/python" ] || $(PYTHON) -m venv "$(ENV)"
	python -m pip install --quiet --constraint constraints.txt --editable '.[dev,studio]'
	@touch "$@"

extras: setup ## what CLIP, SigLIP, sentence embeddings, TensorBoard, Optuna's pages and tests in a browser need
	python -m pip install --quiet --constraint constraints.txt --editable '.[clip,sentence,tensorboard,expert,browser]'

repro: setup ## rebuild the experiment of params.yaml and print its table
	dvc repro
	@python -m benchmarks.table

table: setup ## random, CCA-ITQ, DJSRH, JDSH, AGCH, AGCH+ at four code lengths (SEEDS=3)
	python -m benchmarks.table methods --seeds $(SEEDS)

ablation: setup ## what each part of AGCH and AGCH+ brings, at 64 bits (SEEDS=3)
	python -m benchmarks.table ablation --bits 64 --seeds $(SEEDS)

paper-table: setup ## AGCH as published beside the printed numbers (SOURCE=openclipart SEEDS=3)
	python -m benchmarks.paper_table $(SOURCE) --seeds $(SEEDS)

studio: setup ## runs, studies, jobs and search in the browser, at 127.0.0.1:8765
	studio serve

test: setup ## the tests (make test ARGS='-m slow' for the slow ones)
	python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

lint: setup ## black, flake8 and mypy
	black --check --quiet .
	flake8
	mypy

bench: setup ## timed comparisons, as ratios in one run
	python -m benchmarks.pinning
	python -m benchmarks.extract
	python -m benchmarks.train
	python -m benchmarks.evaluate
	python -m benchmarks.study
	python -m benchmarks.search
	python -m benchmarks.studio
