# make demo   tune the article's network on handwritten digits
# make test   install what is needed and run every gate
# make check  every gate, in the environment that is there
# make soak   the long forms of the reliability tests (hours)
# make bench  every benchmark but quality, into benchmarks/results/*.csv (by hand; takes a while)

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check soak bench clean

demo: .venv/installed
	$(BIN)/cotune demo

test: .venv/installed
	$(MAKE) check

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	touch $@

check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -n 2 --dist loadgroup

soak: .venv/installed
	$(BIN)/python -m pytest -m soak

bench: .venv/installed
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
