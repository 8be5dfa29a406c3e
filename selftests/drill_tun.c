// SPDX-License-Identifier: GPL-2.0
/* drill: the TUN device behind which the peer lives, and waiting. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <linux/ipv6_route.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "drill.h"

uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static void set_address4(int s, struct ifreq *ifr, unsigned long request, const char *addr)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&ifr->ifr_addr;

	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	inet_pton(AF_INET, addr, &sin->sin_addr);
	if (ioctl(s, request, ifr))
		fail("address %s: %s", addr, strerror(errno));
}

/* Whether packets to an address of ours are taken: its route is there. */
static bool has_local_route6(const struct in6_addr *addr)
{
	char line[256], dest[33], *p = dest;
	unsigned int prefix, flags;
	bool found = false;
	FILE *routes = fopen("/proc/net/ipv6_route", "r");
	size_t i;

	if (!routes)
		fail("/proc/net/ipv6_route: %s", strerror(errno));
	for (i = 0; i < sizeof(addr->s6_addr); i++)
		p += sprintf(p, "%02x", addr->s6_addr[i]);
	while (!found && fgets(line, sizeof(line), routes))
		found = !strncmp(line, dest, 32) && sscanf(line, "%*s %x %*s %*s %*s %*s %*s %*s %x", &prefix, &flags) == 2 &&
			prefix == 128 && (flags & RTF_LOCAL);
	fclose(routes);
	return found;
}

/* The kernel makes an IPv6 address usable a little later, in a work item, and its route in the same item, after that. */
static void set_address6(int ifindex, const char *addr)
{
	struct in6_ifreq req = { .ifr6_prefixlen = 64, .ifr6_ifindex = ifindex };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	uint64_t deadline = now_us() + 10000 * MS;
	int s = socket(AF_INET6, SOCK_DGRAM, 0);
	bool bound = false;

	inet_pton(AF_INET6, addr, &req.ifr6_addr);
	sin6.sin6_addr = req.ifr6_addr;
	if (s < 0 || ioctl(s, SIOCSIFADDR, &req))
		fail("address %s: %s", addr, strerror(errno));
	while (!(bound = bound || !bind(s, (struct sockaddr *)&sin6, sizeof(sin6))) || !has_local_route6(&req.ifr6_addr)) {
		if (now_us() > deadline)
			fail("address %s does not become usable", addr);
		usleep(1000);
	}
	close(s);
}

void tun_open(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	drill.tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (drill.tun < 0)
		drill.tun = open("/dev/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (drill.tun < 0)
		fail("/dev/net/tun: %s", strerror(errno));
	strcpy(ifr.ifr_name, "drill%d");
	if (ioctl(drill.tun, TUNSETIFF, &ifr))
		fail("TUN device: %s", strerror(errno));
	ifr.ifr_mtu = drill.mtu;
	if (ioctl(s, SIOCSIFMTU, &ifr))
		fail("mtu %d: %s", drill.mtu, strerror(errno));
	if (drill.family == AF_INET) {
		set_address4(s, &ifr, SIOCSIFADDR, drill.host_addr);
		set_address4(s, &ifr, SIOCSIFNETMASK, "255.255.255.0");
	}
	if (ioctl(s, SIOCGIFFLAGS, &ifr))
		fail("flags of %s: %s", ifr.ifr_name, strerror(errno));
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &ifr) || ioctl(s, SIOCGIFINDEX, &ifr))
		fail("%s up: %s", ifr.ifr_name, strerror(errno));
	if (drill.family == AF_INET6)
		set_address6(ifr.ifr_ifindex, drill.host_addr);
	close(s);
}

void tun_send(const void *packet, size_t len)
{
	if (write(drill.tun, packet, len) != (ssize_t)len)
		fail("the device takes no packet of %zu octets: %s", len, strerror(errno));
}

/*
 * Waits until DEADLINE, the next packet or, where FD is not negative, until EVENTS are there; takes in
 * all packets that have come. False when the deadline passed without any of it.
 */
bool pump(uint64_t deadline, int fd, short events)
{
	struct pollfd fds[2] = { { drill.tun, POLLIN, 0 }, { fd, events, 0 } };
	uint64_t now = now_us(), left = deadline > now ? deadline - now : 0;
	struct timespec timeout = { left / 1000000, left % 1000000 * 1000 };
	uint8_t packet[MAX_PACKET];
	ssize_t len;
	int n;

	n = ppoll(fds, fd < 0 ? 1 : 2, &timeout, NULL);
	if (n < 0 && errno != EINTR)
		fail("poll: %s", strerror(errno));
	while ((len = read(drill.tun, packet, sizeof(packet))) > 0)
		parse_packet(packet, len);
	return n != 0;
}
