# make demo    the example application, restarted five times under traffic
# make test    lint, types and the whole suite, three tests at a time: most of them wait; make pytest ARGS="-n 0 -x tests/engine"
# make quick   lint, types, and the tests that start no server: under a minute
# make pure    the engine's tests again, and of restarts those of races and load, on Python alone, as where there is no
#              compiler; a part of test and check
# make coverage  how much of hotswap the tests reach that start no server; of what is pure, it must be each branch
# make test-all  the suite on every Python from 3.10 to 3.14 that is found here
# make check   what .ci/run runs: everything that must be true of a commit
# make docs    the documentation as a site, in build/docs/html; fails at a warning or a dead link (Python 3.11 or later)
# make wheels  the sdist and the wheels of a release, into dist/, for the Pythons that are found here
# make bench   hotswap and its peers measured, less than 30 minutes; make bench BENCH="--asgi", 10 minutes; BENCH="--quick", "--help"
# make fuzz    ten minutes of invented requests, compared with gunicorn's parser, and C with Python; make fuzz FUZZ_SECONDS=60
# make lint    ruff: rules and format; make format changes what can be changed
# make types   mypy, strict
# make settings-types  hotswap/settings/types.py, the keywords of serve() for editors, anew from the settings
# make clean   removes the environment and what tools left behind
#
# Needs Python 3.10 or later and make; what else is needed is installed into .venv. Another Python: make PYTHON=python3.13 test

PYTHON ?= python3
# What compares C with Python runs on both whatever is asked for; what is about C's memory runs on C.
COMPARING := tests/engine/test_both_lanes.py tests/engine/http1/test_both_parsers.py tests/engine/test_lane_memory.py
# Of ASGI only heads are read in C, and other tests compare both ways to read them: the corpus is enough on Python alone.
BEYOND_HEADS := $(filter-out %/test_asgi_corpus.py,$(wildcard tests/engine/asgi/test_*.py))
# Of restarts, what depends most on who owns a connection when.
RACES := $(addprefix tests/restart/test_,races.py load.py lost_successor.py)
FUZZ_SECONDS ?= 600
VENV := .venv
BIN := $(VENV)/bin

# With gcc and Python.h hotswap gets its extension in C, into hotswap/engine/native; without, it is Python alone, and its log says so.
define install
	echo "installing hotswap and what it needs for: $(1)"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(1)]"
endef

.PHONY: demo test quick pure coverage test-all check lint format types pytest bench fuzz docs wheels clean settings-types

demo: $(VENV)/example.stamp
	$(BIN)/python -u -m examples.flask_app.demo

test: lint types pytest pure

quick: lint types
	$(BIN)/python -m pytest -n 2 -m "not live" $(ARGS)

coverage: $(VENV)/test.stamp
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 -m "not live" $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include "hotswap/*" --skip-covered --fail-under 0
	$(BIN)/coverage report --show-missing

test-all:
	ARGS="$(ARGS)" .ci/test-all

check: lint types docs coverage
	$(BIN)/python -m pytest -n 3 -m live $(ARGS)
	$(MAKE) pure

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/test.stamp
	$(BIN)/mypy

settings-types: $(VENV)/test.stamp
	$(BIN)/python -m hotswap.settings.make_types hotswap/settings/types.py

pytest: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n 3 $(ARGS)

pure: $(VENV)/test.stamp
	HOTSWAP_PURE=1 $(BIN)/python -m pytest -n 2 tests/engine $(RACES) $(addprefix --ignore ,$(COMPARING) $(BEYOND_HEADS)) $(ARGS)

bench: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks $(BENCH)

fuzz: $(VENV)/fuzz.stamp
	$(BIN)/python -m tests.fuzz $(FUZZ_SECONDS)

docs: $(VENV)/docs.stamp
	$(BIN)/python -m docs.site

wheels: $(VENV)/wheels.stamp
	VENV=$(VENV) .ci/wheels

# The stamps are written last: an installation that broke off is done again. The demo needs little and should start soon,
# so what only the tests need has a stamp of its own. hotswap/version.py has the version, which pip writes down.
BUILT := pyproject.toml setup.py hotswap/version.py $(wildcard hotswap/engine/native/*.[ch])

$(VENV)/example.stamp: $(VENV)/made.stamp $(BUILT)
	@$(call install,example)
	@touch $@

$(VENV)/test.stamp: $(VENV)/made.stamp $(BUILT)
	@$(call install,test)
	@touch $@

$(VENV)/fuzz.stamp: $(VENV)/test.stamp
	@$(call install,fuzz)
	@touch $@

$(VENV)/wheels.stamp: $(VENV)/made.stamp $(BUILT)
	@$(call install,wheels)
	@touch $@

$(VENV)/docs.stamp: $(VENV)/made.stamp $(BUILT)
	@$(call install,docs)
	@touch $@

$(VENV)/bench.stamp: $(VENV)/made.stamp $(BUILT)
	@$(call install,bench)
	@touch $@

$(VENV)/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "hotswap needs Python 3.10 or later, and $(PYTHON) is not that: name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "$(PYTHON) cannot make virtual environments: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) .venv-* build dist .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf *.egg-info hotswap/engine/native/*.so
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
