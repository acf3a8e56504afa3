# Two commands set everything up: `make search` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The torch that the tests run on; `make test TORCH=...` takes another build.
TORCH ?= torch==2.13.0
ARGS ?=
# Two processes; a file's tests stay together, for they share networks.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: help search test test-all lint clean

help:
	@echo "make search    install, then search cells on real images (ARGS=...)"
	@echo "make test      install, then run the tests"
	@echo "make test-all  the same with the long tests"
	@echo "make lint      check style"

search: $(VENV)/.search
	$(BIN)/nasnet search $(ARGS)

test: $(VENV)/.test
	$(PYTEST) $(ARGS)

test-all: $(VENV)/.test
	$(PYTEST) --all $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.search: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[search]"
	touch $@

# torch first and by its own line: the extra is then satisfied by it.
$(VENV)/.test: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --editable ".[test]"
	touch $@ $(VENV)/.search
