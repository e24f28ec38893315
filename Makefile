# Every target sets itself up from a clean clone with nothing but Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# the lowest releases that pyproject.toml allows, which are near those that vLLM holds back
FLOORS := .venv-floors
GPU := .venv-gpu
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo check test test-floors fuzz trial test-gpu lint types fast reference perf clean

# The main job: the small local model writes two stories for each length bucket, the offline proxy judges
# them, and the table by length appears. Interrupted, it continues where it stopped.
demo: $(VENV)/.demo
	$(BIN)/polaris-eval run --model polaris_eval/local --judge polaris_eval/lexical \
		--benchmark story_quality --limit 12 --max-tokens 1024 --log-dir logs/demo

# the fast lane: what to run after every change
check: $(VENV)/.dev lint
	$(MAKE) -j 2 --output-sync types fast

test: $(VENV)/.dev lint types
	$(BIN)/pytest -q -n 2 --dist loadgroup
	$(MAKE) test-floors

# with the oldest packages: models load, and the small real one is trained
test-floors: $(FLOORS)/.done
	$(FLOORS)/bin/pytest -q -n 2 --dist loadgroup tests/trainers -m floors

# ten minutes of coverage-guided fuzzing per reader; a minute of it is in `make test`
fuzz: $(VENV)/.dev
	$(BIN)/python tests/fuzz/fuzz.py all 600

# kills, signals, full disks and large runs, some 20 minutes on two cores (as root: small disks are mounted);
# a minute of it is in `make test`
trial: $(VENV)/.dev
	$(BIN)/python tests/trial/trial.py logs/trial-$(shell date +%Y%m%d-%H%M%S)

# for anyone with one GPU: vLLM beside the trainer, kill and resume, the 9B shape
test-gpu: $(GPU)/.done
	$(GPU)/bin/pytest -v -rs tests/gpu

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	rm -rf build && $(PIP) install -q --no-deps --target build/types .
	cd build && MYPYPATH=types ../$(BIN)/mypy --config-file ../pyproject.toml -p polaris_eval

fast: $(VENV)/.dev
	$(BIN)/pytest -q -n 2 --dist loadgroup -m "not slow and not model"

# COMMANDS.md of both programs, from their --help
reference: $(VENV)/.dev
	$(BIN)/python tests/reference.py

perf: $(VENV)/.dev
	$(BIN)/python tests/perf/metrics.py
	$(BIN)/python tests/perf/run.py
	$(BIN)/python tests/perf/stats.py
	$(BIN)/python tests/perf/table.py
	$(BIN)/python tests/perf/report.py
	$(BIN)/python tests/perf/arena.py
	$(BIN)/python tests/perf/train.py
	$(BIN)/python tests/perf/overlap.py
	$(BIN)/python tests/perf/data.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(PIP) install -q -e ".[local,report]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(PIP) install -q "torch==2.13.0"
	$(PIP) install -q -e ".[local,report,train,data,lm-eval,dev]"
	touch $@ $(VENV)/.demo

$(FLOORS)/.done: pyproject.toml
	$(PYTHON) -m venv $(FLOORS)
	$(FLOORS)/bin/python tests/floors.py train report data > $(FLOORS)/floors.txt
	$(FLOORS)/bin/python -m pip --disable-pip-version-check install -q "torch==2.13.0"
	$(FLOORS)/bin/python -m pip --disable-pip-version-check install -q -c $(FLOORS)/floors.txt -e ".[train,report,data,dev]"
	touch $@

$(GPU)/.done: pyproject.toml
	$(PYTHON) -m venv $(GPU)
	$(GPU)/bin/python -m pip --disable-pip-version-check install -q -e ".[train,vllm,report,dev]"
	touch $@

clean:
	rm -rf $(VENV) $(FLOORS) $(GPU) build dist *.egg-info
