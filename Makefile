PYTHON ?= python3
VENV   ?= .venv
HTTP   ?= 127.0.0.1:8080
DNS    ?= 127.0.0.1:5300
SECONDS ?= 3600
SEEDS   ?= 1000
MINUTES ?= 10
# Tests wait much of the time: for programs to start, and for what happens in time.
WORKERS ?= $(shell expr 2 \* $$(nproc))
# A file's tests share its servers. The files keep the order of tests/longest.py.
BY_FILE := --dist loadfile --no-loadscope-reorder

BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
OLDEST  := $(VENV)-oldest
PROJECT := setup.cfg pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run demo test check interop simulate soak fuzz bench static unit oldest peers clean
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## A demo in ./demo: Fossil clones and commits, DNS answers (HTTP=... DNS=... choose ports)
	@exec deploy/demo.sh $(BIN)/xferzone $(HTTP) $(DNS)

demo: $(VENV)/installed ## A tour in 31 steps, each shown, run and checked; needs fossil, dig and etcd, leaves nothing behind
	@$(BIN)/python deploy/tour.py

check: static unit ## What every commit must pass: style, types, layers, unit tests

# The unit tests and those with real programs are one run: while the latter wait, the former have the processors. So has
# what `static` leaves of them, which is one process most of the time. Both environments are made before: at once they
# would write the same xferzone.egg-info.
test: peers $(VENV)/developed $(OLDEST)/developed ## Everything; installs the Debian packages it lacks (fossil, dig, kdig, ...)
	$(MAKE) --no-print-directory -j 2 static oldest
	$(BIN)/python -m pytest -n $(WORKERS) $(BY_FILE) -m "not alone"
	$(BIN)/python -m pytest -m alone  # these look at the clock

interop: peers $(VENV)/developed ## The tests that drive the real programs, alone
	$(BIN)/python -m pytest -n $(WORKERS) $(BY_FILE) -m "interop and not alone"
	$(BIN)/python -m pytest -m "interop and alone"

soak: peers $(VENV)/developed ## An hour of mutated requests, writers, kills and full disks at once (SECONDS=... SEED=...)
	$(BIN)/python -m tests.fuzz --seconds 20
	$(BIN)/python -m tests.robust.damaged 300  # ten minutes: of each road half
	$(BIN)/python -m tests.mutants
	$(BIN)/python -m tests.simulation 1000 --kind group
	$(BIN)/python -m tests.simulation 300 --kind joint
	$(BIN)/python -m tests.nameserver.differential 100000
	$(BIN)/python -m tests.nameserver.peers.chance 20000
	$(BIN)/python -m tests.scale.secondaries
	$(BIN)/python -m tests.robust.test_care_kills 25
	$(BIN)/python -m tests.scale.groups
	$(BIN)/python -m tests.scale.test_at_once 500 20
	KILLS=25 $(BIN)/python -m pytest --timeout 3600 tests/robust/test_mirror_kills.py
	KILLS=100 $(BIN)/python -m pytest --timeout 3600 tests/store/test_migration_kills.py
	FLOOD_S=600 $(BIN)/python -m pytest --timeout 900 tests/robust/test_dns_floods.py
	$(BIN)/python -m tests.robust.soak $(SECONDS) $(SEED)

fuzz: $(VENV)/developed ## Octets that chance made for every parser, MINUTES of each; what breaks one goes to build/fuzz
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

simulate: $(VENV)/developed ## Histories of repositories and of groups under faults, SEEDS a level; the same seed, the same history
	$(BIN)/python -m tests.simulation $(SEEDS)

bench: peers $(VENV)/developed ## Measure; prints ratios to what the real programs reach in the same run
	$(BIN)/python bench/run.py

static: $(VENV)/developed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# A worker that is done takes over half of what another has left: no simulation waits behind others at the end.
unit: $(VENV)/developed
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not interop and not scale"

# What setup.cfg allows is true, and canonical text is the same bytes under the oldest dnspython as under the newest.
# tests/oldest.py says which tests these are.
oldest: $(OLDEST)/developed
	$(OLDEST)/bin/python -m pytest -n $(WORKERS) --dist worksteal --oldest -m "not interop and not scale"

peers:
	@tests/peers.sh

clean: ## Remove what the other targets made, the demo too
	rm -rf $(VENV) $(OLDEST) demo build dist xferzone.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/installed: $(PROJECT)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "xferzone needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "installing into $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) setuptools
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/developed: $(VENV)/installed
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

# Run-time packages at the floors of setup.cfg, those of the extras and their peers in the tests too; zstandard and what
# else only tests need as pinned, for old releases of those have no wheels for new Pythons.
FLOORS = sed -n -e '/^install_requires/,/^$$/s/^ *\([a-z0-9-]*\)>=/\1==/p' \
  -e 's/^ *\(opentelemetry-[a-z-]*\)>=/\1==/p' -e 's/^ *\(nats-py\)>=/\1==/p' setup.cfg | grep -v '^zstandard='
TOOLS  = grep -E '^(hypothesis|pytest|pytest-timeout|pytest-xdist|setuptools|zstandard)==' constraints.txt

$(OLDEST)/developed: $(PROJECT)
	@echo "installing into $(OLDEST), the oldest packages allowed ..."
	@test -x $(OLDEST)/bin/python || $(PYTHON) -m venv --clear $(OLDEST)
	@$(OLDEST)/bin/python -m pip --disable-pip-version-check install --quiet $$($(FLOORS)) $$($(TOOLS))
	@$(OLDEST)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
