# Two commands do everything:  make  (the site and JupyterLab)   make test  (all of the checks)

VENV := .venv
BIN := $(VENV)/bin
SITE_PORT ?= 8000
LAB_PORT ?= 8888

.PHONY: start book lab test bench labs lock clean

start: $(VENV)/.installed
	@$(BIN)/amazonian start --site-port $(SITE_PORT) --lab-port $(LAB_PORT)

book: $(VENV)/.installed
	@$(BIN)/amazonian book

lab: $(VENV)/.installed
	@$(BIN)/amazonian lab --lab-port $(LAB_PORT)

# Everything that must hold. PYTEST_WORKERS=0 runs the tests one after the other.
PYTEST_WORKERS ?= 2
test: $(VENV)/.installed $(VENV)/.installed-test $(VENV)/.installed-clients
	@echo "== style, imports, generated files"
	@$(BIN)/ruff check --quiet --config shared/pyproject.toml shared book/_ext
	@$(BIN)/ruff format --check --quiet --config shared/pyproject.toml shared book/_ext
	@cd shared && ../$(BIN)/lint-imports --no-cache | tail -n 3
	@$(BIN)/amazonian labs --check
	@echo "== the site, warnings as errors"
	@$(BIN)/amazonian book
	@echo "== tests"
	@cd shared && ../$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadgroup tests
	@echo "== solutions, strictly; the cells of a notebook share a kernel, and so a worker"
	@cd shared && ../$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --nbval --nbval-current-env ../solutions

# Side by side with the libraries and servers that one would take otherwise; nothing is asserted.
bench: $(VENV)/.installed $(VENV)/.installed-clients
	@$(VENV)/clients/bin/python shared/benchmarks/coding.py
	@$(BIN)/python shared/benchmarks/datastore.py
	@$(BIN)/python shared/benchmarks/s3.py
	@$(BIN)/python shared/benchmarks/transfers.py
	@$(BIN)/python shared/benchmarks/reconciliation.py
	@$(BIN)/python shared/benchmarks/payment_crashes.py
	@$(VENV)/clients/bin/python shared/benchmarks/hashing.py
	@$(VENV)/clients/bin/python shared/benchmarks/simulator.py
	@$(BIN)/python shared/benchmarks/balancer.py

# Make labs/ and solutions/ anew from labs/src/ and the package.
labs: $(VENV)/.installed
	@$(BIN)/amazonian labs

# Compile the locks anew from their .in files.
lock: $(VENV)/.installed
	@$(BIN)/uv pip compile --universal --python-version 3.11 --no-annotate --no-header -q -U requirements.in -o requirements.txt
	@grep -v '^-e' requirements.txt > $(VENV)/constraints.txt
	@$(BIN)/uv pip compile --universal --python-version 3.11 --no-annotate --no-header -q -U -c $(VENV)/constraints.txt requirements-test.in -o requirements-test.txt
	@$(BIN)/uv pip compile --universal --python-version 3.11 --no-annotate --no-header -q -U requirements-clients.in -o requirements-clients.txt

clean:
	rm -rf _build $(VENV)

$(VENV)/.installed: requirements.txt shared/pyproject.toml
	@sh .ci/install $(VENV) requirements.txt
	@touch $@

$(VENV)/.installed-test: requirements-test.txt $(VENV)/.installed
	@sh .ci/install $(VENV) requirements-test.txt
	@touch $@

$(VENV)/.installed-clients: requirements-clients.txt $(VENV)/.installed
	@sh .ci/install $(VENV)/clients requirements-clients.txt
	@touch $@
