# make demo    the example application, restarted five times under traffic
# make test    lint, types and the whole suite, two tests at a time: most of them wait; make pytest ARGS="-n 0 -x tests/engine"
# make bench   hotswap and its peers measured, about 20 minutes; make bench BENCH="--quick", BENCH="--help"
# make fuzz    ten minutes of invented requests, compared with gunicorn's parser; make fuzz FUZZ_SECONDS=60
# make lint    ruff
# make types   mypy, strict
# make clean   removes the environment and what tools left behind
#
# Needs Python 3.10 or later and make; what else is needed is installed into .venv. Another Python: make PYTHON=python3.13 test

PYTHON ?= python3
FUZZ_SECONDS ?= 600
VENV := .venv
BIN := $(VENV)/bin

# gunicorn_h1c, the parser, has no wheels for Linux: pip compiles it, which is the one thing that Python alone cannot do.
define install
	echo "installing hotswap and what it needs for: $(1)"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(1)]" \
	|| { echo "the installation failed, see above; if it was for want of a C compiler or of Python.h:" \
	          "on Debian and Ubuntu, apt-get install gcc python3-dev" >&2; exit 1; }
endef

.PHONY: demo test lint types pytest bench fuzz clean

demo: $(VENV)/example.stamp
	$(BIN)/python -u -m examples.flask_app.demo

test: lint types pytest

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .

types: $(VENV)/test.stamp
	$(BIN)/mypy

pytest: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n 2 $(ARGS)

bench: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks $(BENCH)

fuzz: $(VENV)/fuzz.stamp
	$(BIN)/python -m tests.fuzz $(FUZZ_SECONDS)

# The stamps are written last: an installation that broke off is done again. The demo needs little and should start soon,
# so what only the tests need has a stamp of its own.
$(VENV)/example.stamp: $(VENV)/made.stamp pyproject.toml
	@$(call install,example)
	@touch $@

$(VENV)/test.stamp: $(VENV)/made.stamp pyproject.toml
	@$(call install,test)
	@touch $@

$(VENV)/fuzz.stamp: $(VENV)/test.stamp
	@$(call install,fuzz)
	@touch $@

$(VENV)/bench.stamp: $(VENV)/made.stamp pyproject.toml
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
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
