// SPDX-License-Identifier: GPL-2.0
/*
 * sums: looks at each IPv4 packet of a protocol that comes in by a device, until it is told to end (SIGTERM).
 *
 *	sums DEVICE PROTO
 *
 * Prints "listening" once it looks, and at the end how many checksums were right and how many were not. What the kernel has marked as
 * still to be computed counts as it is in the packet: as a card would see it that does not know the mark.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) }, from;
	struct sigaction action = { .sa_handler = end };
	unsigned long right = 0, wrong = 0;
	static uint8_t packet[1 << 16];
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP)), buffer = 64 << 20;

	if (argc != 3)
		return 2;
	at.sll_ifindex = if_nametoindex(argv[1]);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	if (sigaction(SIGTERM, &action, NULL) || bind(fd, (void *)&at, sizeof(at))) {
		perror("sums");
		return 1;
	}
	puts("listening");
	fflush(stdout);
	while (!ended) {
		socklen_t from_len = sizeof(from);
		ssize_t len = recvfrom(fd, packet, sizeof(packet), 0, (void *)&from, &from_len);
		int header = (packet[0] & 15) * 4, total = get16(packet + 2);
		uint32_t pseudo;

		if (len < 20 || from.sll_pkttype == PACKET_OUTGOING || packet[9] != atoi(argv[2]) || total > len || total < header)
			continue;
		pseudo = sum(packet[9] + total - header, packet + 12, 8);
		if (fold(sum(pseudo, packet + header, total - header)))
			wrong++;
		else
			right++;
	}
	printf("%lu right, %lu wrong\n", right, wrong);
	return 0;
}
