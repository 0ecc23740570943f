/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A .vmx file read as a whole: each of its lines gets a verdict, and reading never stops at the first that is
 * wrong. vmx_keys.def has all keys; `create`, `explain`, `config` and `set` see them through this. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/lib/error.h"
#include "dom0/manager/manager.h"
#include "dom0/manager/vmx_file.h"

enum vmx_verdict {
    VMX_TAKEN,     /* it takes effect, or says what is so anyway: the text is what it means */
    VMX_DEFAULTED, /* it is not in the file: the value is what is taken instead */
    VMX_IGNORED,   /* it has no effect: the text says why */
    VMX_REFUSED,   /* no domain is made of this file: the text says why, and what would be right */
};

struct vmx_finding {
    enum vmx_verdict verdict;
    bool quiet;        /* ignored, and nothing that one must be told unasked */
    uint32_t line;     /* 0: nothing of the file */
    const char *key;   /* as the file writes it; "": a line that is no setting */
    const char *value; /* decoded */
    const char *text;
};
/* What it points to lives for the call. FN may wait. */
typedef void (*vmx_finding_fn)(const struct vmx_finding *f, void *ctx);

#define VMX_MORE_MAX 64U
#define VMX_TEXTS    6144U

struct vmx_note {
    const char *text;
    uint32_t line;
    uint8_t verdict; /* enum vmx_verdict */
    bool quiet;
    bool later; /* TEXT is what is not supported */
    bool typo;  /* the nearest known name is looked for when it is told */
};

struct vmx_work { /* large: not for a stack */
    struct vmx_file file;
    struct vmx_note note[VMX_MAX_SETTINGS]; /* of each setting */
    struct vmx_note more[VMX_MORE_MAX];     /* of other lines, and of what is missing */
    uint32_t more_count, refused;
    struct vm_config *out;
    const char *path;
    uint64_t shares; /* a number of sched.cpu.shares; 0: words or none */
    uint32_t texts_used;
    char texts[VMX_TEXTS];
    char value[VMX_VALUE_MAX];
};

/* Reads LEN bytes of TEXT, which must outlive W, as the .vmx file PATH. false: it has something that is refused; OUT is
 * to be looked at then, not to be used. */
bool vmx_read(struct vmx_work *w, const char *text, size_t len, const char *path, struct vm_config *out);
/* All that vmx_read found: in order of lines, then what is missing, then what is defaulted. */
void vmx_findings(struct vmx_work *w, vmx_finding_fn fn, void *ctx);
/* vmx_read, and then WARN of each line that is ignored and should be known; the first that is refused is the error. */
bool vmx_parse(struct vmx_work *w, const char *text, size_t len, const char *path, struct vm_config *out,
               void (*warn)(const char *line, void *ctx), void *ctx, struct error *e);
/* One finding as a line: "box.vmx line 3: memsize = "x": not a number: …" (refused) or "box.vmx line 3: zebra: unknown
 * key, …". */
void vmx_finding_text(char *out, size_t len, const char *file, const struct vmx_finding *f);

/* Each key that has a value in C, with that value, as a .vmx file would have them. */
typedef void (*vmx_show_fn)(const char *key, const char *value, const char *meaning, void *ctx);
void vmx_show(const struct vm_config *c, vmx_show_fn fn, void *ctx);
/* What a file without any setting gives. */
void vmx_defaults(struct vm_config *c);
/* Is this what a domain can be called? *WHY, if not. */
bool vmx_name_ok(const char *name, const char **why);
/* As VMware writes it: "56 4d 01 02 03 04 05 06-07 …". */
void vmx_uuid_text(char *out, size_t len, const uint8_t uuid[16]);
/* VALUE made absolute: VOLUME:/… stays, /… is on the volume of the .vmx file VMX, all else lies beside it. OUT has
 * PATH_MAX_LEN bytes. false: too long. */
bool vmx_path(const char *vmx, const char *value, char *out);
