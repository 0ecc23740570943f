/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] What front ends of tiny guests share: xenstore, grants, event channels, time, and the states of xenbus. */
#pragma once

#include "tests/guest/lib/guest.h"

/* A device of this guest's, as xenstore has it. */
struct pv_device {
    char front[40]; /* "device/vbd/51712" */
    char back[96];  /* the back end's folder */
    uint32_t port;  /* of an event channel that Dom0 may bind */
};

/* Finds xenstore's ring, grant table and shared_info. */
void pv_init(void);
/* KIND "vbd" or "vif". false: there is no such device. */
bool pv_open(struct pv_device *d, const char *kind, uint32_t number);

/* ---- xenstore ---- */
/* REPLY gets the value and a NUL; false: an error, whose name is the reply. */
bool xs_read(const char *path, char *reply, uint32_t room);
bool xs_write(const char *path, const char *value);
bool xs_remove(const char *path);
/* Done again and again while xenstore is waited for: pv_yield, or what the guest puts here. */
extern void (*pv_meanwhile)(void);
/* The front end's node NAME; checked to work. */
void pv_key(const struct pv_device *d, const char *name, const char *value);
void pv_number(const struct pv_device *d, const char *name, uint64_t value);
void pv_remove(const struct pv_device *d, const char *name);
/* '?': there is none. */
char pv_back_state(const struct pv_device *d);
bool pv_wait_state(const struct pv_device *d, char want);
/* A disk just opened, with a ring of the one page that is granted as RING. false: the back end does not come along. */
bool pv_connect_disk(const struct pv_device *d, uint32_t ring);

/* ---- grants: 512 of them ---- */
#define GRANT_READONLY 4U
#define GRANT_REFS 512U
void pv_grant(uint32_t ref, uint64_t gfn, uint16_t domid, uint32_t flags); /* FLAGS: GRANT_READONLY or 0 */
void pv_grant_page(uint32_t ref, const void *page);                        /* to Dom0, for writing */
void pv_revoke(uint32_t ref);

/* ---- events and time ---- */
uint32_t pv_port(void); /* a new one for Dom0 to bind */
long pv_close_port(uint32_t port);
void pv_send(uint32_t port);
void pv_yield(void);
uint64_t pv_now_ns(void);
/* Until something comes in on PORT, which stays pending (0: nothing), or NS are over. */
void pv_poll(uint32_t port, uint64_t ns);
/* Until something comes in on PORT, and takes it. For ever, if nothing comes. */
void pv_block(uint32_t port);
/* Clears PORT's pending mark. */
void pv_clear(uint32_t port);

void pv_copy(void *to, const void *from, size_t n);
uint32_t pv_length(const char *s);
void pv_format(char out[24], uint64_t value);
