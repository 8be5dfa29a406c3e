// SPDX-License-Identifier: GPL-2.0
/* The workload of bench in which connections are made while forged SYNs arrive, so many each second. */
#define _GNU_SOURCE
#include "bench.h"
#include <err.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Connections and SYNs before the measured ones: the queue of requests is full then. */
#define WARM_UP 64
#define WARM_UP_SYNS 512
/* Nanoseconds from one forged SYN to the next: 100,000 a second. */
#define SYN_INTERVAL 10000l

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000l + t.tv_nsec;
}

static void handshake(int server)
{
	int client = connection(), fd;
	char c;

	/* What completes a handshake by a cookie is there before connect() returns: the path is this host. */
	fd = accept(server, NULL, NULL);
	need(fd >= 0, "accept");
	close(fd);
	need(recv(client, &c, 1, 0) == 0, "the end");
	close(client);
}

/*
 * For job.count milliseconds: a SYN is sent when it is due, and while none is, connections are made and closed. Reports how many in
 * what time. Where the host cannot keep up with the SYNs alone, none is made.
 */
void flood_goodput(void)
{
	int server = listener(128);
	long end, began, forged = 0, made = 0, elapsed;

	forge_syns(0, WARM_UP_SYNS);
	for (int i = 0; i < WARM_UP; i++)
		handshake(server);
	end = job.count * 1000000;
	measure_begin();
	began = now();
	while ((elapsed = now() - began) < end) {
		if (forged < elapsed / SYN_INTERVAL) {
			forge_syns(WARM_UP_SYNS + forged++, 1);
		} else {
			handshake(server);
			made++;
		}
	}
	job.count = made;
	measure_end();
}
