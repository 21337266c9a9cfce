# Two commands: `make demo` and `make test`. Both set up what they need, on a fresh machine too;
# `shelfcast` is .venv/bin/shelfcast then.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
LAKE ?= lake/demo
# Two test processes, each with a file at a time, those with engines first.
TWO := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test quick lint docs bench accuracy java jars setup clean

demo: setup  ## the main job on The Complete Journey's real transactions
	$(BIN)/shelfcast demo --lakehouse $(LAKE)

test: setup  ## every test, the slow ones too
	$(BIN)/python -m pytest $(TWO)

quick: setup  ## the tests of a few seconds
	$(BIN)/python -m pytest $(TWO) -m "not slow"

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: setup  ## the documentation as a site: site/index.html
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[docs]'
	$(BIN)/python -m jobs.views.reference_pages docs/reference
	$(BIN)/zensical build --clean --strict

bench: setup  ## features, forecasting and inventory against their peers (a quarter of an hour, uses every core)
	$(BIN)/python -m tests.benchmarks.bench_features
	$(BIN)/python -m tests.benchmarks.bench_forecasting
	$(BIN)/python -m tests.benchmarks.bench_inventory
	$(BIN)/python -m tests.benchmarks.bench_classical_policies
	$(BIN)/python -m tests.benchmarks.bench_stock_networks
	$(BIN)/python -m tests.benchmarks.bench_supply_network
	$(BIN)/python -m tests.benchmarks.bench_order_list
	$(BIN)/python -m tests.benchmarks.bench_pricing

accuracy: setup  ## accuracy against published figures and peers, on the data sets beside the project (over an hour)
	$(BIN)/python -m tests.benchmarks.bench_m4
	$(BIN)/python -m tests.benchmarks.bench_published
	$(BIN)/python -m tests.benchmarks.bench_calibration
	$(BIN)/python -m tests.benchmarks.bench_walmart_weekly test
	$(BIN)/python -m tests.benchmarks.bench_festivals test
	$(BIN)/python -m tests.benchmarks.bench_seasonal
	$(BIN)/python -m tests.benchmarks.bench_production
	$(BIN)/python -m tests.benchmarks.bench_m5 test
	$(BIN)/python -m tests.benchmarks.bench_m5_job test
	$(BIN)/python -m tests.benchmarks.bench_plausibility rules check
	$(BIN)/python -m tests.benchmarks.bench_networks
	$(BIN)/python -m tests.benchmarks.bench_lost_sales
	$(BIN)/python -m tests.benchmarks.bench_neural_policy
	$(BIN)/python -m tests.benchmarks.bench_spareparts
	$(BIN)/python -m tests.benchmarks.bench_favorita

setup: java $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed; found " + sys.version'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[local,demo,dev]'
	touch $(STAMP)

java:  ## Spark needs Java 17 or newer
	@sh tools/java.sh

jars:  ## Delta's jars by Maven, where Spark's resolver does not get through
	@sh tools/jars.sh

clean:
	rm -rf lake artifacts site docs/reference .pytest_cache .mypy_cache .ruff_cache
