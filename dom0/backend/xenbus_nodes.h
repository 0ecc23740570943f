/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] A device's nodes in xenstore, on both sides: /local/domain/0/backend/TYPE/DOMID/NUMBER is Dom0's,
 * /local/domain/DOMID/device/TYPE/NUMBER the guest's. Of what a guest wrote only numbers are believed, within a range.
 * Results are 0 or a positive Xen errno where nothing else is said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XENBUS_PATH 96U

struct xenbus_device {
    const char *type; /* "vbd", "vif" */
    uint16_t domid;
    uint32_t number;
};

enum xenbus_side { XENBUS_BACK, XENBUS_FRONT };

struct xenbus_pair {
    const char *key, *value;
};

/* KEY "": the folder itself. */
void xenbus_path(char out[XENBUS_PATH], const struct xenbus_device *d, enum xenbus_side side, const char *key);
/* A folder with PERMS and its first N nodes. EACH: every node gets PERMS of its own; otherwise it inherits. */
int xenbus_folder(const struct xenbus_device *d, enum xenbus_side side, const char *perms, bool each,
                  const struct xenbus_pair *pairs, size_t n);
/* A node of the back end's. */
int xenbus_put(const struct xenbus_device *d, const char *key, const char *value);
int xenbus_put_u64(const struct xenbus_device *d, const char *key, uint64_t value);
/* Both folders, and the one of the domain's back ends if that was its last. */
void xenbus_remove(const struct xenbus_device *d);
/* What the guest wrote. false: nothing, or it is longer. */
bool xenbus_front_text(const struct xenbus_device *d, const char *key, char *out, size_t len);
/* false: no number up to MAX; *OUT is as it was. */
bool xenbus_front_u32(const struct xenbus_device *d, const char *key, uint32_t max, uint32_t *out);
/* enum xenbus_state; XenbusStateUnknown: none that is one. */
unsigned xenbus_front_state(const struct xenbus_device *d);
/* FN is called in the store's thread when that may have changed. A negative errno or an id. */
int xenbus_front_watch(const struct xenbus_device *d, void (*fn)(const char *path, void *ctx), void *ctx);
