// SPDX-License-Identifier: GPL-2.0
/*
 * One workload of one protocol, measured: the same program for native TCP, for the module and for the floor (UDP).
 *
 *   bench NAME PROTOCOL COUNT ADDRESS PORT [SERVER-NETNS-FILE|-] [SIZE]
 *
 * Prints one line, `bench NAME PROTOCOL COUNT VALUE PACKETS OCTETS`: nanoseconds (or bytes of memory) for COUNT operations, and
 * what crossed the network devices of this namespace meanwhile. Where the measured part begins and ends it executes a NOP
 * with a mark, for qemu/insnprof.c, which counts instructions.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct job job = { .server_net = -1 };

static const struct {
	const char *name;
	void (*run)(void);
} workloads[] = {
	{ "short_conn", short_conn },
	{ "short_conn_req", short_conn_req },
	{ "rr_1b", round_trips },
	{ "rr_1k", round_trips },
	{ "bulk_lo", bulk },
	{ "bulk_veth", bulk },
	{ "bulk_veth_8", bulk },
	{ "slab_idle", slab_idle },
	{ "slab_time_wait", slab_time_wait },
	{ "slab_half_open", slab_half_open },
	{ "lookup_1k", lookup },
	{ "lookup_100k", lookup },
	{ "lookup_1m", lookup },
	{ "flood_goodput", flood_goodput },
	{ "proc_read_100k", proc_read },
	{ "floor", udp_floor },
	{ "wire_floor", wire_floor },
};

static struct timespec began;
static long packets_before, octets_before;

/* Packets and octets that this namespace's devices have received and sent; what loops back counts once. */
static void device_counts(long *packets, long *octets)
{
	FILE *f = fopen("/proc/thread-self/net/dev", "r");
	char line[512];

	need(f, "/proc/thread-self/net/dev");
	*packets = *octets = 0;
	while (fgets(line, sizeof(line), f)) {
		long rx_octets, rx_packets, tx_octets, tx_packets;
		char name[32];

		if (sscanf(line, " %31[^:]: %ld %ld %*d %*d %*d %*d %*d %*d %ld %ld", name, &rx_octets, &rx_packets,
			   &tx_octets, &tx_packets) != 5)
			continue;
		*packets += rx_packets;
		*octets += rx_octets;
		if (strcmp(name, "lo")) {
			*packets += tx_packets;
			*octets += tx_octets;
		}
	}
	fclose(f);
}

/* A NOP that only the profiler understands: 'b' begins, 'e' ends what is counted. */
#ifdef __x86_64__
#define MARK(letter) asm volatile(".byte 0x0f, 0x1f, 0x80, " letter ", 0x72, 0x74, 0x63" ::: "memory")
#else
#define MARK(letter)
#endif

void measure_begin(void)
{
	device_counts(&packets_before, &octets_before);
	clock_gettime(CLOCK_MONOTONIC, &began);
	MARK("0x62");
}

void measure_end(void)
{
	struct timespec ended;

	MARK("0x65");
	clock_gettime(CLOCK_MONOTONIC, &ended);
	report((ended.tv_sec - began.tv_sec) * 1000000000L + ended.tv_nsec - began.tv_nsec);
}

void report(long value)
{
	long packets, octets;

	device_counts(&packets, &octets);
	printf("bench %s %d %ld %ld %ld %ld\n", job.name, job.protocol, job.count, value, packets - packets_before,
	       octets - octets_before);
	fflush(stdout);
}

int stream_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, job.protocol);

	need(fd >= 0, "socket");
	return fd;
}

void enter_server_net(void)
{
	need(job.server_net < 0 || !setns(job.server_net, CLONE_NEWNET), "setns");
}

int listener(int backlog)
{
	int fd = stream_socket(), on = 1;

	need(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "SO_REUSEADDR");
	need(!bind(fd, (struct sockaddr *)&job.server, sizeof(job.server)), "bind");
	need(!listen(fd, backlog), "listen");
	return fd;
}

int connection(void)
{
	int fd = stream_socket();

	need(!connect(fd, (struct sockaddr *)&job.server, sizeof(job.server)), "connect");
	return fd;
}

void send_all(int fd, const void *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, data, len, 0);

		need(sent > 0, "send");
		data = (const char *)data + sent;
		len -= sent;
	}
}

void receive_all(int fd, void *data, size_t len)
{
	while (len > 0) {
		ssize_t got = recv(fd, data, len, 0);

		need(got > 0, "recv");
		data = (char *)data + got;
		len -= got;
	}
}

int main(int argc, char **argv)
{
	if (argc < 6 || argc > 8 || inet_pton(AF_INET, argv[4], &job.server.sin_addr) != 1)
		errx(2, "usage: bench NAME PROTOCOL COUNT ADDRESS PORT [SERVER-NETNS-FILE|-] [SIZE]");
	signal(SIGPIPE, SIG_IGN);
	job.name = argv[1];
	job.protocol = atoi(argv[2]);
	job.count = atol(argv[3]);
	job.server.sin_family = AF_INET;
	job.server.sin_port = htons(atoi(argv[5]));
	if (argc > 6 && strcmp(argv[6], "-")) {
		job.server_net = open(argv[6], O_RDONLY | O_CLOEXEC);
		need(job.server_net >= 0, "%s", argv[6]);
	}
	job.size = argc > 7 ? atol(argv[7]) : 0;
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++) {
		if (!strcmp(workloads[i].name, job.name)) {
			workloads[i].run();
			/* Threads of a server may still wait for more. */
			_exit(0);
		}
	}
	errx(2, "no workload '%s'", job.name);
}
