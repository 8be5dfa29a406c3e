// SPDX-License-Identifier: GPL-2.0
/* Forged SYNs, and the workload of bench in which connections are made while they arrive. */
#define _GNU_SOURCE
#include "bench.h"
#include "wire.h"
#include <arpa/inet.h>
#include <err.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections and floods before the measured ones: the queue of requests is full then. */
#define WARM_UP 64
/* At 100,000 forged SYNs a second, 6,250 connections a second. */
#define SYNS_PER_CONNECTION 16

void forge_syns(uint32_t first, long count)
{
	static int raw = -1;
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

	if (raw < 0)
		raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	need(raw >= 0, "raw socket");
	for (long i = 0; i < count; i++) {
		memset(&packet, 0, sizeof(packet));
		packet.ip.version = 4;
		packet.ip.ihl = sizeof(packet.ip) / 4;
		packet.ip.ttl = 64;
		packet.ip.protocol = job.protocol;
		packet.ip.saddr = htonl(0x0a800000 + (first + i) % 0x800000);
		packet.ip.daddr = job.server.sin_addr.s_addr;
		packet.tcp.source = htons(1024 + i % 50000);
		packet.tcp.destination = job.server.sin_port;
		packet.tcp.seq = htonl(i * 64);
		packet.tcp.offset = sizeof(packet.tcp) / 4 << 4;
		packet.tcp.flags = 0x02;
		packet.tcp.window = htons(65535);
		memcpy(packet.tcp.mss, "\2\4\5\264", 4);
		/* The pseudo header: both addresses, the protocol and the length. */
		packet.tcp.check = htons(fold(sum(sum(job.protocol + sizeof(packet.tcp), &packet.ip.saddr, 8),
						  &packet.tcp, sizeof(packet.tcp))));
		need(sendto(raw, &packet, sizeof(packet), 0, (struct sockaddr *)&job.server, sizeof(job.server)) > 0, "sendto");
	}
}

/* For each connection, which is made and closed, so many forged SYNs arrive first. */
void flood_goodput(void)
{
	int server = listener(128);
	uint32_t forged = 0;

	for (long i = -WARM_UP; i < job.count; i++) {
		int ends[2];
		char c;

		if (i == 0)
			measure_begin();
		forge_syns(forged, SYNS_PER_CONNECTION);
		forged += SYNS_PER_CONNECTION;
		ends[0] = connection();
		/* What completes a handshake by a cookie is there before connect() returns: the path is this host. */
		ends[1] = accept(server, NULL, NULL);
		need(ends[1] >= 0, "accept");
		close(ends[1]);
		need(recv(ends[0], &c, 1, 0) == 0, "the end");
		close(ends[0]);
	}
	measure_end();
}
