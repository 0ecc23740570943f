# SPDX-License-Identifier: Apache-2.0
# [DOM0] Dom0's image. Included by the top Makefile; build/dom0.sym.elf keeps the symbols for people and debuggers.
include dom0/builder/libs.mk
include dom0/net/lwip.mk

DOM0_OBJ := $(patsubst %.c,$(B)/dom0/%.o,$(DOM0_C)) $(patsubst %.asm,$(B)/dom0/%.asm.o,$(DOM0_ASM))

$(B)/dom0/%.o: %.c | $(B)/include/xen
	@mkdir -p $(@D)
	$(Q)$(CC) $(DOM0_CFLAGS) $(XEN_VERSION_DEF) -MMD -MP -c -o $@ $<
$(B)/dom0/%.asm.o: %.asm
	@mkdir -p $(@D)
	$(Q)nasm $(NASMFLAGS) -o $@ $<
$(B)/dom0.sym.elf: $(DOM0_OBJ) $(DOM0_LIBS) dom0/dom0.ld
	$(Q)$(LD) -nostdlib -static -z noexecstack -z max-page-size=4096 --build-id=none -T dom0/dom0.ld \
		-o $@ $(DOM0_OBJ) $(DOM0_LIBS)
$(B)/dom0.elf: $(B)/dom0.sym.elf
	$(Q)$(OBJCOPY) --strip-all $< $@
