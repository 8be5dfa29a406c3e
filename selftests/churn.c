// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic for tests that do something else meanwhile; ends when killed.
 *
 *   churn serve ADDRESS PORT          a listener whose connections are answered one octet and closed
 *   churn calls ADDRESS PORT [COUNT]  connections to it, one after the other; ends after COUNT good ones
 *   churn flood ADDRESS PORT SOURCE   raw segments to it: SYNs that claim to come from SOURCE and nobody will
 *                                     answer for, and every other kind of segment, broken ones too
 *   churn drizzle ADDRESS PORT SOURCE the same, with most of the time for others where a segment takes long
 *
 * RTCPFSM_PROTO names the protocol, 253 if unset. Errors are no end: the module may be gone for a while.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

static int protocol = 253;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static void nap(void)
{
	usleep(10000);
}

static socklen_t address(const char *text, int port, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (void *)to;
	struct sockaddr_in *in = (void *)to;

	memset(to, 0, sizeof(*to));
	if (strchr(text, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		inet_pton(AF_INET6, text, &in6->sin6_addr);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	inet_pton(AF_INET, text, &in->sin_addr);
	return sizeof(*in);
}

/* No call waits longer than a second: a peer or the module may vanish at any moment. */
static int stream(int family)
{
	struct timeval second = { .tv_sec = 1 };
	int fd = socket(family, SOCK_STREAM, protocol), on = 1;

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	}
	return fd;
}

static void serve(const char *text, int port)
{
	struct sockaddr_storage at;
	socklen_t len = address(text, port, &at);
	char c;

	for (;;) {
		int listener = stream(at.ss_family), fd;

		if (listener < 0 || bind(listener, (void *)&at, len) || listen(listener, 64)) {
			close(listener);
			nap();
			continue;
		}
		for (;;) {
			fd = accept(listener, NULL, NULL);
			if (fd < 0 && errno == EAGAIN)
				continue;
			if (fd < 0)
				break;
			if (read(fd, &c, 1) == 1)
				send(fd, &c, 1, MSG_NOSIGNAL);
			close(fd);
		}
		close(listener);
	}
}

static void calls(const char *text, int port, long count)
{
	struct sockaddr_storage to;
	socklen_t len = address(text, port, &to);
	struct linger hard = { .l_onoff = 1 };

	for (long good = 0; !count || good < count;) {
		int fd = stream(to.ss_family);
		char c = 'c';

		if (fd < 0 || connect(fd, (void *)&to, len)) {
			close(fd);
			nap();
			continue;
		}
		good += send(fd, &c, 1, MSG_NOSIGNAL) == 1 && read(fd, &c, 1) == 1;
		/* Each fourth one dies young. */
		if (good % 4 == 3)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fd);
	}
}

static void flood(const char *text, int port, const char *source, int gently)
{
	uint8_t packet[80] = {}, *segment;
	struct sockaddr_storage to, from;
	socklen_t len = address(text, 0, &to);
	int v6 = to.ss_family == AF_INET6, on = 1, fd = socket(to.ss_family, SOCK_RAW, IPPROTO_RAW);
	size_t header = v6 ? 40 : 20, address_len = v6 ? 16 : 4;
	uint8_t *src, *dst;

	address(source, 0, &from);
	if (fd < 0 || (!v6 && setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &on, sizeof(on)))) {
		perror("raw socket");
		exit(1);
	}
	segment = packet + header;
	src = packet + (v6 ? 8 : 12);
	dst = src + address_len;
	memcpy(src, v6 ? (void *)&((struct sockaddr_in6 *)&from)->sin6_addr : (void *)&((struct sockaddr_in *)&from)->sin_addr,
	       address_len);
	memcpy(dst, v6 ? (void *)&((struct sockaddr_in6 *)&to)->sin6_addr : (void *)&((struct sockaddr_in *)&to)->sin_addr,
	       address_len);
	if (v6) {
		packet[0] = 0x60;
		packet[5] = 20;
		packet[6] = protocol;
		packet[7] = 64;
	} else {
		packet[0] = 0x45;
		packet[3] = 40;
		packet[8] = 64;
		packet[9] = protocol;
	}
	for (uint32_t n = 0;; n++) {
		uint64_t begin_us = now_us(), busy_us;

		memset(segment, 0, 20);
		segment[0] = 0x40 | (n >> 8 & 0x3f);
		segment[1] = n;
		segment[2] = port >> 8;
		segment[3] = port;
		*(uint32_t *)(segment + 4) = htonl(n * 2654435761u);
		*(uint32_t *)(segment + 8) = htonl(n * 40503u);
		/* Half of them open something. */
		segment[12] = n % 16 == 15 ? 0xf0 : 0x50;
		segment[13] = n % 2 ? n >> 1 : 0x02;
		segment[14] = 0x40;
		put16(segment + 16, fold(sum(sum(20 + protocol, src, 2 * address_len), segment, 20)));
		if (n % 32 == 31)
			segment[16] ^= 1;
		sendto(fd, packet, header + 20 - (n % 64 == 63 ? 9 : 0), MSG_DONTWAIT, (void *)&to, len);
		/* In a slow kernel too, something else goes on between two segments. */
		busy_us = now_us() - begin_us;
		usleep(gently && busy_us > 250 ? 4 * busy_us : 1000);
	}
}

int main(int argc, char **argv)
{
	if (getenv("RTCPFSM_PROTO"))
		protocol = atoi(getenv("RTCPFSM_PROTO"));
	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && !strcmp(argv[1], "serve"))
		serve(argv[2], atoi(argv[3]));
	else if ((argc == 4 || argc == 5) && !strcmp(argv[1], "calls"))
		calls(argv[2], atoi(argv[3]), argc > 4 ? atol(argv[4]) : 0);
	else if (argc == 5 && (!strcmp(argv[1], "flood") || !strcmp(argv[1], "drizzle")))
		flood(argv[2], atoi(argv[3]), argv[4], argv[1][0] == 'd');
	else
		return 2;
	return 0;
}
