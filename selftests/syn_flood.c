// SPDX-License-Identifier: GPL-2.0
/*
 * A flood of SYNs or forged ACKs from senders that do not exist, and a client that wants to be served all the same.
 *
 *   syn_flood serve ADDRESS PORT BACKLOG		echoes what each connection sends; says "listening" before
 *   syn_flood syns ADDRESS PORT COUNT			so many SYNs, each from a random address of 10.128.0.0/9 and port
 *   syn_flood acks ADDRESS PORT COUNT			the same with ACKs of random numbers
 *   syn_flood client ADDRESS PORT COUNT SECONDS	connects again and again, so often, and has some octets echoed each time;
 *							fails when one is not served within SECONDS; COUNT 0: three times
 *							at least, and until SIGTERM
 *
 * RTCPFSM_PROTO names the protocol, 253 if unset. IPv4 only. Every random number is made from one seed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "wire.h"

/* As much as two windows without a scale. */
#define ECHOED (128 * 1024)

static int protocol = 253;
static struct sockaddr_in target = { .sin_family = AF_INET };

static uint32_t random_word(void)
{
	static uint64_t state = 42;

	/* Knuth's MMIX generator: the upper bits are good enough. */
	state = state * 6364136223846793005u + 1442695040888963407u;
	return state >> 32;
}

struct header {
	uint16_t source, destination;
	uint32_t seq, ack;
	uint8_t offset, flags;
	uint16_t window, checksum, urgent;
	uint8_t option[4];
} __attribute__((packed));

static void flood(bool acks, long count)
{
	struct {
		struct iphdr ip;
		struct header tcp;
	} packet;
	struct {
		uint32_t from, to;
		uint8_t zero, protocol;
		uint16_t len;
	} pseudo = { 0, target.sin_addr.s_addr, 0, protocol, htons(sizeof(struct header)) };
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);

	if (raw < 0)
		err(1, "raw socket");
	while (count-- > 0) {
		memset(&packet, 0, sizeof(packet));
		packet.ip.version = 4;
		packet.ip.ihl = 5;
		packet.ip.ttl = 64;
		packet.ip.protocol = protocol;
		packet.ip.saddr = htonl(0x0a800000 | (random_word() & 0x7fffff));
		packet.ip.daddr = target.sin_addr.s_addr;
		packet.tcp.source = htons(1024 + random_word() % 60000);
		packet.tcp.destination = target.sin_port;
		packet.tcp.seq = random_word();
		packet.tcp.ack = acks ? random_word() : 0;
		packet.tcp.offset = sizeof(packet.tcp) / 4 << 4;
		packet.tcp.flags = acks ? 0x10 : 0x02;
		packet.tcp.window = htons(65535);
		/* An MSS in the SYN; nothing in the ACK. */
		memcpy(packet.tcp.option, acks ? "\1\1\1\1" : "\2\4\5\264", 4);
		pseudo.from = packet.ip.saddr;
		packet.tcp.checksum = htons(fold(sum(sum(0, &pseudo, sizeof(pseudo)), &packet.tcp, sizeof(packet.tcp))));
		/* A full queue of the device is no reason to send less. */
		while (sendto(raw, &packet, sizeof(packet), 0, (struct sockaddr *)&target, sizeof(target)) < 0)
			if (errno != ENOBUFS)
				err(1, "sendto");
	}
}

static int new_socket(int seconds)
{
	struct timeval patience = { .tv_sec = seconds };
	int fd = socket(AF_INET, SOCK_STREAM, protocol);

	if (fd < 0)
		err(1, "socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)))
		err(1, "timeouts");
	return fd;
}

static void serve(int backlog)
{
	int listener = new_socket(0), on = 1;
	static char octets[ECHOED];

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&target, sizeof(target)) || listen(listener, backlog))
		err(1, "listen");
	puts("listening");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			err(1, "accept");
		if (recv(fd, octets, sizeof(octets), MSG_WAITALL) == sizeof(octets))
			send(fd, octets, sizeof(octets), MSG_NOSIGNAL);
		close(fd);
	}
}

static void be_served(int seconds)
{
	static char octets[ECHOED], echoed[ECHOED];
	int fd = new_socket(seconds);

	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = random_word();
	if (connect(fd, (struct sockaddr *)&target, sizeof(target)))
		err(1, "connect");
	if (send(fd, octets, sizeof(octets), MSG_NOSIGNAL) != sizeof(octets))
		err(1, "send");
	if (recv(fd, echoed, sizeof(echoed), MSG_WAITALL) != sizeof(echoed))
		err(1, "recv");
	if (memcmp(octets, echoed, sizeof(octets)))
		errx(1, "what came back is not what was sent");
	if (recv(fd, echoed, 1, 0) != 0)
		err(1, "the end");
	close(fd);
}

/* SIGTERM must not interrupt a connection, which would then count as failed. */
static void be_served_until_told(int seconds)
{
	sigset_t term, pending;
	long count = 0;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	do {
		be_served(seconds);
		count++;
		/* The flood shall have most of the processor's time. */
		usleep(50000);
		sigpending(&pending);
	} while (count < 3 || !sigismember(&pending, SIGTERM));
	printf("served %ld times\n", count);
}

int main(int argc, char **argv)
{
	const char *what = argc > 4 ? argv[1] : "";
	long count;

	if (getenv("RTCPFSM_PROTO"))
		protocol = atoi(getenv("RTCPFSM_PROTO"));
	if (argc < 5 || inet_pton(AF_INET, argv[2], &target.sin_addr) != 1)
		errx(2, "usage: syn_flood serve|syns|acks|client ADDRESS PORT COUNT [SECONDS]");
	target.sin_port = htons(atoi(argv[3]));
	count = atol(argv[4]);
	if (!strcmp(what, "serve"))
		serve(count);
	else if (!strcmp(what, "syns") || !strcmp(what, "acks"))
		flood(what[0] == 'a', count);
	else if (!strcmp(what, "client") && argc == 6 && count)
		for (long i = 0; i < count; i++)
			be_served(atoi(argv[5]));
	else if (!strcmp(what, "client") && argc == 6)
		be_served_until_told(atoi(argv[5]));
	else
		errx(2, "what is '%s'?", what);
	return 0;
}
