# Needs Python >= 3.11, git and make; everything else comes from PyPI into .venv.

PYTHON ?= python3
BIN := .venv/bin
CODE := hooks scripts tests $(wildcard bench)
ROUNDS ?= 10
MINUTES ?= 60
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install demo test lint rounds mutants matrix docs bench screenshots clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

install: .venv/synced ## install what the template's own tools and tests need into .venv

.venv/synced: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@echo "Installing the template's tools into .venv ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv sync --quiet --inexact
	@touch $@

demo: install ## render a service, start it on a real database, and show what it does
	@python -m scripts.demo $$PPID

test: install lint ## everything that must hold, in ten minutes
	@python -m pytest $(TESTS)

lint: install ## ruff and mypy over the template's own code
	@ruff check $(CODE)
	@ruff format --check $(CODE)
	@mypy

rounds: install ## whatever involves a signal, an outage or a race, ten times
	@python -m scripts.rounds $(ROUNDS) $(MINUTES)

mutants: install ## each proof must fail on a service that violates its factor
	@python -m tests.mutants

matrix: install ## each mutant with all proofs of its factor: the others stay green, or are named
	@python -m tests.mutants --against module

docs: install ## put the code's excerpts into the pages about the factors
	@python -m scripts.excerpts

bench: install ## the service beside comparators: a table, JSON and charts
	@python -m bench

screenshots: install ## the pictures of the README
	@python -m scripts.screenshots

clean: ## remove what the other targets have made
	@rm -rf .venv .cache build
