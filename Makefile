# Needs Python 3.10 or newer, make, and a network for the first run; all else is put into .venv.

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
# On networks as small as those of the tests, several threads wait for each other more than they help.
export OMP_NUM_THREADS ?= 1

BIN := $(VENV)/bin
REQUIREMENTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test docs-images docs-gallery clean
.DELETE_ON_ERROR:

help:  ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: $(VENV)/.demo  ## Train a small network on handwritten digits and log its weights to demo/
	$(BIN)/python examples/digits.py

test: $(VENV)/.test  ## Run ruff, mypy, doctests and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --doctest-modules lightning_weightviz -q
	$(BIN)/python -m pytest $(PYTEST_ARGS)

docs-images: $(VENV)/.demo  ## Train the demo and write the pictures of the README to docs/images/
	$(BIN)/python docs/make_images.py

docs-gallery: $(VENV)/.demo  ## Train the networks of the gallery and write docs/gallery.md
	$(BIN)/python -m docs.make_gallery

clean:  ## Remove .venv and what the demo wrote
	rm -rf $(VENV) demo

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# A stamp is older than what it was made from: the installation runs again.
$(VENV)/.demo $(VENV)/.test: $(VENV)/.%: $(REQUIREMENTS) | $(BIN)/python
	@echo 'installing into $(VENV): the first time takes minutes and 6 GB'
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[$*]'
	@touch $@
