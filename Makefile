# make start   watches a simulated provider for two weeks and writes its report
# make test    passes every check: style, types, layers, tests, docs
# make benchmarks DATA=DIR   writes the results that the documentation shows
PY       ?= $(shell command -v python3.11 || command -v python3)
PIP_ARGS ?=
OUT      ?= reports/start
BIN      := .venv/bin

# One numerical thread per process: more are slower on shared machines, and change nothing.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: start test style types layers tests docs benchmarks comparison clean
.DELETE_ON_ERROR:

start: .venv/.console
	$(BIN)/faultsight demo --out $(OUT)

test: style types layers tests docs

style: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/.dev
	$(BIN)/mypy

layers: .venv/.dev
	$(BIN)/lint-imports --no-cache

tests: .venv/.dev
	$(BIN)/pytest

docs: .venv/.dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

BENCH := $(BIN)/faultsight bench run
SIMULATED := sim_rapmd,sim_riskloc_L,sim_riskloc_S,sim_squeeze_B0,sim_squeeze_B0_noise06,sim_squeeze_B0_noise12

DIAGNOSE := table1 table2 theorem2 lookback features missing cablemon verdict rates faults speed snmp
LOOP := ingest latency day api
TUNED := anotuner,pca,ridge_var,input_norm,random_score

benchmarks: .venv/.dev
	$(BENCH) localize/accuracy $(if $(DATA),--data $(DATA)) --json benchmarks/reports/localize-accuracy.json
	$(BENCH) localize/accuracy --datasets $(SIMULATED) --methods scan,rapminer,riskloc,autoroot,random_guess \
		--json benchmarks/reports/localize-accuracy-simulated.json
	$(BENCH) localize/ablation $(if $(DATA),--data $(DATA)) --seconds 15 --json benchmarks/reports/localize-ablation.json
	$(BENCH) localize/speed --seconds 20 --json benchmarks/reports/localize-speed.json
	$(BENCH) localize/stream $(if $(DATA),--data $(DATA)) --json benchmarks/reports/localize-stream.json
	$(BENCH) detect/base $(if $(DATA),--data $(DATA)) --methods $(TUNED) --json benchmarks/reports/detect-base.json
	$(BENCH) detect/leaderboard $(if $(DATA),--data $(DATA)) --json benchmarks/reports/detect-leaderboard.json
	$(BENCH) detect/table1 $(if $(DATA),--data $(DATA)) --json benchmarks/reports/detect-table1.json
	$(BENCH) detect/leaderboard $(if $(DATA),--data $(DATA)) --seed 1 --json benchmarks/reports/detect-leaderboard-seed-1.json
	$(BENCH) detect/table1 $(if $(DATA),--data $(DATA)) --seed 1 --json benchmarks/reports/detect-table1-seed-1.json
	$(BENCH) detect/feedback $(if $(DATA),--data $(DATA)) --datasets ASD,JS2,CDN,SMD --methods $(TUNED) \
		--seconds 3000 --json benchmarks/reports/detect-feedback.json
	$(BENCH) detect/feedback --datasets sim_stations --methods $(TUNED) --seconds 3000 \
		--json benchmarks/reports/detect-feedback-simulated.json
	$(BENCH) detect/feedback $(if $(DATA),--data $(DATA)) --datasets ASD,sim_stations --methods anotuner-paper --cases 1 \
		--json benchmarks/reports/detect-feedback-paper.json
	$(BENCH) detect/ablation $(if $(DATA),--data $(DATA)) --seconds 1500 --json benchmarks/reports/detect-ablation.json
	$(BENCH) detect/speed --json benchmarks/reports/detect-speed.json
	$(BIN)/faultsight demo --out reports/start --json benchmarks/reports/demo.json
	for name in $(DIAGNOSE); do \
		$(BENCH) diagnose/$$name --seconds 7200 --json benchmarks/reports/diagnose-$$name.json || exit 1; \
	done
	for name in $(LOOP); do \
		$(BENCH) loop/$$name --json benchmarks/reports/loop-$$name.json || exit 1; \
	done
	$(MAKE) comparison

# The page that compares all detectors, from the results that are there.
comparison: .venv/.dev
	$(BIN)/faultsight bench report detect --out reports/detection --docs docs/explanation

.venv/.pip:
	$(PY) -c 'import sys; sys.exit("FaultSight needs Python 3.11 or newer; set PY=...") if sys.version_info < (3, 11) else None'
	$(PY) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	touch $@

.venv/.base: .venv/.pip pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e .
	touch $@

.venv/.console: .venv/.base
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e ".[console]"
	touch $@

.venv/.dev: .venv/.base
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e ".[all]" --group dev
	touch $@

clean:
	rm -rf .venv docs/_build .mypy_cache .ruff_cache .pytest_cache
