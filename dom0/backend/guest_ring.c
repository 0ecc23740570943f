/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] PV console ring and scroll-back. Pure. */
#include "dom0/backend/guest_ring.h"

#include "dom0/lib/string.h"

_Static_assert(offsetof(struct xencons_interface, out) == 1024 && offsetof(struct xencons_interface, in_cons) == 3072 &&
                   offsetof(struct xencons_interface, out_prod) == 3084,
               "Xen's console ring");

size_t guest_ring_take(struct xencons_interface *ring, char *buf, size_t len, bool *broken)
{
    uint32_t cons = __atomic_load_n(&ring->out_cons, __ATOMIC_RELAXED);
    uint32_t prod = __atomic_load_n(
        &ring->out_prod, __ATOMIC_ACQUIRE); /* pairs with the guest's barrier between its bytes and out_prod */
    uint32_t have = prod - cons;
    *broken = have > sizeof ring->out;
    if (*broken)
        return 0;
    size_t n = have < len ? have : len;
    for (size_t i = 0; i < n; i++)
        buf[i] = *(volatile const char *)&ring->out[MASK_XENCONS_IDX(cons + (uint32_t)i, ring->out)];
    __atomic_store_n(&ring->out_cons, cons + (uint32_t)n,
                     __ATOMIC_RELEASE); /* the guest may overwrite only what was copied */
    return n;
}

size_t guest_ring_put(struct xencons_interface *ring, const char *text, size_t len, bool *broken)
{
    uint32_t prod = __atomic_load_n(&ring->in_prod, __ATOMIC_RELAXED);
    uint32_t cons = __atomic_load_n(
        &ring->in_cons, __ATOMIC_ACQUIRE); /* pairs with the guest's barrier between its reads and in_cons */
    uint32_t used = prod - cons;
    *broken = used > sizeof ring->in;
    if (*broken)
        return 0;
    size_t room = sizeof ring->in - used, n = len < room ? len : room;
    for (size_t i = 0; i < n; i++)
        ring->in[MASK_XENCONS_IDX(prod + (uint32_t)i, ring->in)] = text[i];
    __atomic_store_n(&ring->in_prod, prod + (uint32_t)n, __ATOMIC_RELEASE); /* bytes before index */
    return n;
}

void scrollback_add(struct scrollback *s, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t at = (size_t)(s->end % SCROLLBACK_BYTES);
        size_t n = SCROLLBACK_BYTES - at < len - i ? SCROLLBACK_BYTES - at : len - i;
        memcpy(s->bytes + at, text + i, n);
        s->end += n;
        i += n;
    }
}

size_t scrollback_read(const struct scrollback *s, uint64_t *pos, char *buf, size_t len)
{
    uint64_t oldest = s->end > SCROLLBACK_BYTES ? s->end - SCROLLBACK_BYTES : 0;
    if (*pos < oldest || *pos > s->end)
        *pos = oldest;
    size_t done = 0;
    while (done < len && *pos < s->end) {
        size_t at = (size_t)(*pos % SCROLLBACK_BYTES), n = SCROLLBACK_BYTES - at;
        if (n > len - done)
            n = len - done;
        if (n > s->end - *pos)
            n = (size_t)(s->end - *pos);
        memcpy(buf + done, s->bytes + at, n);
        done += n;
        *pos += n;
    }
    return done;
}

uint64_t scrollback_tail(const struct scrollback *s, uint64_t lines)
{
    uint64_t oldest = s->end > SCROLLBACK_BYTES ? s->end - SCROLLBACK_BYTES : 0, pos = s->end;
    for (; pos > oldest && lines > 0; pos--)
        if (pos != s->end && s->bytes[(pos - 1) % SCROLLBACK_BYTES] == '\n' && --lines == 0)
            break;
    return pos;
}
