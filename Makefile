# Two commands on a fresh machine: make search, make test. Both begin with make install.
CLUSTER ?= 3
PRESET  ?= quick
ARGS    ?=

VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
# the first Python 3.11 that answers
PYTHON  ?= $(shell for p in python3.11 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help install search study test lint unit test-long fuzz audit drills predict-check docs lock clean

help:            ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 15

install: $(STAMP) ## make .venv with the locked versions

$(STAMP): requirements/lock.txt setup.cfg pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "sie needs Python 3.11 (TensorFlow 2.15 has no wheels above it); get it with 'uv python install 3.11', 'conda create -n sie python=3.11' or 'docker run -it python:3.11 bash', then: make PYTHON=/path/to/python3.11 install" >&2; exit 2; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@echo "installing the locked versions into $(VENV) (a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/lock.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

search: install  ## search hyperparameters for one left-out cluster: make search CLUSTER=3
	@$(BIN)/python experiments/loco_search.py --cluster $(CLUSTER) --preset $(PRESET) $(ARGS)

study: install   ## every table and figure of the article: make study PRESET=quick (or full)
	@$(BIN)/python experiments/study.py --preset $(PRESET) $(ARGS)

test: lint unit  ## ruff, mypy and all tests

lint: install    ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: install    ## the tests alone
	$(BIN)/pytest -n 3 --dist loadfile

test-long: install ## the tests that make test leaves out: drills, several clusters (half an hour)
	$(BIN)/pytest -m long

fuzz: install    ## feed the readers 100,000 broken files (minutes): make fuzz ARGS="--seed 7"
	nice -n 15 $(BIN)/python benchmarks/fuzz.py $(ARGS)

audit: install   ## known advisories of the locked packages, for information (needs the network)
	@test -x $(VENV)/audit/bin/pip-audit || { "$(BIN)/python" -m venv $(VENV)/audit && \
	  $(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; }
	@$(VENV)/audit/bin/python benchmarks/audit.py

drills: install  ## break searches in every known way and count their trials (half an hour)
	@PYTHONPATH=.:tests nice -n 5 $(BIN)/python -m faults $(ARGS)

predict-check: install ## load and score in a fresh environment with the predict extra alone
	SIE_FRESH_ENVIRONMENT=1 $(BIN)/pytest -s tests/end_to_end/test_fresh_environment.py

docs:            ## the documentation as a site, in site/
	@test -x .venv-docs/bin/python || "$(PYTHON)" -m venv .venv-docs
	@.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/docs.txt
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet && echo "site/index.html"

lock:            ## write requirements/lock.txt, predict.txt and docs.txt anew (needs uv)
	uv pip compile setup.cfg --extra search --extra cluster --extra dev -c requirements/constraints.txt \
	  --override requirements/overrides.txt --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url -o requirements/lock.txt
	uv pip compile setup.cfg --extra predict -c requirements/lock.txt \
	  --universal --python-version 3.11 --no-emit-index-url --no-annotate \
	  --custom-compile-command 'make lock' -o requirements/predict.txt
	uv pip compile requirements/docs.in --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command 'make lock' -o requirements/docs.txt

clean:           ## remove the environment, not the results
	rm -rf $(VENV) .venv-docs site sie.egg-info
