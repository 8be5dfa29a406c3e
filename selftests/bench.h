/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the program bench share: sockets of the protocol under test, the clock, and the report. */
#ifndef BENCH_H
#define BENCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The command line. */
struct job {
	const char *name;
	/* 6, 253, or 17 for the floor: UDP. */
	int protocol;
	/* Operations to measure; octets for the bulk workloads. */
	long count;
	/* Where the server is; the client's end is this namespace's. */
	struct sockaddr_in server;
	/* A namespace of its own for the server, as a file descriptor, or -1. */
	int server_net;
	/* The size of a packet for the floor, IP's header included. */
	long size;
};

extern struct job job;

/* Fails with the message unless the condition holds. */
#define need(condition, ...)                        \
	do {                                        \
		if (!(condition))                   \
			err(1, __VA_ARGS__);        \
	} while (0)

/* A socket of the protocol. */
int stream_socket(void);
/* The same in the server's namespace, bound to the server's address; listening. */
int listener(int backlog);
/* A connection to the server. */
int connection(void);
/* The calling thread belongs to the server's namespace from now on. */
void enter_server_net(void);
/* Sends or receives exactly so many octets. */
void send_all(int fd, const void *data, size_t len);
void receive_all(int fd, void *data, size_t len);

/* Runs between them are measured; what was before has warmed up. */
void measure_begin(void);
void measure_end(void);
/* Reports a value that is no time, such as bytes of memory. */
void report(long value);

/* So many descriptors are wanted. */
void allow_files(long count);
/* SYNs from so many addresses of 10.128.0.0/9, from the first-th one on, whose answers nobody takes. */
void forge_syns(uint32_t first, long count);
/* The peer of this number, an address of 10.64.0.0/10 and a port, connects to a port of the server's; what it acknowledges then. */
uint32_t peer_connects(uint32_t peer, uint16_t port);
/* An ACK of that peer. */
void peer_acknowledges(uint32_t peer, uint16_t port, uint32_t ack);
/* Has the host sent such peers something that was not taken yet? */
bool peers_were_answered(void);

/* The workloads, each by its name in bench.c. */
void short_conn(void);
void short_conn_req(void);
void round_trips(void);
void bulk(void);
void udp_floor(void);
void wire_floor(void);
void slab_idle(void);
void slab_time_wait(void);
void slab_half_open(void);
void lookup(void);
void flood_goodput(void);
void proc_read(void);

#endif
