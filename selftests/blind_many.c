// SPDX-License-Identifier: GPL-2.0
/* blind: peers by the thousand, and what the host keeps for them. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "blind.h"

/* Octets of a receive buffer of the "unread" peers, as the kernel counts: twice what is asked for. */
#define UNREAD_BUFFER	32768
/* The last packet may reach beyond a buffer: one of an Ethernet, and the largest that is queued for sending. */
#define PACKET		4096
#define LARGEST_PACKET	65536

/* Pages that the buffers of all sockets take: the protocol's line of /proc/net/protocols. Both families share one account. */
static long buffer_pages(void)
{
	FILE *f = fopen("/proc/net/protocols", "re");
	long pages = 0, found;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RTCPFSM %*d %*d %ld", &found) == 1)
			pages = found;
	if (f)
		fclose(f);
	return pages;
}

static long slab_kib(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "SUnreclaim: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

static void print_memory(long slab_before)
{
	printf("%ld KiB of buffers, slabs grew by %ld KiB", 4 * buffer_pages(), slab_kib() - slab_before);
}

static unsigned int memory_of(int fd, int which)
{
	unsigned int meminfo[SK_MEMINFO_VARS];
	socklen_t len = sizeof(meminfo);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, meminfo, &len))
		fail("SO_MEMINFO: %s", strerror(errno));
	return meminfo[which];
}

/* The peer acknowledges all and sends its FIN. */
static void say_fin(struct end *e)
{
	say(e, &(struct out){ FIN | ACK, e->nxt, e->host_nxt, 65535, 0 });
	e->nxt++;
}

void attack_time_wait(int peers)
{
	long slab = slab_kib(), most = 0, full = counter("drop", "time-wait-full");

	listener = new_listener(64, 0);
	for (int i = 0; i < peers; i++) {
		struct end *e = &ends[i];
		uint32_t before;

		connected(e, 65535);
		before = e->host_nxt;
		close(accepted());
		while (e->host_nxt == before)
			if (!pump(now_us() + drill.patience, -1, 0))
				fail("no FIN came");
		say_fin(e);
		listen_to_wire(0);
		if (i % 100 == 99 && counter("gauge", "TIME-WAIT") > most)
			most = counter("gauge", "TIME-WAIT");
	}
	full = counter("drop", "time-wait-full") - full;
	printf("%d connections closed first by the host: at most %ld in TIME-WAIT, %ld closed at once; ", peers, most, full);
	print_memory(slab);
	putchar('\n');
}

void attack_accept_queue(int peers, int backlog)
{
	long slab = slab_kib(), most = 0;
	int taken = 0, fd;

	listener = new_listener(backlog, 0);
	for (int i = 0; i < peers; i++) {
		struct end *e = &ends[i];

		e->isn = 5000 * i;
		e->nxt = e->isn + 1;
		say(e, &(struct out){ SYN, e->isn, 0, 65535, 0 });
		listen_to_wire(0);
		/* Where no SYN-ACK came, the ACK is as good a guess as any. */
		say(e, &(struct out){ ACK, e->nxt, e->answered ? e->host_nxt : 1, 65535, 0 });
		if (i % 50 == 49) {
			long now = counter("gauge", "SYN-RECEIVED") + counter("gauge", "ESTABLISHED");

			listen_to_wire(0);
			if (now > most)
				most = now;
		}
	}
	printf("%d peers came, at most %ld connections and requests at once; ", peers, most);
	print_memory(slab);
	if (most > 2 * (backlog + 1))
		fail(": more than the backlog of %d allows", backlog);
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		taken++;
		close(fd);
	}
	printf("; %d were accepted then\n", taken);
	if (taken > backlog + 1)
		fail("more than the backlog of %d allows", backlog);
	if (taken < backlog)
		fail("less than the backlog of %d allows", backlog);
	/* The requests of the attack may take the place of the honest for as long as they last. */
	for (uint64_t end = now_us() + 200000 * MS; counter("gauge", "SYN-RECEIVED"); listen_to_wire(1000 * MS)) {
		if (now_us() > end)
			fail("requests do not go away");
		while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
			close(fd);
	}
	connected(&ends[peers], 65535);
	close(accepted());
}

void attack_windows(int peers)
{
	long slab = slab_kib(), queued = 0, reset = counter("reset", "too-many-orphans");
	static char data[1 << 20];
	unsigned int worst = 0, limit = 0;
	int *fds = calloc(peers, sizeof(*fds));

	listener = new_listener(64, 0);
	for (int i = 0; i < peers; i++) {
		/* Nothing at all, one octet, or all that it may send, never acknowledged. */
		connected(&ends[i], i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : 65535);
		fds[i] = accepted();
		while (send(fds[i], data, sizeof(data), MSG_NOSIGNAL) > 0)
			;
		if (errno != EAGAIN)
			fail("send: %s", strerror(errno));
		listen_to_wire(0);
		/* The tiny window opens octet by octet. */
		if (i % 3 == 1)
			say(&ends[i], &(struct out){ ACK, ends[i].nxt, ends[i].host_nxt, 1, 0 });
	}
	/* Probes and retransmissions of a minute. */
	listen_to_wire(60000 * MS);
	for (int i = 0; i < peers; i++) {
		unsigned int memory = memory_of(fds[i], SK_MEMINFO_WMEM_QUEUED), size = memory_of(fds[i], SK_MEMINFO_SNDBUF);
		int octets;

		if (!ioctl(fds[i], SIOCOUTQ, &octets))
			queued += octets;
		if (memory > worst) {
			worst = memory;
			limit = size;
		}
		if (memory > size + LARGEST_PACKET)
			fail("a send buffer of %u octets takes %u", size, memory);
	}
	printf("%d peers: %ld octets wait, the worst socket's take %u octets of memory (buffer %u); ", peers, queued, worst, limit);
	print_memory(slab);
	for (int i = 0; i < peers; i++)
		close(fds[i]);
	close(listener);
	listen_to_wire(MS);
	reset = counter("reset", "too-many-orphans") - reset;
	printf("; closed: %ld went on as orphans, %ld were reset\n", peers - reset, reset);
}

void attack_unread(int peers, const char *kind)
{
	bool holes = !strcmp(kind, "holes"), octets = !strcmp(kind, "octets");
	int *fds = calloc(peers, sizeof(*fds)), len = octets || holes ? 1 : 1460;
	/* Twice what the buffer has room for at the very best, and more packets than its memory has room for. */
	int segments = len == 1 ? 2 * UNREAD_BUFFER / 256 : 4 * UNREAD_BUFFER / len;
	long slab = slab_kib(), unread = 0, all = 0;
	unsigned int worst = 0, limit = 0;

	listener = new_listener(64, UNREAD_BUFFER / 2);
	for (int i = 0; i < peers; i++) {
		struct end *e = &ends[i];

		connected(e, 65535);
		fds[i] = accepted();
		for (int s = 0; s < segments; s++) {
			uint32_t seq = e->nxt + (holes ? 2 * s + 1 : s * len);

			say(e, &(struct out){ ACK, seq, e->host_nxt, 65535, len });
			if (s % 64 == 63)
				listen_to_wire(0);
		}
		listen_to_wire(0);
	}
	listen_to_wire(1000 * MS);
	for (int i = 0; i < peers; i++) {
		unsigned int memory = memory_of(fds[i], SK_MEMINFO_RMEM_ALLOC), size = memory_of(fds[i], SK_MEMINFO_RCVBUF);
		int n;

		if (!ioctl(fds[i], SIOCINQ, &n))
			unread += n;
		all += memory;
		if (memory > worst) {
			worst = memory;
			limit = size;
		}
		if (memory > size + PACKET)
			fail("a receive buffer of %u octets takes %u", size, memory);
	}
	printf("%d peers with %d segments of %d octets each: %ld octets to read, %ld octets of memory, the worst socket's %u (buffer %u); ",
	       peers, segments, len, unread, all, worst, limit);
	print_memory(slab);
	putchar('\n');
	if (!worst)
		fail("nothing came at all");
	for (int i = 0; i < peers; i++)
		close(fds[i]);
}

/* Until so many octets are under way: acknowledges all before. Returns the number of the first of them. */
static uint32_t fly(struct end *e, int fd, uint32_t octets)
{
	static char data[1 << 17];
	uint32_t una = e->host_nxt;

	for (int round = 0; e->host_nxt - una < octets; round++) {
		if (round == 100)
			fail("no flight of %u octets comes about", octets);
		una = e->host_nxt;
		say(e, &(struct out){ ACK, e->nxt, una, 65535, 0 });
		while (send(fd, data, sizeof(data), MSG_NOSIGNAL) > 0)
			;
		listen_to_wire(MS);
	}
	return una;
}

void attack_sacks(int peers)
{
	/* Blocks of one octet each; what the records of a flight of 45 segments may take, with all of the connection. */
	enum { BLOCKS = 4000, MOST_KIB = 40 };
	int *fds = calloc(peers, sizeof(*fds));
	long slab, grown;

	offer_sack = true;
	listener = new_listener(64, 0);
	slab = slab_kib();
	for (int i = 0; i < peers; i++) {
		struct end *e = &ends[i];
		uint32_t una;

		connected(e, 65535);
		fds[i] = accepted();
		una = fly(e, fds[i], 60000);
		for (uint32_t b = 0; b < BLOCKS; b++) {
			uint32_t left = una + 1 + 2 * b;

			say(e, &(struct out){ ACK, e->nxt, una, 65535, 0, left, left + 1 });
			if (b % 64 == 63)
				listen_to_wire(0);
		}
		listen_to_wire(0);
	}
	grown = slab_kib() - slab;
	printf("%d peers with %d blocks of one octet each: the slabs grew by %ld KiB", peers, BLOCKS, grown);
	if (grown > peers * MOST_KIB)
		fail(": more than %d for each", MOST_KIB);
	for (int i = 0; i < peers; i++) {
		int unacknowledged = 1;

		for (int round = 0; unacknowledged; round++) {
			if (round == 1000)
				fail(": %d octets do not come", unacknowledged);
			say(&ends[i], &(struct out){ ACK, ends[i].nxt, ends[i].host_nxt, 65535, 0 });
			listen_to_wire(10 * MS);
			if (ioctl(fds[i], SIOCOUTQ, &unacknowledged))
				fail("SIOCOUTQ: %s", strerror(errno));
		}
		close(fds[i]);
	}
	puts("; all data came in the end");
}
