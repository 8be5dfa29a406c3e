// SPDX-License-Identifier: GPL-2.0
/* Workloads of bench that measure memory: what the slabs hold more for each idle connection, TIME-WAIT and half-open request. */
#define _GNU_SOURCE
#include "bench.h"
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

static void allow_files(long count)
{
	struct rlimit limit = { count, count };

	need(!setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
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

/* Adds words as the checksum does, which knows no order of octets. */
static uint32_t add(uint32_t sum, const void *data, size_t octets)
{
	const uint16_t *words = data;

	for (size_t i = 0; i < octets / 2; i++)
		sum += words[i];
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* SYNs from addresses of 10.128.0.0/9, whose answers nobody takes. */
static void syns(int raw, uint32_t first, long count)
{
	struct {
		struct iphdr ip;
		struct {
			uint16_t source, destination;
			uint32_t seq, ack;
			uint8_t offset, flags;
			uint16_t window, check, urgent;
			uint8_t mss[4];
		} tcp;
	} packet;

	for (long i = 0; i < count; i++) {
		memset(&packet, 0, sizeof(packet));
		packet.ip.version = 4;
		packet.ip.ihl = sizeof(packet.ip) / 4;
		packet.ip.ttl = 64;
		packet.ip.protocol = job.protocol;
		packet.ip.saddr = htonl(0x0a800000 + first + i);
		packet.ip.daddr = job.server.sin_addr.s_addr;
		packet.tcp.source = htons(1024 + i % 50000);
		packet.tcp.destination = job.server.sin_port;
		packet.tcp.seq = htonl(i * 64);
		packet.tcp.offset = sizeof(packet.tcp) / 4 << 4;
		packet.tcp.flags = 0x02;
		packet.tcp.window = htons(65535);
		memcpy(packet.tcp.mss, "\2\4\5\264", 4);
		/* The pseudo header: both addresses, the protocol and the length. */
		packet.tcp.check = fold(add(add(htons(job.protocol) + htons(sizeof(packet.tcp)), &packet.ip.saddr, 8),
					    &packet.tcp, sizeof(packet.tcp)));
		need(sendto(raw, &packet, sizeof(packet), 0, (struct sockaddr *)&job.server, sizeof(job.server)) > 0, "sendto");
	}
}

void slab_half_open(void)
{
	int server = listener(job.count + 2 * WARM_UP), raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	long before;

	need(server >= 0 && raw >= 0, "raw socket");
	syns(raw, 0, WARM_UP);
	before = slab();
	syns(raw, WARM_UP, job.count);
	report(slab() - before);
}
