// SPDX-License-Identifier: GPL-2.0
/*
 * ip_options PROTOCOL timestamp|record-route|router-alert|unknown|loose-route|strict-route: a connection over loopback in which the client puts
 * an IP option into each of its packets. Exits 0 if the data came through, and if the packets of the client, as a raw
 * socket sees them, did carry the option.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct option {
	const char *name;
	uint8_t bytes[12];
	socklen_t len;
};

static const struct option options[] = {
	{ "timestamp", { 68, 12, 5, 0 }, 12 },
	{ "record-route", { 7, 11, 4 }, 12 },
	{ "router-alert", { 148, 4, 0, 0 }, 4 },
	/* Copied to fragments, of a class and number that nobody has defined. */
	{ "unknown", { 0x9f, 8, 1, 2, 3, 4, 5, 6 }, 8 },
	/* Behind an option, to be found there. */
	{ "loose-route", { 1, 131, 7, 4, 127, 0, 0, 1 }, 8 },
	{ "strict-route", { 148, 4, 0, 0, 137, 7, 4, 127, 0, 0, 1, 0 }, 12 },
};

static const struct option *option(const char *name)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (!strcmp(options[i].name, name))
			return &options[i];
	errx(2, "no option is called %s", name);
}

static int new_socket(int type, int protocol)
{
	struct timeval patience = { .tv_sec = 15 };
	int fd = socket(AF_INET, type, protocol);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		err(1, "socket");
	return fd;
}

/*
 * How many packets to that port carried the option, of how many, the FIN being the last: what comes after it may be of a TIME-WAIT,
 * which keeps no IP options, as Linux's.
 */
static int count(int raw, const struct option *option, uint16_t port, int *all)
{
	uint8_t packet[2048];
	struct iphdr *ip = (struct iphdr *)packet;
	int with = 0;
	ssize_t len;

	*all = 0;
	while ((len = recv(raw, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		size_t header = ip->ihl * 4;

		if ((size_t)len < header + 4 || (packet[header + 2] << 8 | packet[header + 3]) != port)
			continue;
		++*all;
		if (header >= sizeof(*ip) + option->len && packet[sizeof(*ip)] == option->bytes[0])
			++with;
		if ((size_t)len > header + 13 && packet[header + 13] & 1)
			break;
	}
	return with;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	const struct option *opt;
	int protocol, raw, listener, client, server, with, all;
	char data[5000] = "", got[sizeof(data)];

	if (argc != 3)
		errx(2, "usage: ip_options PROTOCOL OPTION");
	protocol = atoi(argv[1]);
	opt = option(argv[2]);

	raw = new_socket(SOCK_RAW, protocol);
	listener = new_socket(SOCK_STREAM, protocol);
	client = new_socket(SOCK_STREAM, protocol);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len))
		err(1, "listen");
	if (setsockopt(client, IPPROTO_IP, IP_OPTIONS, opt->bytes, opt->len))
		err(1, "IP_OPTIONS");
	if (connect(client, (struct sockaddr *)&addr, sizeof(addr)))
		err(1, "connect");
	server = accept(listener, NULL, NULL);
	if (server < 0)
		err(1, "accept");
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = 'a' + i % 26;
	if (send(client, data, sizeof(data), 0) != sizeof(data))
		err(1, "send");
	if (recv(server, got, sizeof(got), MSG_WAITALL) != sizeof(got) || memcmp(data, got, sizeof(got)))
		err(1, "recv: not what was sent");
	close(client);
	if (recv(server, got, sizeof(got), 0) != 0)
		err(1, "recv: no end");
	close(server);

	with = count(raw, opt, ntohs(addr.sin_port), &all);
	printf("%d of %d packets with the option\n", with, all);
	/* The SYN, an ACK, data and the FIN at least. */
	return with < 4 || with != all;
}
