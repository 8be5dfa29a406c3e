// SPDX-License-Identifier: GPL-2.0
/*
 * Workloads of bench with traffic: short connections, requests and replies, bulk data, and the floor, which is the same
 * number of packets of the same size as UDP datagrams. The server is a thread, which each client awaits in each round, so that
 * the order of events does not hang on the scheduler.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <err.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Rounds before the measured ones: caches of objects are filled, and the path's are warm. */
#define WARM_UP 64
#define BULK_WARM_UP (4l << 20)
#define BULK_WRITE 65536
#define BULK_FLOWS 8
#define REQUEST 100
#define REPLY 1024
/* IPv4's header and UDP's; what a datagram carries at most, and what one of many in a packet does at MTU 1500. */
#define UDP_HEADERS 28
#define UDP_LARGEST 65507
#define UDP_SEGMENT_SIZE 1472
/* From this size on a packet is not one datagram on a link whose MTU is 1500. */
#define ETHERNET_MTU 1500

static char buffer[BULK_FLOWS][BULK_WRITE];

/* What a server's thread does, told as soon as it can be reached. */
struct server {
	void (*serve)(int listener);
	pthread_barrier_t ready;
};

static void *server_thread(void *arg)
{
	struct server *server = arg;
	int fd;

	enter_server_net();
	fd = listener(128);
	pthread_barrier_wait(&server->ready);
	server->serve(fd);
	return NULL;
}

static void start_server(void (*serve)(int listener))
{
	static struct server server;
	pthread_t thread;

	server.serve = serve;
	pthread_barrier_init(&server.ready, NULL, 2);
	need(!pthread_create(&thread, NULL, server_thread, &server), "pthread_create");
	pthread_barrier_wait(&server.ready);
}

static int accepted(int listener)
{
	int fd = accept(listener, NULL, NULL);

	need(fd >= 0, "accept");
	return fd;
}

/* Connections that carry nothing: the server closes at once, then the client. */
static void serve_short(int listener)
{
	for (;;)
		close(accepted(listener));
}

static void short_round(void)
{
	int fd = connection();
	char c;

	need(recv(fd, &c, 1, 0) == 0, "the end");
	close(fd);
}

void short_conn(void)
{
	start_server(serve_short);
	for (int i = 0; i < WARM_UP; i++)
		short_round();
	measure_begin();
	for (long i = 0; i < job.count; i++)
		short_round();
	measure_end();
}

/* Connections with a request and a reply, after which the server closes. */
static void serve_request(int listener)
{
	static char request[REQUEST], reply[REPLY];

	for (;;) {
		int fd = accepted(listener);

		receive_all(fd, request, sizeof(request));
		send_all(fd, reply, sizeof(reply));
		close(fd);
	}
}

static void request_round(void)
{
	int fd = connection();

	send_all(fd, buffer[0], REQUEST);
	receive_all(fd, buffer[0], REPLY);
	need(recv(fd, buffer[0], 1, 0) == 0, "the end");
	close(fd);
}

void short_conn_req(void)
{
	start_server(serve_request);
	for (int i = 0; i < WARM_UP; i++)
		request_round();
	measure_begin();
	for (long i = 0; i < job.count; i++)
		request_round();
	measure_end();
}

/* An open connection: a message, and one of the same size back. */
static size_t message;

static void serve_round_trips(int listener)
{
	static char data[REPLY];
	int fd = accepted(listener), on = 1;

	need(!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "TCP_NODELAY");
	for (;;) {
		receive_all(fd, data, message);
		send_all(fd, data, message);
	}
}

void round_trips(void)
{
	int fd, on = 1;

	message = strcmp(job.name, "rr_1k") ? 1 : 1024;
	start_server(serve_round_trips);
	fd = connection();
	need(!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "TCP_NODELAY");
	for (long i = -WARM_UP; i < job.count; i++) {
		if (i == 0)
			measure_begin();
		send_all(fd, buffer[0], message);
		receive_all(fd, buffer[0], message);
	}
	measure_end();
}

/* Bulk: octets one way, by one flow or several; the last octet of each comes back at the end of its part. */
static long flows, share;

static void *serve_flow(void *arg)
{
	int fd = (int)(long)arg;
	char *data = malloc(BULK_WRITE);

	for (long part = BULK_WARM_UP;; part = share) {
		for (long left = part; left > 0;) {
			ssize_t got = recv(fd, data, left < BULK_WRITE ? left : BULK_WRITE, 0);

			need(got > 0, "recv");
			left -= got;
		}
		send_all(fd, data, 1);
	}
	return NULL;
}

static void serve_bulk(int listener)
{
	for (long i = 0; i < flows; i++) {
		pthread_t thread;

		need(!pthread_create(&thread, NULL, serve_flow, (void *)(long)accepted(listener)), "pthread_create");
	}
	pause();
}

static pthread_barrier_t warm, end;

static void *send_flow(void *arg)
{
	char *data = buffer[(long)arg], last;
	int fd = connection();

	for (long sent = 0; sent < BULK_WARM_UP; sent += BULK_WRITE)
		send_all(fd, data, BULK_WRITE);
	receive_all(fd, &last, 1);
	pthread_barrier_wait(&warm);
	pthread_barrier_wait(&warm);
	for (long left = share; left > 0; left -= BULK_WRITE)
		send_all(fd, data, left < BULK_WRITE ? left : BULK_WRITE);
	receive_all(fd, &last, 1);
	pthread_barrier_wait(&end);
	return NULL;
}

void bulk(void)
{
	flows = strcmp(job.name, "bulk_veth_8") ? 1 : BULK_FLOWS;
	share = job.count / flows;
	pthread_barrier_init(&warm, NULL, flows + 1);
	pthread_barrier_init(&end, NULL, flows + 1);
	start_server(serve_bulk);
	for (long i = 0; i < flows; i++) {
		pthread_t thread;

		need(!pthread_create(&thread, NULL, send_flow, (void *)i), "pthread_create");
	}
	pthread_barrier_wait(&warm);
	measure_begin();
	pthread_barrier_wait(&warm);
	pthread_barrier_wait(&end);
	measure_end();
}

/*
 * The floor: job.count packets of job.size octets, each sent and received by one thread. Where a packet is larger than the link
 * takes, it is one of UDP's GSO, as those of TCP are.
 */
void udp_floor(void)
{
	int from = socket(AF_INET, SOCK_DGRAM, 0), to, on = 1, segment = UDP_SEGMENT_SIZE;
	int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	size_t len = job.size > UDP_HEADERS ? job.size - UDP_HEADERS : 0;

	if (len > UDP_LARGEST)
		len = UDP_LARGEST;
	need(from >= 0, "socket");
	enter_server_net();
	to = socket(AF_INET, SOCK_DGRAM, 0);
	need(to >= 0 && !bind(to, (struct sockaddr *)&job.server, sizeof(job.server)), "bind");
	need(!setns(here, CLONE_NEWNET), "setns");
	if (job.server_net >= 0 && job.size > ETHERNET_MTU) {
		need(!setsockopt(from, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), "UDP_SEGMENT");
		need(!setsockopt(to, SOL_UDP, UDP_GRO, &on, sizeof(on)), "UDP_GRO");
	}
	need(!connect(from, (struct sockaddr *)&job.server, sizeof(job.server)), "connect");
	for (long i = -WARM_UP; i < job.count; i++) {
		if (i == 0)
			measure_begin();
		need(send(from, buffer, len, 0) == (ssize_t)len, "send");
		for (size_t got = 0; !got || got < len;) {
			ssize_t octets = recv(to, buffer, sizeof(buffer), 0);

			need(octets >= 0, "recv");
			if (!len)
				break;
			got += octets;
		}
	}
	measure_end();
}
