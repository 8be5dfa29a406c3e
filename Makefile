# SPDX-License-Identifier: GPL-2.0
# Every task by name. The module itself is built by the kernel's kbuild, from Kbuild.

.DEFAULT_GOAL := help
.PHONY: help run test host-test guest-test netem differential storm cycles soak goodput bench simulate model mutants fuzz conformance module kernels shell lint doc clean

# A build directory of its own for each of several checkouts' or people's runs.
BUILD ?= $(CURDIR)/build
export BUILD

help:
	@echo 'make run          show TCP connections live and die in a guest (first builds a kernel: 10 to 13 minutes)'
	@echo 'make shell        a prompt in such a guest, the module loaded'
	@echo 'make module       build rust_tcpfsm.ko for the guest kernel, or for KDIR=<built kernel tree with CONFIG_RUST=y>'
	@echo 'make test         host tests, then the kselftests in a debug kernel (first builds it: 16 minutes)'
	@echo "make host-test    the host tests alone; make guest-test: the kselftests alone (TESTS='a.sh b.sh' some of them)"
	@echo 'make netem        the transfers over bad networks at their full size, in a debug kernel (two hours)'
	@echo 'make differential PREDICT_SEEDS=10000 conversations with the module, each segment foretold by the machine on the host'
	@echo 'make storm        random system calls of many threads, STORM_STEPS=20000 each, in a debug kernel'
	@echo 'make cycles       1,000 loads and unloads, half of them with failing allocations, in a debug kernel (two hours)'
	@echo 'make soak         everything at once for SOAK_MINUTES=30, in a debug kernel'
	@echo 'make goodput      how fast the module is beside native TCP over bad networks (build/goodput.json)'
	@echo "make bench        instructions, time and memory beside native TCP and UDP (BENCH='short_conn rr_1b' some; build/bench)"
	@echo 'make simulate     SEEDS=10000 connections of two machines over simulated networks, on the host, in seconds'
	@echo 'make model        every order of events between two machines and a bad network, on the host (two minutes)'
	@echo "make mutants      breaks src/fsm in small ways, and sees whether its tests notice (FILES='seq window' some; an hour or two)"
	@echo 'make fuzz         MINUTES=1 of fuzzing for each target, on the host (wants a nightly compiler)'
	@echo 'make conformance  RFC 9293 requirement by requirement: which test proves it (after make test)'
	@echo 'make lint         rustfmt, clippy, shellcheck'
	@echo 'make doc          the documentation of the code, in build/doc'
	@echo 'make kernels      both guest kernels'
	@echo 'make clean        remove what was built here (the kernels stay in the cache)'
	@echo
	@echo 'FLAVOUR=lean|debug the guest kernel, ACCEL=kvm|tcg how it runs, BUILD=DIR where files go (build/)'

run:
	@qemu/run.sh demo

shell:
	@qemu/run.sh shell

test:
	@qemu/test.sh all

host-test:
	@qemu/test.sh host

guest-test:
	@qemu/test.sh guest

netem:
	@TEST_SECONDS=$(or $(TEST_SECONDS),14400) NETEM_MIB=$(or $(NETEM_MIB),32) TESTS=netem.sh qemu/test.sh guest

differential:
	@PREDICT_SEEDS=$(or $(PREDICT_SEEDS),10000) TEST_SECONDS=7200 TESTS=predicted.sh FLAVOUR=$(or $(FLAVOUR),lean) qemu/test.sh guest

storm:
	@STORM_STEPS=$(or $(STORM_STEPS),20000) TEST_SECONDS=7200 TESTS=storm.sh qemu/test.sh guest

cycles:
	@VIRTUAL_TIME=1 CYCLES=$(or $(CYCLES),1000) TEST_SECONDS=20000 TESTS=cycles.sh qemu/test.sh guest

soak:
	@SOAK_MINUTES=$(or $(SOAK_MINUTES),30) TEST_SECONDS=7200 TESTS=soak.sh qemu/test.sh guest

goodput:
	@qemu/goodput.sh

bench:
	@qemu/bench.sh

simulate:
	@qemu/deps.sh host
	@cd selftests/host && CARGO_TARGET_DIR='$(BUILD)/host' cargo run --release --quiet --bin simulate -- --seeds $(or $(SEEDS),10000) $(if $(FIRST),--first $(FIRST))

model:
	@qemu/deps.sh host
	@cd selftests/host && CARGO_TARGET_DIR='$(BUILD)/host' cargo run --release --quiet --bin model -- $(CONFIGURATIONS)

mutants:
	@qemu/mutants.sh

fuzz:
	@qemu/fuzz.sh

kernels:
	@qemu/deps.sh build
	@qemu/kernel.sh lean
	@qemu/kernel.sh debug

# For a tree of the user's own nothing is installed: what is missing is said.
module:
ifdef KDIR
	@qemu/module.sh '$(KDIR)' '$(BUILD)/kdir-$(shell printf %s '$(KDIR)' | sha256sum | cut -c 1-8)'
else
	@qemu/deps.sh build
	@qemu/module.sh "$$(qemu/kernel.sh $(or $(FLAVOUR),lean))" '$(BUILD)/$(or $(FLAVOUR),lean)'
endif

lint:
	@qemu/lint.sh

conformance:
	@selftests/conformance.py selftests/spec/rfc9293.tsv $(wildcard $(BUILD)/test/host.log $(BUILD)/test/*/ktap.log)

doc:
	@qemu/doc.sh

clean:
	rm -rf '$(BUILD)'
