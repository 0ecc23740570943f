/* SPDX-License-Identifier: Apache-2.0
 * [DOMU] A network card for lwIP: frames between its pbufs and Xen's rings, copied once in each direction. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Connects, and makes lwIP's interface with the address 10.0.0.LAST and the card's own. */
void card_start(uint8_t last, uint8_t mac);
/* Gives lwIP what came, and Dom0 what lwIP sent since, with one event at most. true: something came. */
bool card_turn(void);
/* Asleep until something comes, at most NS. */
void card_wait(uint64_t ns);
/* Frames that found no room to be sent. */
extern uint32_t card_lost;
