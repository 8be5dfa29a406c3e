// SPDX-License-Identifier: GPL-2.0
/* Workloads of bench that measure memory: what the slabs hold more for each idle connection, TIME-WAIT and half-open request. */
#define _GNU_SOURCE
#include "bench.h"
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections before the measured ones, so that what is made once is there. */
#define WARM_UP 256

/* Octets of all slabs' pages. */
static long slab(void)
{
	FILE *f;
	char line[256];
	long kib = -1;
	int shrink = open("/proc/sys/vm/drop_caches", O_WRONLY);

	/* What files have left, and the objects that wait in caches: as little as can be, before and after. */
	need(shrink >= 0 && write(shrink, "3", 1) == 1, "drop_caches");
	close(shrink);
	f = fopen("/proc/meminfo", "r");
	need(f, "/proc/meminfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %ld kB", &kib) == 1)
			break;
	fclose(f);
	need(kib >= 0, "no Slab in /proc/meminfo");
	return kib * 1024;
}

/* Makes so many connections; both ends' descriptors in `ends`. */
static void make(int server, int *ends, long count)
{
	for (long i = 0; i < count; i++) {
		ends[2 * i] = connection();
		ends[2 * i + 1] = accept(server, NULL, NULL);
		need(ends[2 * i + 1] >= 0, "accept");
	}
}

void slab_idle(void)
{
	int *ends = calloc(2 * (job.count + WARM_UP), sizeof(*ends)), server;
	long before;

	allow_files(2 * (job.count + WARM_UP) + 64);
	server = listener(128);
	make(server, ends, WARM_UP);
	before = slab();
	make(server, ends + 2 * WARM_UP, job.count);
	report(slab() - before);
}

void slab_time_wait(void)
{
	int *ends = calloc(2 * job.count, sizeof(*ends)), server;
	long before;

	allow_files(2 * job.count + 64);
	server = listener(128);
	for (int i = 0; i < WARM_UP; i++) {
		make(server, ends, 1);
		close(ends[0]);
		close(ends[1]);
	}
	make(server, ends, job.count);
	for (long i = 0; i < 2 * job.count; i++)
		close(ends[i]);
	/* RCU frees the sockets; the TIME-WAITs stay, and are gone after two minutes. */
	sleep(1);
	before = slab();
	sleep(120);
	report(before - slab());
}

void slab_half_open(void)
{
	long before;

	listener(job.count + 2 * WARM_UP);
	forge_syns(0, WARM_UP);
	before = slab();
	forge_syns(WARM_UP, job.count);
	report(slab() - before);
}
