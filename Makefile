# make demo    install into .venv and run the three example flows against a mail sandbox
# make test    build the wheel, install it into .venv, and run all tests against it
# make check   format, lint and types, then make test: what CI does
# make bench   measure; make soak: the tests that take many minutes

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
WHEEL := dist/postwerk-$(VERSION)-py3-none-any.whl
PACKAGES := engine nodes runtime flows
SOURCES := $(shell find $(PACKAGES) -type f -not -path '*/__pycache__/*') pyproject.toml setup.py README.md LICENSE
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO := postwerk-demo

.PHONY: demo test check bench soak venv format clean

demo: $(VENV)/.installed
	$(BIN)/postwerk demo --once --workspace $(DEMO)

test: $(VENV)/.installed-dev
	POSTWERK_TEST_INSTALLED=1 $(BIN)/python -m pytest $(TESTS)

check: $(VENV)/.installed-dev build/typed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	MYPYPATH=build/typed $(BIN)/mypy $(addprefix -p postwerk.,$(PACKAGES))
	$(MAKE) --no-print-directory test

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev
	$(BIN)/python -m tests.bench

soak: $(VENV)/.installed-dev
	POSTWERK_TEST_INSTALLED=1 $(BIN)/python -m pytest -m soak $(TESTS)

venv: $(VENV)/.installed-dev

clean:
	rm -rf $(VENV) dist build/lib build/bdist.* *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Postwerk needs Python 3.11 or newer: make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# What setuptools left from a former build would come along, so it goes first.
$(WHEEL): $(VENV)/.made $(SOURCES)
	rm -rf build/lib build/bdist.*
	$(PIP) wheel --no-deps --wheel-dir dist .
	@touch $@

# pip leaves an installed package alone when a wheel has its version: hence the second command.
$(VENV)/.installed: $(WHEEL)
	$(PIP) install $(WHEEL)
	$(PIP) install --force-reinstall --no-deps $(WHEEL)
	@touch $@

$(VENV)/.installed-dev: $(WHEEL)
	$(PIP) install '$(WHEEL)[dev]'
	$(PIP) install --force-reinstall --no-deps $(WHEEL)
	@touch $@ $(VENV)/.installed

# The folders under the name by which they are imported, for type checkers.
build/typed:
	mkdir -p $@/postwerk
	for one in $(PACKAGES); do ln -sfn ../../../$$one $@/postwerk/$$one; done
