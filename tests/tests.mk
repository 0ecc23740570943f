# SPDX-License-Identifier: Apache-2.0
# [HOST] Guests, the example's files, unit tests, fuzzers, system tests, lint.

# ---- tiny guests [DOMU]: build/guests/NAME.elf -----------------------------------------
GUESTS := bench $(patsubst tests/guest/%/main.c,%,$(wildcard tests/guest/*/main.c))
GUEST_ELFS := $(patsubst %,$(B)/guests/%.elf,$(GUESTS))
$(B)/guest/%.o: %.c $(wildcard tests/guest/*/*.h) | $(B)/include/xen
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -mcmodel=small -c -o $@ $<
$(B)/guest/%.asm.o: %.asm
	@mkdir -p $(@D)
	$(Q)nasm -f elf64 -o $@ $<
GUEST_LIB := $(B)/guest/tests/guest/lib/entry.asm.o $(B)/guest/tests/guest/lib/guest.o $(B)/guest/tests/guest/lib/pv.o $(B)/guest/tests/guest/lib/bench.o
define guest_rule
$(B)/guests/$(1).elf: $$(patsubst %.c,$(B)/guest/%.o,$$(wildcard tests/guest/$(1)/*.c)) $$(patsubst %.asm,$(B)/guest/%.asm.o,$$(wildcard tests/guest/$(1)/*.asm)) $$(GUEST_LIB) tests/guest/lib/guest.ld
	@mkdir -p $$(@D)
	$$(Q)$$(LD) -nostdlib -static -z noexecstack --build-id=none --no-warn-rwx-segments -T tests/guest/lib/guest.ld -o $$@ $$(filter %.o,$$^)
endef
# tcpbench has lwIP: the sources that Dom0 has, with options of its own.
TCPBENCH_API := netif_add netif_set_default netif_set_up ethernet_input etharp_output etharp_tmr pbuf_alloc pbuf_free pbuf_take pbuf_copy_partial pbuf_get_at \
	tcp_new tcp_bind tcp_listen_with_backlog tcp_accept tcp_connect tcp_sent tcp_recv tcp_recved tcp_write tcp_output tcp_close tcp_tmr ip_addr_any
TCPBENCH_PORT := $(wildcard tests/guest/tcpbench/lwip/*.h tests/guest/tcpbench/lwip/*/*.h)
$(B)/guest/tests/guest/tcpbench/%.o: GUEST_CFLAGS += -Itests/guest/tcpbench/lwip -isystem $(LIB_SRC)/lwip/src/include -Idom0/lib/libc
$(patsubst %.c,$(B)/guest/%.o,$(wildcard tests/guest/tcpbench/*.c)): $(TCPBENCH_PORT) | $(LIB_SRC)/lwip/.fetched
$(B)/guest/lwip.o: $(LIB_SRC)/lwip/.fetched dom0/net/lwip.mk tests/tests.mk $(TCPBENCH_PORT) $(LIB_SHIM) | $(B)/include/xen
	@mkdir -p $(B)/guest/lwip
	$(Q)set -e; for c in $(lwip_C); do $(CC) $(filter-out $(WARN),$(GUEST_CFLAGS)) -mcmodel=small -w -Itests/guest/tcpbench/lwip -Idom0/lib/libc -isystem $(LIB_SRC)/lwip/src/include \
	 -ffunction-sections -fdata-sections -c -o $(B)/guest/lwip/$$(basename $$c .c).o $(LIB_SRC)/lwip/$$c; done
	$(Q)$(LD) -r --gc-sections -e lwip_init $(addprefix -u ,$(TCPBENCH_API)) -o $@ $(B)/guest/lwip/*.o
$(B)/guests/tcpbench.elf: $(B)/guest/lwip.o
$(foreach g,$(filter-out bench,$(GUESTS)),$(eval $(call guest_rule,$(g))))
# The benchmark guest: instruction sequences matter, so it has flags of its own.
$(B)/guests/bench.elf: tests/bench/guest/bench.c tests/bench/guest/entry.asm tests/guest/lib/guest.ld
	@mkdir -p $(@D) $(B)/guest
	$(Q)gcc -std=gnu2x -m64 -O2 -Wall -Wextra -ffreestanding -fno-pic -fno-pie -mcmodel=small -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
	 -fcf-protection=none -fno-asynchronous-unwind-tables -c -o $(B)/guest/bench.o tests/bench/guest/bench.c
	$(Q)nasm -f elf64 -o $(B)/guest/bench.asm.o tests/bench/guest/entry.asm
	$(Q)$(LD) -nostdlib -static -z noexecstack --build-id=none --no-warn-rwx-segments -T tests/guest/lib/guest.ld -o $@ $(B)/guest/bench.asm.o $(B)/guest/bench.o
.PHONY: guests
guests: $(GUEST_ELFS)

# ---- a stand-in for Dom0 that makes the requests the real one never makes: build/standin.elf -------
STANDIN_OBJ := $(patsubst %.c,$(B)/standin/%.o,$(wildcard tests/standin/*.c)) $(B)/dom0/dom0/kernel/entry.asm.o \
	$(patsubst %,$(B)/dom0/dom0/lib/%.o,mem string printf)
$(B)/standin/%.o: %.c $(wildcard tests/standin/*.h) | $(B)/include/xen
	@mkdir -p $(@D)
	$(Q)$(CC) $(DOM0_CFLAGS) $(XEN_VERSION_DEF) -MMD -MP -c -o $@ $<
$(B)/standin.elf: $(STANDIN_OBJ) dom0/dom0.ld
	$(Q)$(LD) -nostdlib -static -z noexecstack -z max-page-size=4096 --build-id=none -T dom0/dom0.ld -o $@ $(STANDIN_OBJ)

# ---- the shipped example: \corbel\vm\debian ----------------------------------------------
$(B)/debian/vmlinuz: tools/fetch-kernel
	tools/fetch-kernel $(B)/debian
$(B)/debian-generic/vmlinuz: tools/fetch-kernel
	tools/fetch-kernel $(B)/debian-generic amd64
%/initrd.gz: tools/mkinitramfs %/vmlinuz
	tools/mkinitramfs $@ $(@D)
$(B)/vm/.stamp: $(B)/debian/vmlinuz $(B)/debian/initrd.gz tests/guest/debian.vmx
	rm -rf $(B)/vm
	mkdir -p $(B)/vm/debian
	cp $(B)/debian/vmlinuz $(B)/debian/initrd.gz $(B)/vm/debian/
	cp tests/guest/debian.vmx $(B)/vm/debian/debian.vmx
	touch $@

# ---- a whole Debian, for test_debian -------------------------------------------------------
$(B)/deb/disk.img: tools/mkguest
	tools/mkguest -n deb -s 512 -m 256 -r corbel $(@D)

include tests/bare/bare.mk

# ---- docs/sensitive-instructions.md: what guest `sensitive` found ------------------------
.PHONY: docs-sensitive
docs-sensitive: $(B)/bare/BOOTX64.EFI $(B)/guests/sensitive.elf $(B)/corbel.elf $(B)/dom0.elf $(B)/BOOTX64.EFI
	@$(PYTHON) tests/system/sensitive.py

# ---- unit tests: tests/unit/units.mk names the real files of each ------------------------
UNITS := $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_FLAGS := -std=gnu2x -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -I. -Itests/unit -D__XEN_INTERFACE_VERSION__=0x00040e00 -DCORBEL_HOST_TEST
define unit_rule
$(B)/unit/$(1): tests/unit/test_$(1).c $$(UNIT_$(1)) $$(UNIT_DEPS_$(1))
	@mkdir -p $$(@D)
	$(Q)$(HOSTCC) $(UNIT_FLAGS) $$(UNIT_CFLAGS_$(1)) -MMD -MP -MT $$@ -MF $$@.d -o $$@ tests/unit/test_$(1).c $$(UNIT_$(1)) -lcmocka
endef
$(foreach u,$(UNITS),$(eval $(call unit_rule,$(u))))
unit: $(patsubst %,$(B)/unit/%,$(UNITS))
	@$(PYTHON) tests/run.py --only unit

# ---- what unit tests cover of root's files: the units that have one, without sanitizers, counted --
# What a test includes instead of compiling it beside itself is named in units.mk as UNIT_DEPS.
# alloc is left out: its tries are processes that end without writing down what they executed, and it has two files of one name.
ROOT_PURE := $(sort $(filter $(ROOT_C),$(foreach u,$(filter-out alloc,$(UNITS)),$(UNIT_$(u)) $(UNIT_DEPS_$(u)))))
COVER_UNITS := $(foreach u,$(filter-out alloc,$(UNITS)),$(if $(filter $(ROOT_PURE),$(UNIT_$(u)) $(UNIT_DEPS_$(u))),$(u)))
COVER_FLAGS := $(filter-out -fsanitize% -fno-sanitize% -O1,$(UNIT_FLAGS)) -O0 --coverage
define cover_rule
$(B)/coverage/$(1)/run: tests/unit/test_$(1).c $$(UNIT_$(1)) $$(UNIT_DEPS_$(1))
	@mkdir -p $$(@D)
	$(Q)rm -f $$(@D)/*.gc??
	$(Q)gcc $(COVER_FLAGS) $$(UNIT_CFLAGS_$(1)) -MMD -MP -MT $$@ -MF $$@.d -o $$@ tests/unit/test_$(1).c $$(UNIT_$(1)) -lcmocka
endef
$(foreach u,$(COVER_UNITS),$(eval $(call cover_rule,$(u))))
coverage: $(COVER_UNITS:%=$(B)/coverage/%/run)
	@$(PYTHON) tests/coverage.py --pure $(ROOT_PURE) --root $(ROOT_C) --runs $^

# ---- fuzzers: a short run in `make test`, long ones by `make fuzz [SECONDS=…] [RUNS=…] [TARGETS="…"]` ----------------
FUZZ_FLAGS := -std=gnu2x -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Wall -Wextra -I. -Itests/unit -D__XEN_INTERFACE_VERSION__=0x00040e00 -DCORBEL_HOST_TEST
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
define fuzz_rule
$(B)/fuzz/$(1): tests/fuzz/fuzz_$(1).c $(wildcard tests/fuzz/*.h) $$(FUZZ_$(1)) $$(FUZZ_DEPS_$(1))
	@mkdir -p $$(@D)
	$(Q)clang $(FUZZ_FLAGS) $$(FUZZ_CFLAGS_$(1)) -o $$@ tests/fuzz/fuzz_$(1).c $$(FUZZ_$(1))
endef
$(foreach u,$(FUZZERS),$(eval $(call fuzz_rule,$(u))))
FUZZ_BINS := $(patsubst %,$(B)/fuzz/%,$(FUZZERS))
# With RUNS alone no clock ends it. The guest's turn comes when no TARGETS are named.
FUZZ_SECONDS := $(if $(SECONDS),$(SECONDS),$(if $(RUNS),0,600))
SECONDS ?= 600
RUNS ?= -1
fuzz: deps $(if $(TARGETS),$(TARGETS:%=$(B)/fuzz/%),$(FUZZ_BINS))
	@$(PYTHON) tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --runs $(RUNS) $(TARGETS)
	@$(if $(TARGETS),,$(MAKE) --no-print-directory fuzz-guest SECONDS=$(SECONDS))

# ---- what the fuzzers' inputs reach in the files of root mode and of the loader that they compile ----
FUZZ_COVER := $(if $(TARGETS),$(TARGETS),hypercall exit context acpi)
define fuzz_cover_rule
$(B)/fuzz-coverage/$(1): tests/fuzz/fuzz_$(1).c $$(FUZZ_$(1))
	@mkdir -p $$(@D)
	$(Q)clang $(FUZZ_FLAGS) -fprofile-instr-generate -fcoverage-mapping $$(FUZZ_CFLAGS_$(1)) -o $$@ tests/fuzz/fuzz_$(1).c $$(FUZZ_$(1))
endef
$(foreach u,$(FUZZERS),$(eval $(call fuzz_cover_rule,$(u))))
fuzz-coverage: $(patsubst %,$(B)/fuzz-coverage/%,$(FUZZ_COVER))
	@for f in $(FUZZ_COVER); do mkdir -p $(B)/fuzz/corpus-$$f tests/fuzz/corpus/$$f; \
	 LLVM_PROFILE_FILE=$(B)/fuzz-coverage/$$f.raw $(B)/fuzz-coverage/$$f -runs=0 $(B)/fuzz/corpus-$$f tests/fuzz/corpus/$$f > $(B)/fuzz-coverage/$$f.log 2>&1 || exit 1; \
	 llvm-profdata merge -o $(B)/fuzz-coverage/$$f.data $(B)/fuzz-coverage/$$f.raw && \
	 llvm-cov report $(B)/fuzz-coverage/$$f -instr-profile=$(B)/fuzz-coverage/$$f.data -ignore-filename-regex='tests/' | sed 's/   */  /g'; done

# ---- races: every order of events up to a bound (explore), root with a mistake in it (mutants), real threads (threads) ----
RACES_REAL := $(HYPERCALL_REAL) $(MEMORY_REAL) kernel/run.c kernel/smp/smp.c kernel/core/spinlock.c
RACES_FLAGS := -Wno-unused-command-line-argument -std=gnu2x -g -O1 -Wall -Wextra -I. -Itests/unit -D__XEN_INTERFACE_VERSION__=0x00040e00 -DCORBEL_HOST_TEST -include tests/races/hooks.h -Wl,--wrap=frame_lists_take,--wrap=frame_free
RACES_DEPS := $(wildcard tests/races/*.h) $(addprefix tests/unit/,domain_fakes.h memory_fakes.h host_memory.h)
RACES_OBJ := $(patsubst %.c,$(B)/races/obj/%.o,tests/races/explore.c $(RACES_REAL))
EXPLORE_CC := clang $(RACES_FLAGS) -DHOST_SNAPSHOT -Wl,--wrap=ept_walk
$(B)/races/obj/%.o: %.c $(RACES_DEPS)
	@mkdir -p $(@D)
	$(Q)$(EXPLORE_CC) -MMD -MP -c -o $@ $<
$(B)/races/explore: $(RACES_OBJ)
	$(Q)$(EXPLORE_CC) -o $@ $^ -lcmocka
THREADS_OBJ := $(patsubst %.c,$(B)/races/tobj/%.o,tests/races/threads.c $(RACES_REAL))
THREADS_CC := clang $(RACES_FLAGS) -DRACES_THREADS -fsanitize=thread
$(B)/races/tobj/%.o: %.c $(RACES_DEPS)
	@mkdir -p $(@D)
	$(Q)$(THREADS_CC) -MMD -MP -c -o $@ $<
$(B)/races/threads: $(THREADS_OBJ)
	$(Q)$(THREADS_CC) -o $@ $^ -lcmocka -lpthread
threads: $(B)/races/threads
	@TSAN_OPTIONS=suppressions=tests/races/tsan.supp $< $(SECONDS)
# MORE=N: so many more preemptions; RUNS: at most so many schedules of each scenario
explore: $(B)/races/explore
	@MORE=$(MORE) $(if $(filter-out -1,$(RUNS)),RUNS=$(RUNS)) $<
mutants: $(B)/races/explore $(B)/races/threads
	@$(PYTHON) tests/races/mutants.py --cc="$(EXPLORE_CC)" $(RACES_OBJ)
	@$(PYTHON) tests/races/mutants.py --threads --cc="$(THREADS_CC)" $(THREADS_OBJ)

# Random operations inside of a guest, in Bochs: fresh seeds, which it prints.
.PHONY: fuzz-guest
fuzz-guest: deps
	@$(MAKE) --no-print-directory -j2 -s $(B)/bochs/bochs $(B)/corbel.img guests
	@$(PYTHON) tests/system/test_attack.py --seconds $(SECONDS)

# ---- everything together -----------------------------------------------------------------------
TEST_PARTS := $(B)/bochs/bochs $(B)/corbel.img $(B)/deb/disk.img $(B)/debian-generic/vmlinuz $(B)/debian-generic/initrd.gz $(GUEST_ELFS) \
	$(B)/standin.elf $(B)/bare/BOOTX64.EFI $(patsubst %,$(B)/unit/%,$(UNITS)) $(FUZZ_BINS) $(B)/races/explore $(B)/races/threads
run: deps
	@$(MAKE) --no-print-directory -s image
	@$(PYTHON) tools/run.py $(B)/corbel.img
test: deps
	@$(MAKE) --no-print-directory -j2 -s test-parts
	@$(PYTHON) tests/run.py
check: deps
	@$(MAKE) --no-print-directory -j2 -s test-parts
	@$(PYTHON) tests/run.py --quick
# `make bench BASELINE=write`: what is measured becomes the baseline, and the table and chart in docs/ are made of it.
bench: deps
	@$(MAKE) --no-print-directory -j2 -s image guests
	@$(PYTHON) tests/bench/bench.py $(if $(filter write,$(BASELINE)),--write)
$(B)/bochs/bochs: tools/build-bochs
	@tools/build-bochs $(@D)
.PHONY: test-parts
test-parts: $(TEST_PARTS)
lint: $(B)/corbel.elf $(B)/dom0.elf
	@$(PYTHON) tools/lint/lint.py
tcb:
	@$(PYTHON) tools/lint/tcb.py

# ---- what guests reach of root: root itself with gcc's counters, never measured; GUEST_TESTS: which system tests run on it ------
COV := $(B)/cov
COV_CFLAGS := $(filter-out -O2 -Werror,$(ROOT_CFLAGS)) $(XEN_VERSION_DEF) -O1
COV_OBJ := $(patsubst %.c,$(COV)/%.o,$(filter-out vmx/offsets.c,$(ROOT_C)))
$(COV)/%.o: %.c $(B)/corbel.elf
	@mkdir -p $(@D)
	$(Q)$(CC) $(COV_CFLAGS) --coverage -fprofile-info-section=gcov_info -c -o $@ $<
$(COV)/dump.o: tests/coverage/root_dump.c $(B)/corbel.elf
	@mkdir -p $(@D)
	$(Q)$(CC) $(COV_CFLAGS) -c -o $@ $<
$(COV)/linker.ld: linker.ld
	@mkdir -p $(@D)
	$(Q)sed 's/\*(\.data \.data\.\*)/& gcov_first = .; KEEP(*(gcov_info)) gcov_end = .;/' $< > $@
COV_LD := $(subst -T linker.ld,-T $(COV)/linker.ld,$(ROOT_LD)) --wrap=audit_run --wrap=reset_machine --wrap=poweroff_machine
COV_ALL := $(COV_OBJ) $(COV)/dump.o $(filter %.asm.o,$(ROOT_OBJ))
$(COV)/corbel.elf: $(COV_ALL) $(COV)/linker.ld
	$(Q)$(COV_LD) -o $@ $(COV_ALL) $(B)/gen/syms0.o $$($(CC) -print-file-name=libgcov.a)
GUEST_TESTS ?= smp lifecycle2 net linux kernels models leaks block attack badblk images vmx dom0_net dos entry deny sensitive bench fair lifecycle vcpus himem quick tcp files standin keys
coverage-guests: deps
	@$(MAKE) --no-print-directory -j2 -s test-parts $(COV)/corbel.elf
	@$(PYTHON) tests/coverage/guests.py $(GUEST_TESTS)
