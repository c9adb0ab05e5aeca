# Needs Python 3.11 with pip, and make. Everything else comes from PyPI into .venv.
PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin

.PHONY: demo test test-full lint figures references clean

# Compiles a real network for this machine's CPU, runs it, and times it beside ONNX Runtime.
demo: .venv/ready
	PYTHONPATH=. $(BIN)/python -m benchmarks.demo

# Two test processes: the usual machine has two cores, and a test may use both.
test: lint
	$(BIN)/python -m pytest -n 2

# Every model, for this machine and for AVX-512, instead of one of a kind.
test-full: lint
	$(BIN)/python -m pytest -n 2 --full

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy tests
	PYTHONPATH=. $(BIN)/lint-imports

# The README's table of figures: the suite, tuned, beside its peers. Takes hours at most, and wants a
# quiet machine.
figures: .venv/ready
	$(BIN)/pip install --disable-pip-version-check --quiet --editable '.[dev,benchmarks]'
	PYTHONPATH=. $(BIN)/python -m benchmarks cpu

# Answers that tests keep, made anew by MXNet itself, which needs a numpy of its own.
references:
	$(PYTHON) -m venv .cache/mxnet
	.cache/mxnet/bin/pip install --quiet numpy==1.23.5 requests graphviz==0.8.4
	.cache/mxnet/bin/pip install --quiet --no-deps mxnet==1.9.1
	.cache/mxnet/bin/python -m tests.frontends.mxnet.references tests/frontends/mxnet/references.npz

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
