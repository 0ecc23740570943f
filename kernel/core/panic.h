/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] For what only we or the machine can have done. Never for guest input. */
#pragma once

/* Stops every CPU, prints the message, registers, a backtrace with symbols and the trace
 * ring's tail on the console (polled), then waits for a key or resets. */
void panic(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* For invariants of our own code. */
#define ASSERT(cond) do { if (!(cond)) panic("assertion failed: %s (%s:%d)", #cond, __FILE__, __LINE__); } while (0)
