# One line per target; whatever is longer stands in scripts/. Everything runs from .venv, which `setup` makes.
BIN := .venv/bin
INSTALLED := .venv/.installed
KERNEL := .venv/.kernel
PLOTTING := .venv/.plotting
NGINX_STREAM := /usr/lib/nginx/modules/ngx_stream_module.so

# Tests of what has no frame in its hands, and of whole fleets; once is enough, with the kernel that is installed.
BESIDE_THE_KERNEL := tests/bench tests/docs tests/fleet tests/infra tests/protos tests/scripts tests/test_admin.py \
	tests/test_deployment_page.py tests/test_discovery.py tests/test_live_fleet.py tests/test_trust_processes.py \
	tests/tidegate/gameday/test_gameday.py

# Apply Terraform's modules to a local AWS, or test them with mocks. `make cloud` runs these alone.
IN_THE_CLOUD := tests/infra/test_minimal.py tests/infra/test_terraform_modules.py tests/infra/test_three_regions.py

# What makes the tests take as long as they do, at the end of each run.
SLOWEST := --durations=20 --durations-min=5

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test lint format types imports protos protos-check programs pytest cloud fuzz bench docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s%s\n", $$1, $$2 }' Makefile

setup: $(INSTALLED) $(KERNEL) ## make .venv with everything in it (PYTHON=... chooses the interpreter, 3.11 or newer)

$(INSTALLED): pyproject.toml scripts/setup.sh
	@scripts/setup.sh $(INSTALLED)

$(KERNEL): $(INSTALLED) setup.py $(wildcard wire/*.py wire/*.pxd tunnel/*.py tunnel/*.pxd)
	@$(BIN)/python setup.py -q build_ext --inplace && touch $(KERNEL)

demo: setup ## run a whole relay network with fifty bots for fifteen seconds
	@$(BIN)/tidegate demo

test: setup lint types imports protos-check programs pytest ## run every check and all tests

lint: setup ## look for mistakes and wrong format
	$(BIN)/ruff check && $(BIN)/ruff format --check

format: setup ## mend what can be mended, and format
	$(BIN)/ruff check --fix && $(BIN)/ruff format

types: setup ## check the types
	$(BIN)/mypy

imports: setup ## check that imports run one way
	$(BIN)/lint-imports

protos: setup ## generate the code of the contracts
	$(BIN)/python protos/generate.py

protos-check: setup ## lint the contracts and look for drift of their code
	$(BIN)/buf lint protos && $(BIN)/python protos/generate.py --check

programs: ## install the programs that tests need
	@scripts/install_programs.sh redis-server redis-benchmark haproxy
	@scripts/fetch_consul.sh >/dev/null

pytest: setup ## run the tests only, with the kernel compiled and interpreted
	$(BIN)/python -m pytest -q -n auto $(SLOWEST)
	TIDEGATE_PURE=1 $(BIN)/python -m pytest -q -n auto $(SLOWEST) $(addprefix --ignore=,$(BESIDE_THE_KERNEL))

cloud: setup ## run the tests of the Terraform modules only
	$(BIN)/python -m pytest -q --durations=0 $(IN_THE_CLOUD)

fuzz: setup ## fuzz whatever reads hostile bytes; TARGET=guard CASES=10000000 SECONDS=600 (per target) as you like
	$(BIN)/python -m tests.fuzz $(or $(TARGET),all) --cases $(or $(CASES),1000000) --seconds $(or $(SECONDS),0)

bench: setup $(PLOTTING) ## measure the relay beside HAProxy and others, half an hour; QUICK=1 takes one
	@scripts/install_programs.sh haproxy nginx $(NGINX_STREAM)
	@$(BIN)/python -m bench $(if $(QUICK),--quick)

$(PLOTTING): $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]' && touch $(PLOTTING)

docs: setup ## write docs/settings.md and docs/metrics.md from what they are about
	$(BIN)/python -m tidegate.settings_page docs/settings.md && $(BIN)/python -m tidegate.ops.metrics_page docs/metrics.md

clean: ## remove .venv and everything that tools left behind
	rm -rf .venv build bench/.build dist *.egg-info wire/*.so tunnel/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
