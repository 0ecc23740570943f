/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] A name server for one test, as a Linux program without a library: names that begin with n do not exist, all others have the address
 * 10.0.0.2. */
struct address {
    unsigned short family, port;
    unsigned ip;
    char zero[8];
};

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}

void _start(void)
{
    static unsigned char m[600];
    static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 2};
    struct address own = {.family = 2, .port = 53 << 8}, from;
    long fd = call(41, 2, 2, 0, 0, 0, 0);                      /* socket(AF_INET, SOCK_DGRAM) */
    if (call(49, fd, (long)&own, sizeof own, 0, 0, 0) != 0)    /* bind */
        call(60, 1, 0, 0, 0, 0, 0);                            /* exit */
    for (;;) {
        int size = sizeof from;
        long n = call(45, fd, (long)m, 512, 0, (long)&from, (long)&size); /* recvfrom */
        if (n < 17)
            continue;
        m[2] |= 0x80;
        if (m[13] == 'n') {
            m[3] = 3;
        } else {
            m[7] = 1;
            for (unsigned long i = 0; i < sizeof record; i++)
                m[n++] = record[i];
        }
        call(44, fd, (long)m, n, 0, (long)&from, sizeof from); /* sendto */
    }
}
