/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Address and frame types. Each is a one-field struct so that a guest
 * address never passes for a host one. hpa/hfn: host physical; gpa/gfn: guest
 * physical; gva: guest virtual (never dereferenced). */
#pragma once

#include "kernel/core/types.h"

typedef struct { uint64_t v; } hpa_t;
typedef struct { uint64_t v; } gpa_t;
typedef struct { uint64_t v; } gva_t;
typedef struct { uint64_t v; } hfn_t;
typedef struct { uint64_t v; } gfn_t;

#define HFN_INVALID ((hfn_t){~0UL})
#define GFN_INVALID ((gfn_t){~0UL})

static inline hpa_t hpa(uint64_t v) { return (hpa_t){v}; }
static inline gpa_t gpa(uint64_t v) { return (gpa_t){v}; }
static inline gva_t gva(uint64_t v) { return (gva_t){v}; }
static inline hfn_t hfn(uint64_t v) { return (hfn_t){v}; }
static inline gfn_t gfn(uint64_t v) { return (gfn_t){v}; }
static inline hpa_t hpa_of_hfn(hfn_t f) { return hpa(f.v << PAGE_SHIFT); }
static inline hfn_t hfn_of_hpa(hpa_t a) { return hfn(a.v >> PAGE_SHIFT); }
static inline gfn_t gfn_of_gpa(gpa_t a) { return gfn(a.v >> PAGE_SHIFT); }
static inline hfn_t hfn_add(hfn_t f, uint64_t n) { return hfn(f.v + n); }
static inline gfn_t gfn_add(gfn_t f, uint64_t n) { return gfn(f.v + n); }
static inline bool hfn_valid(hfn_t f) { return f.v != ~0UL; }
static inline bool hfn_eq(hfn_t a, hfn_t b) { return a.v == b.v; }
static inline bool gfn_eq(gfn_t a, gfn_t b) { return a.v == b.v; }
