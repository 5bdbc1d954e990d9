# Kakehashi. `make demo` shows it working, `make test` runs every test; both install what they need first.
# Debian or Ubuntu, root or sudo, Python 3.11 or later.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

ROOTFS_PACKAGES := mmdebstrap debian-archive-keyring
TEST_PACKAGES := postgresql chromium fonts-noto-cjk buildah

# Install the Debian packages of $(1) that are missing; silent when none is.
define apt_install
	@missing=$$(for package in $(1); do \
		dpkg-query --show --showformat='$${Status}' $$package 2>/dev/null | grep -q '^install ok installed' || echo $$package; \
	done); \
	if [ -n "$$missing" ]; then \
		$(SUDO) apt-get update --quiet=2 && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends $$missing; \
	fi
endef

.DEFAULT_GOAL := help
.PHONY: help setup packages rootfs demo test bench lint format lock docs vendor clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 10

setup: $(INSTALLED) rootfs ## install: .venv with .venv/bin/kakehashi, and the Asterisk rootfs

demo: setup ## a real Asterisk, a simulated carrier, the panel, and one callback; ONCE=1 checks it and exits
	@$(BIN)/kakehashi demo $(if $(filter-out 0,$(ONCE)),--once)

test: setup ## every test; ARGS='tests/unit -k cli' for some
	$(call apt_install,$(TEST_PACKAGES))
	$(BIN)/pytest $(ARGS)

bench: setup ## callbacks a second and the gaps between legs, against a raw ARI loop and Dial(); see docs/performance.md
	$(BIN)/python -m tests.bench $(ARGS)

lint: $(INSTALLED) ## ruff, mypy --strict, import-linter, djlint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint web/templates --lint --quiet

format: $(INSTALLED) ## let ruff rewrite the Python files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED) ## write docs/settings.md anew
	$(BIN)/kakehashi config describe --markdown > docs/settings.md

lock: ## resolve requirements.lock anew (needs uv)
	uv pip compile setup.cfg --extra test --extra lint --upgrade --output-file requirements.lock

vendor: $(INSTALLED) ## fetch the browser's third-party files anew and check their hashes (needs npm)
	$(BIN)/python -m web.vendor

clean: ## remove what setup made; var/ (databases, recordings, secrets) stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	$(SUDO) rm -rf --one-file-system .rootfs .rootfs.lock

# uv installs faster where it is there; pip, which comes with Python, does the same.
$(INSTALLED): requirements.lock setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12")'
	@if command -v uv >/dev/null; then \
		[ -x $(BIN)/python ] || uv venv --quiet --python $(PYTHON) $(VENV); \
		export VIRTUAL_ENV=$(VENV); install="uv pip install --quiet"; \
	else \
		$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(SUDO) apt-get update --quiet=2 && \
			$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends python3-venv; }; \
		$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV); \
		install="$(BIN)/python -m pip install --quiet"; \
	fi; \
	echo "Installing the Python packages into $(VENV)"; \
	set -e; $$install --requirement requirements.lock; $$install --no-deps --editable .
	@touch $@

rootfs: $(INSTALLED)
	$(call apt_install,$(ROOTFS_PACKAGES))
	@[ -e .rootfs ] || echo "Building the Asterisk root file system (half a minute)"
	@$(BIN)/kakehashi asterisk build >/dev/null
