// SPDX-License-Identifier: GPL-2.0
/*
 * Workloads of bench with very many connections: a message on one of them, any one, each time; and reading the table of them
 * all in /proc. They are made with one listener, to many loopback addresses, from few ports.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* So many loopback addresses, from 127.1.0.0 on. */
#define ADDRESSES 256
/* Messages: each connection has fewer than the ACKs that are sent at once at a connection's start. */
#define MESSAGES 4000
/* A large prime: one connection after the other, in no order that a table has. */
#define STRIDE 1000003l

void allow_files(long count)
{
	struct rlimit limit = { count, count };

	need(!setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
}

static int *ends;

/* Makes job.count connections; the client's and the server's end of each stand side by side in `ends`. */
static void make_many(void)
{
	int server;

	allow_files(2 * job.count + 64);
	ends = calloc(2 * job.count, sizeof(*ends));
	need(ends, "memory");
	job.server.sin_addr.s_addr = htonl(INADDR_ANY);
	server = listener(128);
	for (long i = 0; i < job.count; i++) {
		job.server.sin_addr.s_addr = htonl(0x7f010000 + i % ADDRESSES);
		ends[2 * i] = connection();
		ends[2 * i + 1] = accept(server, NULL, NULL);
		need(ends[2 * i + 1] >= 0, "accept");
	}
}

static void one_message(long at)
{
	char c = 0;

	send_all(ends[2 * at], &c, 1);
	receive_all(ends[2 * at + 1], &c, 1);
}

void lookup(void)
{
	long connections = job.count, at = 0;

	make_many();
	job.count = MESSAGES;
	for (long i = -MESSAGES / 8; i < MESSAGES; i++) {
		if (i == 0)
			measure_begin();
		one_message(at);
		at = (at + STRIDE) % connections;
	}
	measure_end();
}

/* Lines are counted, so that the figure is that of a line. */
void proc_read(void)
{
	static char text[65536];
	const char *name = job.protocol == 6 ? "/proc/net/tcp" : "/proc/net/rtcpfsm";
	ssize_t got;
	int fd;

	make_many();
	job.count = 0;
	fd = open(name, O_RDONLY);
	need(fd >= 0, "%s", name);
	measure_begin();
	while ((got = read(fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < got; i++)
			job.count += text[i] == '\n';
	need(got == 0, "%s", name);
	measure_end();
}
