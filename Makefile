# Two commands: `make up` runs the shop, `make test` runs its tests. Both install what they need.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check

# command=package: a browser for the admin's pages, data planes and tools that run for real, a
# PostgreSQL of the system's, on which a monolith may be (Debian 12 has 15), and the other broker.
DEBIAN := chromium=chromium nginx=nginx haproxy=haproxy wrk=wrk node=nodejs npm=npm \
  /usr/lib/postgresql/*/bin/postgres=postgresql /usr/lib/rabbitmq/bin/rabbitmq-server=rabbitmq-server

# The hosts of one module that the repository ships.
HOSTS := payment notification

.PHONY: help up test retired drill check format bench extraction compiled clean debian requirements env-example

help:  ## List what make can do.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-14s %s\n", $$1, $$2}'

up: $(VENV)/.installed  ## Set everything up and run the shop; Ctrl-C stops all of it.
	@exec $(PY) manage.py up

# Four at a time on two cores: tests that start processes wait for them much of the time.
test: $(VENV)/.installed-dev  ## Set everything up and run the whole test suite.
	@exec $(PY) -m pytest -n 4 --dist loadgroup $(ARGS)

# And by a role of PostgreSQL's for each module: a second run of the same tests would show no more.
retired: $(VENV)/.installed-dev  ## Run all others' tests with payment retired, not to be imported.
	@RETIRED_MODULES=payment DATABASE_ROLES=true exec $(PY) -m pytest -n 4 --dist loadgroup -p tests.retired \
	  tests/api tests/architecture tests/contracts tests/modules tests/platform tests/shop $(ARGS)

drill: $(VENV)/.installed-dev  ## Every fault that a drill knows, on a copy of payment, as a test.
	@DRILL_ALL_FAULTS=true exec $(PY) -m pytest tests/extraction/drilling -k breaks_a_copy $(ARGS)

check: $(VENV)/.installed-dev  ## Lint, types, boundaries, migrations, generated files.
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	@# mypy reads the settings and ends without running exit handlers: it must start no servers.
	DATABASE_URL=postgresql:///unused REDIS_URL=redis://unused $(VENV)/bin/mypy
	$(PY) manage.py modules check
	$(PY) manage.py modules schema
	$(PY) manage.py modules proto
	for host in $(HOSTS); do \
	  $(PY) manage.py modules closure $$host --check && $(PY) manage.py scaffold_host $$host --check \
	    || exit 1; \
	done
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) -m shop.env | diff - .env.example
	$(PY) -m strangler_proxy --schema | diff - strangler_proxy/document/schema.json
	$(PY) -m tests.docs.reference

format: $(VENV)/.installed-dev  ## Format the code.
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: $(VENV)/.installed-dev  ## Measure, each number beside a peer or ceiling of the same run.
	@exec $(PY) -m tests.benchmarks $(ARGS)

extraction: $(VENV)/.installed-dev  ## Move two modules of a running shop out and back, under load.
	@exec $(PY) -m tests.benchmarks.bench_extraction_show $(ARGS)

compiled: $(VENV)/.installed-dev  ## Compile the front door's data path with mypyc (needs a C compiler).
	$(PY) -m strangler_proxy.compiling

# The programs alone: while they are installed Debian's scripts are to make no cluster of PostgreSQL,
# and to start no server.
CLUSTERS := /etc/postgresql-common/createcluster.conf
NO_CLUSTER := create_main_cluster = false  \# for make debian
POLICY := /usr/sbin/policy-rc.d

debian:  ## Install the Debian packages that some tests use (as root).
	missing=; for pair in $(DEBIAN); do \
	  PATH="$$PATH:/usr/sbin" command -v $${pair%=*} >/dev/null || missing="$$missing $${pair#*=}"; \
	done; [ -n "$$missing" ] || exit 0; \
	apt-get update && apt-get install -y --no-install-recommends postgresql-common || exit 1; \
	made=; [ -e $(POLICY) ] || made=$(POLICY); \
	trap 'sed -i "/^$(NO_CLUSTER)\$$/d" $(CLUSTERS); rm -f $$made' EXIT INT TERM; \
	echo '$(NO_CLUSTER)' >> $(CLUSTERS); \
	[ -z "$$made" ] || { printf '#!/bin/sh\nexit 101\n' > $$made && chmod 755 $$made; } || exit 1; \
	apt-get install -y --no-install-recommends $$missing

requirements: $(VENV)/.installed-dev  ## Compile requirements*.in into pinned, hashed files.
	for name in requirements requirements-dev requirements-uv; do \
	  $(VENV)/bin/uv pip compile --python-version 3.11 --universal --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links --quiet $(ARGS) $$name.in -o $$name.txt || exit 1; \
	done

env-example: $(VENV)/.installed  ## Write .env.example from shop/env.py.
	$(PY) -m shop.env > .env.example

clean:  ## Stop the embedded servers and remove what make and the shop have made.
	-@[ ! -x $(PY) ] || $(PY) -m modules.platform.databases.embedded stop --home .ficus
	rm -rf $(VENV) .ficus .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Ficus needs Python 3.11 or newer; $(PYTHON) is older. Try: make up PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# uv needs a quarter of pip's time. It does not read pip's settings: where those name another index,
# and where uv fails, pip does it. The shop's packages are compiled, for its processes all start at
# once; most of the tests' packages are never imported.
define install
@if $(PIP) config list | grep -q '\.index-url=' || ! { \
  $(PIP) install --quiet --require-hashes -r requirements-uv.txt && \
  $(VENV)/bin/uv pip install --quiet --python $(PY) $(2) --require-hashes -r $(1); \
}; then $(PIP) install --quiet --require-hashes -r $(1); fi
endef

$(VENV)/.installed: requirements.txt requirements-uv.txt | $(VENV)/bin/python
	$(call install,requirements.txt,--compile-bytecode)
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt requirements-uv.txt | $(VENV)/bin/python
	$(call install,requirements-dev.txt)
	@touch $@ $(VENV)/.installed
