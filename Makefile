# Needs Python 3.10 or newer, make, and a network for the first run; all else is put into .venv, .venv-loggers,
# .venv-frameworks and .venv-oldest.

PYTHON ?= python3
VENV ?= .venv
LOGGERS_VENV ?= .venv-loggers
FRAMEWORKS_VENV ?= .venv-frameworks
OLDEST_VENV ?= .venv-oldest
# A file's tests run one after the other, and as many files at a time.
JOBS ?= 2
PYTEST_ARGS ?= -n $(JOBS) --dist loadfile
# On networks as small as those of the tests, several threads wait for each other more than they help.
export OMP_NUM_THREADS ?= 1

BIN := $(VENV)/bin
REQUIREMENTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-loggers test-frameworks test-oldest soak docs-images docs-gallery clean
.DELETE_ON_ERROR:

help:  ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: $(VENV)/.demo  ## Train a small network on handwritten digits and log its weights to demo/
	$(BIN)/python examples/digits.py

# The last numpy for Python 3.10 has less exact types: they are checked where the pinned one can be installed.
HAS_PINNED := $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'
TYPES := if $(HAS_PINNED); then $(BIN)/mypy; else echo 'mypy is left out: it needs Python 3.11 or newer'; fi

# Can be imported where their hosts are installed.
HOSTS := lightning_weightviz/keras.py lightning_weightviz/transformers.py
# Triton, which it imports, has no wheels for some machines.
FUSED := lightning_weightviz/measure/device/fused

test: $(VENV)/.test  ## Run ruff, mypy, doctests and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(TYPES)
	$(BIN)/python -m pytest --doctest-modules lightning_weightviz $(addprefix --ignore=,$(HOSTS) $(FUSED)) -q
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-loggers: $(LOGGERS_VENV)/.loggers  ## Run the tests of the sinks with every logger's package, offline
	$(LOGGERS_VENV)/bin/python -m pytest $(PYTEST_ARGS) tests/sinks/loggers tests/sinks/test_conformance.py tests/test_imports.py

test-frameworks: $(FRAMEWORKS_VENV)/.frameworks  ## Run the tests with Keras on each backend, and Hugging Face
	$(FRAMEWORKS_VENV)/bin/python -m pytest --doctest-modules $(HOSTS) -q
	$(FRAMEWORKS_VENV)/bin/python -m pytest $(PYTEST_ARGS) tests/frameworks tests/model/test_keras_model.py

test-oldest: $(OLDEST_VENV)/.oldest  ## Run the tests with the oldest versions that are supported
	$(OLDEST_VENV)/bin/python -m pytest $(PYTEST_ARGS)

soak: $(VENV)/.test  ## Take 5,000 snapshots of a small network, and see that time, memory and state stay flat
	$(BIN)/python -m benchmarks.flatness --model mlp --snapshots 5000 --stretch 100 --threads 1 --check

docs-images: $(VENV)/.test  ## Train the demo and write the pictures of the README to docs/images/ (with Chromium)
	$(BIN)/python docs/make_images.py
	$(BIN)/python -m docs.make_page_images

docs-gallery: $(VENV)/.demo  ## Train the networks of the gallery and write docs/gallery.md
	$(BIN)/python -m docs.make_gallery

clean:  ## Remove the environments and what the demo wrote
	rm -rf $(VENV) $(LOGGERS_VENV) $(FRAMEWORKS_VENV) $(OLDEST_VENV) demo

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# A stamp is older than what it was made from: the installation runs again.
$(VENV)/.demo $(VENV)/.test: $(VENV)/.%: $(REQUIREMENTS) | $(BIN)/python
	@echo 'installing into $(VENV): the first time takes minutes and 6 GB'
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[$*]'
	@touch $@

# Loggers' packages and other frameworks bring other versions of what .venv has, so each get an environment of their
# own, on top of .venv: PyTorch is not installed a second time.
SITE := -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])'
$(LOGGERS_VENV)/.loggers: ABOVE = $(LOGGERS_VENV)
# Trackio asks for an older Pillow than the pinned one.
$(LOGGERS_VENV)/.loggers: UNPINNED = pillow
$(FRAMEWORKS_VENV)/.frameworks: ABOVE = $(FRAMEWORKS_VENV)
$(LOGGERS_VENV)/.loggers $(FRAMEWORKS_VENV)/.frameworks: $(VENV)/.test
	@echo 'installing into $(ABOVE): the first time takes a minute'
	$(BIN)/python -m venv --clear $(ABOVE)
	echo "import site; site.addsitedir('$$($(BIN)/python $(SITE))')" > "$$($(ABOVE)/bin/python $(SITE))/below.pth"
	grep -v '^$(or $(UNPINNED),#)' constraints.txt > $(ABOVE)/constraints.txt
	$(ABOVE)/bin/python -m pip install --disable-pip-version-check --quiet -c $(ABOVE)/constraints.txt -e '.[$(subst .,,$(@F))]'
	@touch $@

# The oldest versions of everything need an environment of their own.
$(OLDEST_VENV)/.oldest: pyproject.toml constraints-oldest.txt
	@echo 'installing into $(OLDEST_VENV): the first time takes minutes and 6 GB'
	$(PYTHON) -m venv $(OLDEST_VENV)
	$(OLDEST_VENV)/bin/python -m pip install --disable-pip-version-check --quiet -c constraints-oldest.txt -e '.[test]'
	@touch $@
