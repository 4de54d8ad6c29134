# `make help` lists the targets. Every target makes its own environment first.
SHELL := /bin/bash
PY := .venv/bin/python

.PHONY: help setup check test demo bench clean
help:            ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*##/ -/'
setup: .venv/.ready ## virtual environment (system packages: scripts/system-packages)
.venv/.ready: pyproject.toml
	@scripts/setup
