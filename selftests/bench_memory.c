// SPDX-License-Identifier: GPL-2.0
/* Workloads of bench that measure memory: what the slabs hold more for each idle connection, TIME-WAIT and half-open request. */
#define _GNU_SOURCE
#include "bench.h"
#include <err.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections before the measured ones, so that what is made once is there. */
#define WARM_UP 256

static void write_one(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY);

	need(fd >= 0 && write(fd, text, strlen(text)) >= 0, "%s", name);
	close(fd);
}

/*
 * Octets of all slabs' pages. What is free must not count: what files have left, objects that caches keep for the next one who asks
 * (whole sheaves of them, in slabs that are empty otherwise), and what the CPUs have not added to the sum yet.
 */
static long slab(void)
{
	FILE *f;
	char line[256];
	long kib = -1;
	glob_t caches;

	write_one("/proc/sys/vm/drop_caches", "3");
	need(!glob("/sys/kernel/slab/*/shrink", 0, NULL, &caches), "/sys/kernel/slab");
	for (size_t i = 0; i < caches.gl_pathc; i++)
		write_one(caches.gl_pathv[i], "1");
	globfree(&caches);
	write_one("/proc/sys/vm/stat_refresh", "1");
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
