// SPDX-License-Identifier: GPL-2.0
/*
 * Workloads of bench with very many connections: a segment for one of them, any one, each time; and reading the table of them
 * all in /proc. The peers are only packets (bench_wire.c): a million connections take 3 GiB so, and minutes.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* The connections are of so many listeners, whose queues they stay in. */
#define LISTENERS 64
#define SEGMENTS 20000
/* A large prime: one connection after the other, in no order that a table has. */
#define STRIDE 1000003l

void allow_files(long count)
{
	struct rlimit limit = { count, count };

	need(!setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
}

static int listeners[LISTENERS];
/* What each peer acknowledges: the SYN. */
static uint32_t *acks;

static uint16_t port_of(long connection)
{
	return ntohs(job.server.sin_port) + connection % LISTENERS;
}

static void make_many(long count)
{
	uint16_t first = ntohs(job.server.sin_port);

	acks = calloc(count, sizeof(*acks));
	need(acks, "memory");
	for (int i = 0; i < LISTENERS; i++) {
		job.server.sin_port = htons(first + i);
		listeners[i] = listener(count / LISTENERS + 1);
	}
	job.server.sin_port = htons(first);
	for (long i = 0; i < count; i++)
		acks[i] = peer_connects(i, port_of(i));
}

/* Are they all there? One listener's are counted. */
static void check_many(long count)
{
	long wanted = (count + LISTENERS - 1) / LISTENERS, got = 0;
	struct linger abort = { 1, 0 };
	int flags = fcntl(listeners[0], F_GETFL), fd;

	allow_files(wanted + 2 * LISTENERS);
	need(!fcntl(listeners[0], F_SETFL, flags | O_NONBLOCK), "O_NONBLOCK");
	while ((fd = accept(listeners[0], NULL, NULL)) >= 0) {
		/* The peers do not answer, and what is done next is not to be disturbed by that. */
		need(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)), "SO_LINGER");
		got++;
	}
	if (got != wanted)
		errx(1, "%ld connections of %ld", got, wanted);
}

/* ACKs that tell nothing new: what they cost is to be received and found, and a glance at their numbers. */
void lookup(void)
{
	long connections = job.count;

	make_many(connections);
	job.count = SEGMENTS;
	/* Twice the same: a connection's first segments cost more. */
	for (int round = 0; round < 2; round++) {
		measure_begin();
		for (long i = 0, at = 0; i < SEGMENTS; i++) {
			peer_acknowledges(at, port_of(at), acks[at]);
			at = (at + STRIDE) % connections;
		}
	}
	measure_end();
	if (peers_were_answered())
		errx(1, "an ACK was answered");
	check_many(connections);
}

/* Lines are counted, so that the figure is that of a line. */
void proc_read(void)
{
	static char text[65536];
	const char *name = job.protocol == 6 ? "/proc/net/tcp" : "/proc/net/rtcpfsm";
	long connections = job.count;
	ssize_t got;
	int fd;

	make_many(connections);
	job.count = 0;
	fd = open(name, O_RDONLY);
	need(fd >= 0, "%s", name);
	measure_begin();
	while ((got = read(fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < got; i++)
			job.count += text[i] == '\n';
	need(got == 0, "%s", name);
	if (job.count < connections)
		errx(1, "%s: %ld lines for %ld connections", name, job.count, connections);
	measure_end();
	check_many(connections);
}
