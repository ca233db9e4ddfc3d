# Everything here sets itself up: it needs python3 (3.11 or newer), gcc and the package index, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: demo demo-ticks live-demo test lint types tests tests-long bench clean

demo: $(READY)  ## trade the crash of December 2017 and verify the tape
	$(BIN)/tapefold backtest demo/crash-2017.toml
	$(BIN)/tapefold verify journals/crash-2017
	@echo "The report is journals/crash-2017/report.html"

demo-ticks: $(READY)  ## the same with real trades of the E-mini S&P 500 future
	$(BIN)/tapefold backtest demo/ticks-es.toml
	$(BIN)/tapefold verify journals/ticks-es

live-demo: $(READY)  ## a venue and a live daemon on this machine, with a kill -9 in the middle
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m demo.live_demo
	NUMBA_DISABLE_JIT=1 $(BIN)/tapefold verify journals/live-demo/journal

test: lint types tests  ## everything that must pass

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# One file's tests share what they compile, so that two processes divide the files.
tests: $(READY)
	$(BIN)/pytest --numprocesses=2 --dist=loadfile

tests-long: $(READY)  ## thousands of new random cases; a failure prints how to repeat it
	HYPOTHESIS_PROFILE=long $(BIN)/pytest --numprocesses=2 --dist=loadfile

bench: $(READY)  ## both workloads, with the journal, as a table
	$(BIN)/tapefold bench ticks
	$(BIN)/tapefold bench bars

$(READY): pyproject.toml requirements-dev.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(READY)

clean:
	rm -rf $(VENV) build *.egg-info
