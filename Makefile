# SPDX-License-Identifier: Apache-2.0
# Corbel: one Makefile for all worlds. `make help` lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
LD      := ld
OBJCOPY := objcopy
HOSTCC  := gcc
PYTHON  := /usr/bin/python3
B       := build
# `make V=1` shows the commands.
Q       := $(if $(V),,@)

IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null | head -n1))

# ---- flags -----------------------------------------------------------------
WARN := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wswitch-enum -Wundef -Wstrict-prototypes -Wmissing-prototypes -Werror
AUTO_INIT := -ftrivial-auto-var-init=zero $(if $(IS_CLANG),-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)
FREESTANDING := -std=gnu2x -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include 2>/dev/null) -isystem $(B)/include \
	-I. -I$(B)/gen -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fno-strict-aliasing -fno-common -O2 -g $(AUTO_INIT)
ROOT_CFLAGS := $(FREESTANDING) -fno-jump-tables $(WARN)
DOM0_CFLAGS := $(FREESTANDING) $(WARN)
GUEST_CFLAGS := $(FREESTANDING) $(WARN)
NASMFLAGS := -f elf64 -g -F dwarf -I$(B)/gen/ -w+all -Werror
XEN_VERSION_DEF := -D__XEN_INTERFACE_VERSION__=0x00040e00

# ---- sources ---------------------------------------------------------------
ROOT_C   := $(wildcard kernel/*.c kernel/*/*.c vmx/*.c vmx/exit/*.c ept/*.c)
ROOT_ASM := $(wildcard boot/*.asm vmx/*.asm kernel/*/*.asm)
DOM0_C   := $(wildcard dom0/*/*.c drivers/*.c)
DOM0_ASM := $(wildcard dom0/*/*.asm)

include tests/unit/units.mk

.PHONY: all help image run test check lint tcb bench unit coverage fuzz fuzz-coverage explore threads mutants clean deps
all: deps
	@$(MAKE) --no-print-directory $(B)/corbel.img

help:
	@echo "make          build everything (build/corbel.img boots)"
	@echo "make run      boot it in the best emulator here, console on this terminal"
	@echo "make test     every test; the last line counts"
	@echo "make check    quick subset"
	@echo "make bench    the benchmark table, compared with the baseline (BASELINE=write: a new one, and docs/performance.md)"
	@echo "make lint     layers, headers, W^X, formatting rules"
	@echo "make tcb      lines of root-mode code"
	@echo "make image    build/corbel.img only"
	@echo "make coverage what unit tests cover of root's pure files; coverage-guests: what guests reach of all of root (system tests on a build that counts)"
	@echo "make fuzz     long fuzzing, then of the hypervisor by a guest (fuzz-guest): SECONDS=600 each; or RUNS=10000000 each; TARGETS=\"hypercall exit\": these alone"
	@echo "make explore  every order of events between CPUs, up to some preemptions (MORE=1: one more); make mutants: can it fail?"
	@echo "make threads  the same CPUs as threads under ThreadSanitizer, for SECONDS"
	@echo "make fuzz-coverage  which lines of root's files the fuzzers' inputs reach"
	@echo "make docs-sensitive  docs/sensitive-instructions.md, from a run"

deps:
	@tools/deps

image: $(B)/corbel.img

# ---- generated headers -----------------------------------------------------
$(B)/include/xen: | $(B)/include
	ln -sfn /usr/include/xen $@
$(B)/include $(B)/gen:
	mkdir -p $@
$(B)/gen/offsets.s: vmx/offsets.c vmx/vmx.h | $(B)/gen $(B)/include/xen
	$(Q)$(CC) $(ROOT_CFLAGS) $(XEN_VERSION_DEF) -S -o $@ $<
$(B)/gen/offsets.inc: $(B)/gen/offsets.s
	$(Q)sed -n 's/^.*->\([A-Za-z0-9_]*\) [$$]*\(-\{0,1\}[0-9]*\).*/%define \1 \2/p' $< > $@

# ---- the hypervisor [ROOT] ---------------------------------------------------
ROOT_OBJ := $(patsubst %.c,$(B)/root/%.o,$(filter-out vmx/offsets.c,$(ROOT_C))) $(patsubst %.asm,$(B)/root/%.asm.o,$(ROOT_ASM))
$(B)/root/%.o: %.c | $(B)/include/xen $(B)/gen/offsets.inc
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) $(ROOT_CFLAGS) $(XEN_VERSION_DEF) -MMD -MP -c -o $@ $<
$(B)/root/%.asm.o: %.asm $(B)/gen/offsets.inc
	@mkdir -p $(@D)
	$(Q)nasm $(NASMFLAGS) -o $@ $<
ROOT_LD := $(LD) -nostdlib -static -z noexecstack -z max-page-size=4096 --build-id=none -T linker.ld
$(B)/corbel.nosyms.elf: $(ROOT_OBJ) linker.ld tools/mksyms.py
	$(Q)echo '' | $(PYTHON) tools/mksyms.py > $(B)/gen/syms0.asm
	$(Q)nasm -f elf64 -o $(B)/gen/syms0.o $(B)/gen/syms0.asm
	$(Q)$(ROOT_LD) -o $@ $(ROOT_OBJ) $(B)/gen/syms0.o
$(B)/corbel.elf: $(B)/corbel.nosyms.elf
	$(Q)nm -n $< | $(PYTHON) tools/mksyms.py > $(B)/gen/syms.asm
	$(Q)nasm -f elf64 -o $(B)/gen/syms.o $(B)/gen/syms.asm
	$(Q)$(ROOT_LD) -o $@ $(ROOT_OBJ) $(B)/gen/syms.o

# ---- Dom0 [DOM0] -----------------------------------------------------------------
include dom0/dom0.mk

# ---- the loader [FW] ---------------------------------------------------------------
include boot/efi/efi.mk

# ---- guests, image, tests -----------------------------------------------------------
include tests/tests.mk

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
