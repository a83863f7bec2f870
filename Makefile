# Needs only make and Python 3.11 or newer; uses uv where it is on the PATH, for speed.
# Everything is installed into .venv; a second run installs nothing.

.DEFAULT_GOAL := help
PYTHON ?=
PORT ?=
NO_BROWSER ?=
ARGS ?=
# Two files at a time, or as many as there are cores, up to four: more would fight over Chromium.
PARALLEL ?= --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
# Without byte code every process that a page or a test starts would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
IN := $(VENV)/bin/python

help: ## this list
	@echo "Halfpenny: the quote is the bill."
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.ready ## fill ./demo-gallery with samples (no key, no cost) and open it; NO_BROWSER=1, PORT=8866
	@$(IN) -m playground demo demo-gallery
	@PLAYGROUND_GALLERY=demo-gallery PLAYGROUND_PROVIDER=offline exec $(IN) -m playground serve \
		$(if $(PORT),--port $(PORT)) $(if $(NO_BROWSER),--no-browser)

lab: $(VENV)/.ready ## JupyterLab on notebooks/
	@exec $(IN) -m playground lab $(if $(PORT),--port $(PORT)) $(if $(NO_BROWSER),--no-browser)

test: $(VENV)/.ready-test ## the tests; ARGS="-k gallery" chooses
	@$(IN) -m pytest $(PARALLEL) $(ARGS)

check: lint test ## what CI runs: format, lint, types, then all tests (notebooks, docs and browser too)

lint: $(VENV)/.ready-test ## format, lint and types only
	@$(IN) -m ruff format --check .
	@$(IN) -m ruff check .
	@$(IN) -m mypy --num-workers auto

clean: ## remove .venv and caches; galleries stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

$(IN):
	@for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
		if command -v "$$candidate" >/dev/null 2>&1 && \
			"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Halfpenny needs Python 3.11 or newer, and none is on the PATH;" \
			"install one, or name it: make demo PYTHON=/path/to/python3" >&2; exit 1; \
	elif command -v uv >/dev/null 2>&1 && uv venv -q --seed --python "$$python" $(VENV); then :; \
	elif ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python cannot make virtual environments;" \
			"on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	else echo "Making $(VENV) with $$python"; \
		"$$python" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; \
	fi

# $(call install,WHAT): editable, so that a change shows without installing again.
define install
	@echo "Installing $(1) into $(VENV) (once; about a minute)"
	@{ command -v uv >/dev/null 2>&1 && uv pip install -q --python $(IN) -e '$(1)'; } || \
		$(IN) -m pip install -qq --disable-pip-version-check -e '$(1)'
	@touch $@
endef

$(VENV)/.ready: pyproject.toml | $(IN)
	$(call install,.)

$(VENV)/.ready-test: pyproject.toml | $(IN)
	$(call install,.[test])
	@touch $(VENV)/.ready

.PHONY: help demo lab test check lint clean
