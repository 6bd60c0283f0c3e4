# One door: every target is one command; the logic lives in lab/ and scripts/.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
UV ?= uv
export UV
LAB_FILE = $(if $(FILE),--file $(FILE))
# What runs the lab, and what `make lint` needs beside it: probe=package.
PACKAGES := python-venv=python3-venv systemd-nspawn=systemd-container mmdebstrap=mmdebstrap \
	/usr/share/keyrings/debian-archive-keyring.gpg=debian-archive-keyring nft=nftables ip=iproute2 \
	nsenter=util-linux
LINT_PACKAGES := shellcheck=shellcheck
TEST_PACKAGES := iptables-restore=iptables conntrack=conntrack openssl=openssl skopeo=skopeo umoci=umoci
VAGRANT_PACKAGES := vagrant=vagrant /var/lib/dpkg/info/vagrant-libvirt.list=vagrant-libvirt \
	libvirtd=libvirt-daemon-system virsh=libvirt-clients qemu-system-x86_64=qemu-system-x86 \
	qemu-img=qemu-utils dnsmasq=dnsmasq-base ssh=openssh-client iptables=iptables

##@ Use
.PHONY: lab-up lab-down lab-test
lab-up: setup ## Build the lab, or repair it, and prove that it works (FILE=labs/….yml for another one)
	$(BIN)/lab up $(LAB_FILE)

lab-down: setup ## Remove the lab: no process, mount or network stays
	$(BIN)/lab down $(LAB_FILE)

lab-test: setup ## Check the running lab from the client and the router
	$(BIN)/lab test $(LAB_FILE) $(if $(JUNIT),--junit $(JUNIT))

.PHONY: setup
setup: $(VENV)/.installed ## Install what is missing: packages, virtual environment, completion files

$(VENV)/.installed: requirements.txt pyproject.toml Makefile
	scripts/system-packages $(PACKAGES)
	scripts/virtual-environment $(PYTHON) $(VENV)
	@touch $@

##@ Develop
.PHONY: test test-box test-plain-vagrant test-roles test-vagrant unit contract lint fmt bench fuzz lock clean
test: setup lint ## Everything: linters, tests without machines, tests with machines of their own
	scripts/system-packages $(TEST_PACKAGES)
	$(BIN)/python -m tests.interop.rootfs
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest tests/lifecycle

test-vagrant: setup ## The lab from virtual machines, under software emulation, beside containers; half an hour
	scripts/system-packages $(VAGRANT_PACKAGES)
	tests/vagrant/run $(BIN)/python $(PYTEST)

test-plain-vagrant: setup ## The same by Vagrant's own verbs alone
	scripts/system-packages $(VAGRANT_PACKAGES)
	PLAIN=yes tests/vagrant/run $(BIN)/python $(PYTEST)

test-box: setup ## The box of virtual machines: built twice, the same bytes; minutes
	scripts/system-packages qemu-img=qemu-utils vagrant=vagrant
	$(BIN)/python -m pytest -s tests/vagrant/test_box.py

test-roles: setup ## The roles for kubeadm, on a machine container with stand-in programs; minutes
	$(BIN)/python -m pytest tests/roles

unit: setup ## Tests that need no machine
	scripts/system-packages $(TEST_PACKAGES)
	$(BIN)/python -m pytest

contract: setup ## Ask a cluster what a Kubernetes API promises: KUBECONFIG=FILE, or a server of our own
	scripts/system-packages $(TEST_PACKAGES)
	$(BIN)/python -m pytest tests/contract $(if $(filter command,$(origin KUBECONFIG)),--kubeconfig $(KUBECONFIG))

lint: setup ## All linters
	scripts/system-packages $(LINT_PACKAGES)
	scripts/lint $(BIN)

fmt: setup ## Format the Python code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

fuzz: setup ## Throw ten million damaged messages at the protocols, and much at the API server; a quarter of an hour
	$(BIN)/python -m tests.fuzz.bgp --messages 10000000
	$(BIN)/python -m tests.fuzz.pocket_schema --requests 100000
	$(BIN)/python -m tests.fuzz.pocket_hostile
	$(BIN)/python -m tests.fuzz.store_crash

bench: setup ## Measure every figure that the documentation names; prints a table and JSON
	$(BIN)/python -m tests.bench

lock: ## Resolve requirements.txt anew (needs uv)
	scripts/lock-requirements --upgrade

clean: ## Remove the virtual environment and generated files
	rm -rf $(VENV) .lab .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.PHONY: help
help:
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
