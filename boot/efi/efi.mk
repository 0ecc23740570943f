# SPDX-License-Identifier: Apache-2.0
# [FW] The loader (build/BOOTX64.EFI) and the disk image that it boots from (build/corbel.img).
EFI_C := $(wildcard boot/efi/*.c)
EFI_OBJ := $(patsubst %.c,$(B)/efi/%.o,$(EFI_C))
EFI_LIB ?= /usr/lib
EFI_CFLAGS := -std=gnu2x -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include 2>/dev/null) \
	-isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -isystem $(B)/include $(XEN_VERSION_DEF) -I. -DGNU_EFI_USE_MS_ABI \
	-fpic -fshort-wchar -mno-red-zone -mno-mmx -fno-stack-protector \
	-fcf-protection=none -fno-asynchronous-unwind-tables -fno-strict-aliasing -fno-common -fvisibility=hidden -O2 -g \
	$(AUTO_INIT) $(WARN)

$(B)/efi/%.o: %.c | $(B)/include/xen
	@mkdir -p $(@D)
	$(Q)$(CC) $(EFI_CFLAGS) -MMD -MP -c -o $@ $<

# The start code relocates the image, so it is linked as a shared object and then rewritten as PE32+. Its sections keep
# their rights: .text is executable and not writable, all others are not executable.
$(B)/efi/loader.so: $(EFI_OBJ)
	$(Q)$(LD) -nostdlib -znocombreloc -z noexecstack -shared -Bsymbolic --no-undefined -T $(EFI_LIB)/elf_x86_64_efi.lds -o $@ \
		$(EFI_LIB)/crt0-efi-x86_64.o $(EFI_OBJ) $(EFI_LIB)/libgnuefi.a
$(B)/BOOTX64.EFI: $(B)/efi/loader.so
	$(Q)$(OBJCOPY) -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j .rel -j .rela -j '.rel.*' -j '.rela.*' -j .reloc \
		--target efi-app-x86_64 --subsystem=10 $< $@

# ---- the disk image ----------------------------------------------------------------------
IMAGE_MIB ?= 256
$(B)/corbel.img: $(B)/BOOTX64.EFI $(B)/corbel.elf $(B)/dom0.elf boot/corbel.cfg $(B)/vm/.stamp tools/mkimage
	$(Q)tools/mkimage $@ $(IMAGE_MIB) '$(B)/BOOTX64.EFI:\EFI\BOOT\BOOTX64.EFI' '$(B)/corbel.elf:\corbel\corbel.elf' \
		'$(B)/dom0.elf:\corbel\dom0.elf' 'boot/corbel.cfg:\corbel\corbel.cfg' '$(B)/vm:\corbel\vm'
