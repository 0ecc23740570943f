/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Records of a transaction, shared by transaction.c and view.c only. */
#pragma once

#include "dom0/store/transaction.h"

/* The record of PATH (LEN characters with hash HASH, seeded with STORE_HASH_SEED), or NULL. */
struct store_record *store_record_find(struct store *s, const struct store_tx *tx, const char *path, size_t len,
                                       uint32_t hash);
/* A new one at the end; NULL: quota or memory. */
struct store_record *store_record_new(struct store *s, struct store_tx *tx, const char *path, size_t len,
                                      uint32_t hash);
/* The commit runs in this order: a created node has to come after its parent. */
void store_record_to_end(struct store *s, struct store_tx *tx, struct store_record *r);
/* Frees what the transaction wanted to put there. */
void store_record_drop_changes(struct store *s, struct store_record *r);
