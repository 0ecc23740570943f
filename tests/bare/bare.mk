# SPDX-License-Identifier: Apache-2.0
# [FW] build/bare/BOOTX64.EFI: starts a tiny guest on the bare CPU, for comparison.
BARE_OBJ := $(B)/efi/tests/bare/loader.o $(B)/efi/tests/bare/jump.o
$(B)/efi/tests/bare/jump.o: tests/bare/jump.asm
	@mkdir -p $(@D)
	$(Q)nasm -f elf64 -o $@ $<
$(B)/bare/loader.so: $(BARE_OBJ)
	@mkdir -p $(@D)
	$(Q)$(LD) -nostdlib -znocombreloc -z noexecstack -shared -Bsymbolic --no-undefined -T $(EFI_LIB)/elf_x86_64_efi.lds -o $@ \
		$(EFI_LIB)/crt0-efi-x86_64.o $^ $(EFI_LIB)/libgnuefi.a
$(B)/bare/BOOTX64.EFI: $(B)/bare/loader.so
	$(Q)$(OBJCOPY) -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j .rel -j .rela -j '.rel.*' -j '.rela.*' -j .reloc \
		--target efi-app-x86_64 --subsystem=10 $< $@
