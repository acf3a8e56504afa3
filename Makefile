# Two commands set everything up: `make search` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The torch that the tests run on; `make test TORCH=...` takes another build.
TORCH ?= torch==2.13.0
ARGS ?=
# Two processes; a file's tests stay together because they share networks. One
# that crashes is not replaced: pytest-xdist may wait for the new one for ever.
XDIST := -n 2 --dist loadfile --max-worker-restart 0
PYTEST := $(BIN)/python -m pytest $(XDIST)

# The parts of `make test-all`, each under 25 minutes on two cores. The first one
# also holds the test files of tests/ itself but test_backends.py.
networks := tests/genotypes tests/runs tests/layers tests/cells tests/networks \
	tests/images tests/model_files tests/visualize \
	$(filter-out tests/test_backends.py, $(wildcard tests/test_*.py))
backends := tests/test_backends.py
weights := tests/weights tests/presets tests/pretrained
training := tests/training tests/inference tests/deploy tests/cli
search := tests/search
PARTS := networks backends weights training search
PART ?= $(PARTS)

.PHONY: help search test test-all test-without-tensorflow bench lint clean

help:
	@echo "make search    install, then search cells on real images (ARGS=...)"
	@echo "make test      install, then run the tests"
	@echo "make test-all  the same with the long tests, part by part"
	@echo "make test-all PART=search  one part of: $(PARTS)"
	@echo "make test-without-tensorflow  on JAX and torch, in its own environment"
	@echo "make bench     speed beside the rivals (ARGS=...)"
	@echo "make lint      check style and types"

search: $(VENV)/.search
	$(BIN)/nasnet search $(ARGS)

test: $(VENV)/.test
	$(PYTEST) $(ARGS)

test-all: $(PART:%=test-all-%)

$(PARTS:%=test-all-%): test-all-%: $(VENV)/.test
	$(PYTEST) --all $($*) $(ARGS)

# Everything that runs on JAX and torch, in an environment without TensorFlow.
test-without-tensorflow: $(VENV)-without-tensorflow/.test
	KERAS_BACKEND=torch $(<D)/bin/python -m pytest $(XDIST) $(ARGS)

bench: $(VENV)/.test
	$(BIN)/python benchmarks/speed/run.py $(ARGS)

# The same commands as in .pre-commit-config.yaml.
lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.support.check_types

clean:
	rm -rf $(VENV) $(VENV)-without-tensorflow build dist *.egg-info

$(VENV)/.search: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[search]"
	touch $@

# torch first, so that the extra does not choose another build.
$(VENV)/.test: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --editable ".[test]"
	touch $@ $(VENV)/.search

$(VENV)-without-tensorflow/.test: setup.py requirements
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet $(TORCH)
	$(@D)/bin/pip install --quiet -r requirements/jax.txt \
		-r requirements/torch.txt pytest pytest-timeout pytest-xdist
	$(@D)/bin/pip install --quiet --no-deps --editable .
	touch $@
