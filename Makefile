# Makefile - the commands of the README. Each does the set-up that it needs; what is done is not done again.
#
#   make demo [ARGS=--once]     a private mail server, and a story about it
#   make test [ARGS="-k sieve"] all tests
#   make bench [BENCH=name]     the benchmarks, one JSON line a figure
#   make differential [N=2000] [SEED=1]   random Sieve scripts through Dovecot's engine and through ours
#   make fuzz [MINUTES=10] [SEED=1]       random Sieve scripts and messages: nothing may break
#   make faults [ROUTE=local/keep]        each system call of a delivery fails, and is the last: nothing may be lost
#   make soak [MESSAGES=100000]           many messages by LMTP: memory and descriptors do not grow
#   make lint                   ruff and mypy
#   make setup                  the set-up of `make test` alone

.PHONY: demo test bench differential fuzz faults soak lint setup packages-demo packages-test packages-bench moved
.NOTPARALLEL:
.SILENT:

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

demo: packages-demo $(READY)
	$(RUN) -m demo $(ARGS)

# Whole mail servers one after the other, all else in two processes.
test: packages-test $(READY)
ifdef ARGS
	$(RUN) -m pytest $(ARGS)
else
	status=0; \
	$(RUN) -m pytest -n 2 --dist loadfile --ignore tests/integration --ignore tests/faults || status=$$?; \
	$(RUN) -m pytest tests/integration tests/faults || status=$$?; \
	exit $$status
endif

bench: packages-bench $(READY)
	$(RUN) -m bench $(BENCH)

differential: packages-test $(READY)
	nice $(RUN) -m tests.lda.sieve.campaign $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED))

fuzz: packages-test $(READY)
	nice $(RUN) -m tests.lda.sieve.fuzz $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

faults: packages-test $(READY)
	nice $(RUN) -m tests.faults $(ROUTE)

soak: packages-test $(READY)
	$(RUN) -m bench.soak $(MESSAGES)

lint: packages-demo $(READY)
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy

setup: packages-test $(READY)

packages-demo:
	.ci/install-packages demo
packages-test:
	.ci/install-packages demo test
packages-bench:
	.ci/install-packages demo test bench

# An environment knows its own path: one that was moved or copied is made again.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
$(READY): moved
endif

# Debian's own Python where it is new enough: one below a home directory is closed to other accounts.
$(READY): pyproject.toml
	set -e; for python in /usr/bin/python3 python3 none; do \
	    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; done; \
	test $$python != none || { echo 'Python 3.11 or later is needed.' >&2; exit 1; }; \
	echo "Making $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV); \
	$(RUN) -m pip install -qq --disable-pip-version-check -e '.[dev]'; \
	echo '$(CURDIR)' >$@
