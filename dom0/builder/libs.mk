# SPDX-License-Identifier: Apache-2.0
# [DOM0] The libraries that unpack kernels, from Debian's source packages: fetched into build/src, never part of this tree. Their warnings are their
# authors' business. Each becomes one object that holds what is reached from the functions named here and shows no other name.
LIB_SRC := build/src
lz4_PACKAGE := lz4
lz4_C := lib/lz4.c
lz4_FLAGS := -DLZ4_FREESTANDING=1 -DLZ4_memcpy=__builtin_memcpy -DLZ4_memmove=__builtin_memmove -DLZ4_memset=__builtin_memset -DLZ4LIB_VISIBILITY=
lz4_API := LZ4_decompress_safe
xz_PACKAGE := xz-utils
xz_C := $(addprefix src/liblzma/,$(addprefix common/,block_decoder.c block_header_decoder.c block_util.c common.c filter_common.c filter_decoder.c \
	filter_flags_decoder.c index_hash.c stream_decoder.c stream_flags_common.c stream_flags_decoder.c vli_decoder.c vli_size.c) \
	check/check.c check/crc32_fast.c check/crc32_table.c check/crc64_fast.c check/crc64_table.c check/sha256.c \
	lz/lz_decoder.c lzma/lzma_decoder.c lzma/lzma2_decoder.c simple/simple_coder.c simple/simple_decoder.c simple/x86.c)
xz_FLAGS := $(addprefix -I$(LIB_SRC)/xz-utils/src/,common liblzma/api $(addprefix liblzma/,common check lz lzma rangecoder simple delta)) \
	-DHAVE_STDINT_H -DHAVE_STDBOOL_H -DHAVE_DECODERS -DHAVE_DECODER_LZMA2 -DHAVE_DECODER_X86 -DHAVE_CHECK_CRC32 -DHAVE_CHECK_CRC64 -DHAVE_CHECK_SHA256 \
	-DTUKLIB_FAST_UNALIGNED_ACCESS -DTUKLIB_SYMBOL_PREFIX=lzma_ -DMYTHREAD_H -DNDEBUG
xz_API := lzma_stream_decoder lzma_code lzma_stream_header_decode lzma_block_header_decode lzma_raw_decoder_memusage
zlib_PACKAGE := zlib
zlib_C := inflate.c inffast.c inftrees.c crc32.c adler32.c zutil.c
# Z_TESTW=0: one small table for the checksum.
zlib_FLAGS := -DZ_SOLO -DZ_TESTW=0
zlib_API := inflateInit2_ inflate
zstd_PACKAGE := libzstd
zstd_C := $(addprefix lib/,$(addprefix decompress/,zstd_decompress.c zstd_decompress_block.c zstd_ddict.c huf_decompress.c) \
	$(addprefix common/,entropy_common.c fse_decompress.c error_private.c zstd_common.c xxhash.c))
zstd_FLAGS := -DNDEBUG -DZSTD_LEGACY_SUPPORT=0 -DZSTD_NO_INTRINSICS -DZSTD_DISABLE_ASM=1 -DDYNAMIC_BMI2=0 -DZSTD_STRIP_ERROR_STRINGS \
	-DZSTD_TRACE=0 -DZSTDLIB_VISIBLE= -DHUF_FORCE_DECOMPRESS_X1 -DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT
zstd_API := ZSTD_initStaticDStream ZSTD_estimateDStreamSize ZSTD_DCtx_setParameter ZSTD_decompressStream ZSTD_isError ZSTD_getErrorCode
bzip2_PACKAGE := bzip2
bzip2_C := bzlib.c blocksort.c compress.c decompress.c huffman.c crctable.c randtable.c
bzip2_FLAGS := -DBZ_NO_STDIO
bzip2_API := BZ2_bzDecompressInit BZ2_bzDecompress

LIBS := lz4 xz zlib zstd bzip2
# What the glue in dom0/builder sees of them.
LIB_HEADERS := $(addprefix -isystem $(LIB_SRC)/,xz-utils/src/liblzma/api zlib libzstd/lib bzip2) -DZ_SOLO -DBZ_NO_STDIO
LIB_SHIM := $(wildcard dom0/lib/libc/*.h)

comma := ,
# $(1): name; $(2): prefix of the objects; $(3): compiler and flags
define lib_objects
	$(Q)mkdir -p $(2)
	$(Q)set -e; for c in $($(1)_C); do $(3) -w $($(1)_FLAGS) -ffunction-sections -fdata-sections -c -o $(2)/$$$$(basename $$$$c .c).o $(LIB_SRC)/$($(1)_PACKAGE)/$$$$c; done
endef
define lib_rules
$(LIB_SRC)/$($(1)_PACKAGE)/.fetched: | tools/fetch-source
	tools/fetch-source $($(1)_PACKAGE) $(LIB_SRC)/$($(1)_PACKAGE)
	@touch $$@
$(B)/lib/$(1).o: $(LIB_SRC)/$($(1)_PACKAGE)/.fetched dom0/builder/libs.mk $(LIB_SHIM)
	$(call lib_objects,$(1),$(B)/lib/$(1),$$(CC) $$(filter-out $$(WARN),$$(DOM0_CFLAGS)) -Idom0/lib/libc)
	$(Q)$(LD) -r --gc-sections -e $(firstword $($(1)_API)) $(addprefix -u ,$($(1)_API)) -o $$@ $(B)/lib/$(1)/*.o
	$(Q)$(OBJCOPY) --strip-debug $(addprefix -G ,$($(1)_API)) $$@
# For unit tests and fuzzers: the same sources with sanitizers.
$(B)/host/$(1).o: $(LIB_SRC)/$($(1)_PACKAGE)/.fetched dom0/builder/libs.mk
	$(call lib_objects,$(1),$(B)/host/$(1),gcc -g -O1 -fsanitize=address)
	$(Q)$(LD) -r -o $$@ $(B)/host/$(1)/*.o
$(B)/fuzz/lib/$(1).o: $(LIB_SRC)/$($(1)_PACKAGE)/.fetched dom0/builder/libs.mk
	$(call lib_objects,$(1),$(B)/fuzz/lib/$(1),clang -g -O1 -fsanitize=fuzzer-no-link$(comma)address)
	$(Q)$(LD) -r -o $$@ $(B)/fuzz/lib/$(1)/*.o
endef
$(foreach l,$(LIBS),$(eval $(call lib_rules,$(l))))
HOST_LIBS := $(patsubst %,$(B)/host/%.o,$(LIBS))
FUZZ_LIBS := $(patsubst %,$(B)/fuzz/lib/%.o,$(LIBS))
DOM0_LIBS += $(patsubst %,$(B)/lib/%.o,$(LIBS))
$(patsubst %,$(B)/dom0/dom0/builder/decode_%.o,xz gzip zstd bzip2 lz4): DOM0_CFLAGS += $(LIB_HEADERS) -Idom0/lib/libc
$(patsubst %,$(B)/dom0/dom0/builder/decode_%.o,xz gzip zstd bzip2 lz4): | $(patsubst %,$(LIB_SRC)/%/.fetched,xz-utils zlib libzstd bzip2 lz4)
