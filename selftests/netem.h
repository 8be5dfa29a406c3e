/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the program netem share. */
#ifndef NETEM_H
#define NETEM_H

#include <stdint.h>

/* Gives the netem qdisc at the root of that device this seed for what it loses and how it delays; 0, or 1 with a message. */
int netem_seed(const char *device, uint64_t seed);

#endif
