/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The xenstore server: a tree in one arena addressed by offsets, the wire protocol for guests (rings), and the
 * same operations in process for Dom0. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_PATH_MAX  3072U
#define STORE_VALUE_MAX 2048U

/* Creates the arena (ARENA_BYTES from the heap) with "/" and the server thread. */
bool store_init(size_t arena_bytes);
/* In process, as domain 0 (all rights). 0 or a positive Xen errno. */
int store_write(const char *path, const char *value);
int store_write_fmt(const char *path, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Value with a terminating NUL; longer values are an error (E2BIG). */
int store_read(const char *path, char *value, size_t len);
int store_mkdir(const char *path);
int store_rm(const char *path); /* with everything below */
/* PERMS like "n0,r5": owner 0 without default right, domain 5 may read. */
int store_set_perms(const char *path, const char *perms);
bool store_list(const char *path, bool (*fn)(const char *name, void *ctx), void *ctx);
/* FN(path, ctx) from the server thread for each change at or below PATH, once at once. Negative errno or an id for
 * store_unwatch. */
int store_watch(const char *path, void (*fn)(const char *path, void *ctx), void *ctx);
void store_unwatch(int id);
/* Serves DOMID's ring page (mapped at RING) with PORT as Dom0's local, bound port's remote: binds it itself. false: no
 * memory or no port. */
bool store_introduce(uint16_t domid, void *ring, uint32_t remote_port);
/* Stops serving DOMID: watches, transactions, ring. The tree stays (the manager removes it). */
void store_release(uint16_t domid);
struct store_stats {
    uint32_t nodes, watches, transactions;
    size_t arena_used, arena_total;
};
struct store_stats store_get_stats(void);
