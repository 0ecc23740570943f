# SPDX-License-Identifier: Apache-2.0
# [DOM0] The LZ4 library, from Debian's source package: fetched into build/, never part of this tree. Its warnings are its authors' business.
LZ4_DIR := $(B)/third_party/lz4
LZ4_LIB := $(B)/third_party/liblz4.o
LZ4_FLAGS := -w -DLZ4_FREESTANDING=1 -DLZ4_memcpy=__builtin_memcpy -DLZ4_memmove=__builtin_memmove -DLZ4_memset=__builtin_memset \
	-D_LIBC_LIMITS_H_ -DLZ4LIB_VISIBILITY= -ffunction-sections
$(LZ4_DIR)/lib/lz4.c: | tools/fetch-source
	tools/fetch-source lz4 $(LZ4_DIR)
	@touch $@
$(LZ4_LIB): $(LZ4_DIR)/lib/lz4.c dom0/builder/lz4.mk
	$(Q)$(CC) $(filter-out $(WARN),$(DOM0_CFLAGS)) $(LZ4_FLAGS) -c -o $(B)/third_party/lz4.full.o $<
	$(Q)$(LD) -r --gc-sections -e LZ4_decompress_safe -o $@ $(B)/third_party/lz4.full.o
DOM0_LIBS += $(LZ4_LIB)
