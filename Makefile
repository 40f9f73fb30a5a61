# What people and machines type. Each target prepares what it needs; a prepared checkout starts at once.
.DEFAULT_GOAL := help
.PHONY: help run demo test test-all lint bench accept

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest -n 2 --dist loadgroup

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

run: ## start Atrium on this machine
	@scripts/setup run
	@exec $(PYTHON) manage.py run all

demo: ## push a model and pictures, run a job, check webhook, clone, audit and bill
	@scripts/setup demo
	@exec $(PYTHON) manage.py demo

test: ## every test but the slow ones
	@scripts/setup test
	@$(PYTEST) -m "not slow" $(ARGS)

test-all: ## every test
	@scripts/setup test
	@$(PYTEST) $(ARGS)

lint: ## style, types, layers, migrations, file lengths
	@scripts/setup test
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	.venv/bin/lint-imports
	$(PYTHON) -W "ignore:Got an error checking:RuntimeWarning" manage.py makemigrations --check --dry-run
	scripts/check_file_length

bench: ## the README's numbers, as ratios in one run
	@scripts/setup test
	@exec $(PYTHON) -m benchmarks $(ARGS)

accept: ## acceptance of one area: make accept AREA=spine
	@scripts/setup test
	@exec $(PYTHON) -m tests.acceptance $(AREA)
