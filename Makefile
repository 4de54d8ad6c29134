# `make help` lists the targets. Every target makes its own environment first.
SHELL := /bin/bash
PY := .venv/bin/python
# Compiled modules are kept whatever the environment says: tests start a hundred processes, and assertions are rewritten
# once, not in every worker of every run (a fifth of the processor time of `make check`).
unexport PYTHONDONTWRITEBYTECODE

.PHONY: pictures help setup lint check test demo bench resync reload killloop clean swarm
help:            ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*##/ -/'
setup: .venv/.ready ## virtual environment (system packages: scripts/system-packages)
.venv/.ready: pyproject.toml scripts/setup
	@scripts/setup

lint: setup      ## style, types, rooms
	.venv/bin/ruff check src tests bench
	.venv/bin/mypy src

check: lint      ## lint, types, unit, specification and conversation tests: about a minute
	$(PY) -m pytest -n 2 -m "not live and not slow" tests

test: lint       ## everything, with real processes, clients and foreign servers; installs system packages as root
	@scripts/system-packages
	$(PY) -m pytest -n 2 -m "not live" --hypothesis-profile thorough tests
	$(PY) -m pytest -n 3 -m live tests

demo: setup      ## a failover pair, its clients and a story of faults; STAY=1: stay up for nrcmd
	@.venv/bin/tandem demo $(if $(STAY),--stay)

swarm: setup     ## new stories in the simulator for TIME seconds (default 600)
	.venv/bin/tandem sim --time $(or $(TIME),600)

pictures: setup  ## take the pictures of docs/pages.md (two minutes, chromium)
	@scripts/system-packages
	TANDEM_PICTURES=docs/pictures $(PY) -m pytest -q -m live tests/live/test_web_pages.py

clean:           ## remove the environment and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

bench: setup     ## side by side with Kea and ISC dhcpd (root; some 20 minutes); QUICK=1: four minutes; ROUNDS=n
	@scripts/system-packages
	$(PY) -m bench.run $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS))

resync: setup    ## time to get a lost lease database back from the partner (root); LEASES="100000 1000000"
	$(PY) -m bench.resync $(LEASES)

reload: setup    ## what a reload costs the clients at a steady load (root); LEASES="10000 500000"
	@scripts/system-packages
	$(PY) -m bench.reload $(LEASES)

killloop: setup  ## SIGKILL a loaded server COUNT times (root; default 1000, about a second each)
	@scripts/system-packages
	$(PY) -m tests.live.kill_loop $(or $(COUNT),1000)
