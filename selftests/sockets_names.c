// SPDX-License-Identifier: GPL-2.0
/* What a socket is called and how it is set: socket, bind, getsockname, getpeername, options, ioctls, bad arguments. */
#include "sockets.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

/* linux/in.h, which netinet/in.h excludes. */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

TEST_F(ip, a_socket_tells_what_it_is)
{
	int fd = sock_open(variant, SERVER, SOCK_CLOEXEC | SOCK_NONBLOCK);

	ASSERT_LE(0, fd);
	EXPECT_EQ(protocol_of(variant), get_int(fd, SOL_SOCKET, SO_PROTOCOL));
	EXPECT_EQ(variant->domain, get_int(fd, SOL_SOCKET, SO_DOMAIN));
	EXPECT_EQ(SOCK_STREAM, get_int(fd, SOL_SOCKET, SO_TYPE));
	EXPECT_EQ(0, get_int(fd, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(0, error_of(fd));
	EXPECT_NE(0, fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_NE(0, fcntl(fd, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(0, close(fd));
}

TEST_F(ip, other_socket_types_are_refused)
{
	side_enter(SERVER);
	EXPECT_EQ(-1, socket(variant->domain, SOCK_DGRAM, protocol_of(variant)));
	EXPECT_EQ(EPROTONOSUPPORT, errno);
	EXPECT_EQ(-1, socket(variant->domain, SOCK_SEQPACKET, protocol_of(variant)));
	EXPECT_EQ(ESOCKTNOSUPPORT, errno);
	EXPECT_EQ(-1, socketpair(variant->domain, SOCK_STREAM, protocol_of(variant), (int[2]){}));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

TEST_F(ip, must_43_bind_names_the_local_address)
{
	struct end want = end_at(variant, SERVER, 0), got;
	int fd = sock_bound(variant, SERVER, 0);

	ASSERT_LE(0, fd);
	got = end_local(fd);
	EXPECT_EQ(want.len, got.len);
	EXPECT_TRUE(end_same_host(&want, &got));
	EXPECT_NE(0, end_port(&got));
	EXPECT_EQ(-1, bind(fd, &want.sa, want.len));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(ip, must_43_a_connection_keeps_the_address_that_bind_gave)
{
	struct end at, mine, seen;
	int listener = sock_listening(variant, 1, &at), client, server;

	ASSERT_LE(0, listener);
	client = sock_bound(variant, CLIENT, 0);
	ASSERT_LE(0, client);
	mine = end_local(client);
	ASSERT_EQ(0, connect(client, &at.sa, at.len));
	server = accept(listener, NULL, NULL);
	ASSERT_LE(0, server);
	seen = end_remote(server);
	EXPECT_TRUE(end_same(&mine, &seen));
	mine = end_local(client);
	EXPECT_TRUE(end_same(&mine, &seen));
}

TEST_F(ip, port_0_gives_a_free_port_of_the_range)
{
	int fds[16], ports[16], low = 32768, high = 60999;
	FILE *range;

	side_enter(SERVER);
	range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
	if (range) {
		ASSERT_EQ(2, fscanf(range, "%d %d", &low, &high));
		fclose(range);
	}
	for (int i = 0; i < 16; i++) {
		struct end end;

		fds[i] = sock_bound(variant, i % 2 ? SERVER : ANY, 0);
		ASSERT_LE(0, fds[i]);
		end = end_local(fds[i]);
		ports[i] = end_port(&end);
		EXPECT_LE(low, ports[i]);
		EXPECT_GE(high, ports[i]);
		for (int k = 0; k < i; k++)
			EXPECT_NE(ports[k], ports[i]);
	}
}

TEST_F(ip, a_bound_port_is_in_use)
{
	int fd = sock_bound(variant, SERVER, 0);
	struct end at;
	int other;

	ASSERT_LE(0, fd);
	at = end_local(fd);
	EXPECT_EQ(-1, sock_bound(variant, SERVER, end_port(&at)));
	EXPECT_EQ(EADDRINUSE, errno);
	EXPECT_EQ(-1, sock_bound(variant, ANY, end_port(&at)));
	EXPECT_EQ(EADDRINUSE, errno);
	if (side_text(variant, OTHER)) {
		other = sock_bound(variant, OTHER, end_port(&at));
		EXPECT_LE(0, other);
		close(other);
	}
	ASSERT_EQ(0, close(fd));
	fd = sock_bound(variant, SERVER, end_port(&at));
	EXPECT_LE(0, fd);
}

TEST_F(ip, a_port_bound_to_the_wildcard_is_in_use)
{
	int fd = sock_bound(variant, ANY, 0);
	struct end at;

	ASSERT_LE(0, fd);
	at = end_local(fd);
	EXPECT_EQ(-1, sock_bound(variant, ANY, end_port(&at)));
	EXPECT_EQ(EADDRINUSE, errno);
	EXPECT_EQ(-1, sock_bound(variant, SERVER, end_port(&at)));
	EXPECT_EQ(EADDRINUSE, errno);
}

TEST_F(ip, connect_takes_no_port_that_bind_gave_and_bind_none_that_connect_took)
{
	struct end at, other_at, mine;
	int listener = sock_listening(variant, 1, &at), other = sock_listening(variant, 1, &other_at), fd, clients[3];
	unsigned int only;

	ASSERT_LE(0, listener);
	ASSERT_LE(0, other);
	fd = sock_bound(variant, CLIENT, 0);
	ASSERT_LE(0, fd);
	mine = end_local(fd);
	/* The range of one port, both ends of it. */
	only = end_port(&mine) * 0x10001u;
	for (int i = 0; i < 3; i++) {
		clients[i] = sock_open(variant, CLIENT, 0);
		ASSERT_LE(0, clients[i]);
		ASSERT_EQ(0, set_int(clients[i], IPPROTO_IP, IP_LOCAL_PORT_RANGE, only));
	}
	EXPECT_EQ(-1, connect(clients[0], &at.sa, at.len));
	EXPECT_EQ(EADDRNOTAVAIL, errno);
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, connect(clients[0], &at.sa, at.len));
	EXPECT_EQ(-1, sock_bound(variant, CLIENT, end_port(&mine)));
	EXPECT_EQ(EADDRINUSE, errno);
	/* Another connection has the port, too, unless it is the very same one. */
	EXPECT_EQ(0, connect(clients[1], &other_at.sa, other_at.len));
	EXPECT_EQ(-1, connect(clients[2], &at.sa, at.len));
	EXPECT_EQ(EADDRNOTAVAIL, errno);
}

TEST_F(ip, so_reuseaddr_shares_a_port_until_one_listens)
{
	struct end at = end_at(variant, SERVER, 0);
	int fd[3];

	for (int i = 0; i < 3; i++) {
		fd[i] = sock_open(variant, SERVER, 0);
		ASSERT_LE(0, fd[i]);
		ASSERT_EQ(0, set_int(fd[i], SOL_SOCKET, SO_REUSEADDR, 1));
		EXPECT_EQ(1, get_int(fd[i], SOL_SOCKET, SO_REUSEADDR));
	}
	ASSERT_EQ(0, bind(fd[0], &at.sa, at.len));
	at = end_local(fd[0]);
	ASSERT_EQ(0, bind(fd[1], &at.sa, at.len));
	ASSERT_EQ(0, listen(fd[0], 1));
	EXPECT_EQ(-1, listen(fd[1], 1));
	EXPECT_EQ(EADDRINUSE, errno);
	EXPECT_EQ(-1, bind(fd[2], &at.sa, at.len));
	EXPECT_EQ(EADDRINUSE, errno);
}

TEST_F(ip, ipv6_wildcard_takes_the_ipv4_port_unless_v6only)
{
	struct sockaddr_in any4 = { .sin_family = AF_INET };
	struct end at;
	int fd, fd4;

	if (variant->domain != AF_INET6 || variant->mapped)
		SKIP(return, "about AF_INET6");
	for (int only = 0; only < 2; only++) {
		struct end any = end_at(variant, ANY, 0);

		fd = sock_open(variant, SERVER, 0);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, only));
		ASSERT_EQ(0, bind(fd, &any.sa, any.len));
		at = end_local(fd);
		any4.sin_port = htons(end_port(&at));
		fd4 = socket(AF_INET, SOCK_STREAM, protocol_of(variant));
		ASSERT_LE(0, fd4);
		if (only) {
			EXPECT_EQ(0, bind(fd4, (void *)&any4, sizeof(any4)));
		} else {
			EXPECT_EQ(-1, bind(fd4, (void *)&any4, sizeof(any4)));
			EXPECT_EQ(EADDRINUSE, errno);
		}
		close(fd4);
		close(fd);
	}
}

TEST_F(ip, an_address_of_another_machine_is_not_available)
{
	bool v6 = variant->domain == AF_INET6 && !variant->mapped;
	struct end at = end_of(variant, v6 ? "2001:db8:ffff::1" : "203.0.113.9", 0);
	int fd = sock_open(variant, SERVER, 0);

	EXPECT_EQ(-1, bind(fd, &at.sa, at.len));
	EXPECT_EQ(EADDRNOTAVAIL, errno);
	at = end_at(variant, SERVER, 0);
	EXPECT_EQ(0, bind(fd, &at.sa, at.len));
}

TEST_F(ip, low_ports_are_for_the_privileged)
{
	int start = 1024, fd;
	FILE *file;

	side_enter(SERVER);
	file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
	if (file) {
		ASSERT_EQ(1, fscanf(file, "%d", &start));
		fclose(file);
	}
	ASSERT_LT(1, start);
	if (geteuid() == 0) {
		fd = sock_bound(variant, SERVER, start - 1);
		EXPECT_LE(0, fd);
		close(fd);
		side_ns[0] = side_ns[1] = -1;
		ASSERT_EQ(0, setresuid(65534, 65534, 65534));
	}
	EXPECT_EQ(-1, sock_bound(variant, SERVER, start - 1));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, sock_bound(variant, SERVER, 1));
	EXPECT_EQ(EACCES, errno);
	fd = sock_bound(variant, SERVER, 0);
	EXPECT_LE(0, fd);
}

TEST_F(ip, bind_refuses_bad_arguments)
{
	struct end at = end_at(variant, SERVER, 0);
	int fd = sock_open(variant, SERVER, 0);

	EXPECT_EQ(-1, bind(fd, &at.sa, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, bind(fd, &at.sa, sizeof(sa_family_t)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, bind(fd, &at.sa, (variant->domain == AF_INET ? 16 : 24) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, bind(fd, &at.sa, sizeof(at.storage) + 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, bind(fd, &at.sa, -1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, bind(fd, BAD_POINTER, at.len));
	EXPECT_EQ(EFAULT, errno);
	at.sa.sa_family = AF_UNIX;
	EXPECT_EQ(-1, bind(fd, &at.sa, at.len));
	EXPECT_EQ(EAFNOSUPPORT, errno);
	EXPECT_EQ(0, end_port(&(struct end[]){ end_local(fd) }[0]));
}

TEST_F(ip, names_of_an_unconnected_socket)
{
	int fd = sock_open(variant, SERVER, 0);
	struct end end = end_local(fd), any = end_at(variant, ANY, 0);
	struct sockaddr_storage buf;
	socklen_t len = sizeof(buf);

	EXPECT_TRUE(end_same(&end, &any));
	EXPECT_EQ(-1, getpeername(fd, (void *)&buf, &len));
	EXPECT_EQ(ENOTCONN, errno);
	ASSERT_EQ(0, listen(fd, 1));
	end = end_local(fd);
	EXPECT_NE(0, end_port(&end));
	EXPECT_EQ(-1, getpeername(fd, (void *)&buf, &len));
	EXPECT_EQ(ENOTCONN, errno);
}

TEST_F(ip, names_of_a_connection_agree)
{
	struct end local, remote;
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	local = end_local(p.client);
	remote = end_remote(p.client);
	EXPECT_TRUE(end_same(&remote, &p.at));
	EXPECT_EQ(local.len, remote.len);
	remote = end_remote(p.server);
	EXPECT_TRUE(end_same(&local, &remote));
	local = end_local(p.server);
	EXPECT_TRUE(end_same(&local, &p.at));
}

TEST_F(ip, name_calls_refuse_bad_arguments)
{
	struct sockaddr_storage buf;
	struct pair p;
	socklen_t len;

	ASSERT_EQ(0, pair_open(variant, &p));
	len = -1;
	EXPECT_EQ(-1, getsockname(p.client, (void *)&buf, &len));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, getsockname(p.client, (void *)&buf, BAD_POINTER));
	EXPECT_EQ(EFAULT, errno);
	len = sizeof(buf);
	EXPECT_EQ(-1, getpeername(p.client, BAD_POINTER, &len));
	EXPECT_EQ(EFAULT, errno);
	/* A short buffer is filled, and the whole length told. */
	memset(&buf, 0x5a, sizeof(buf));
	len = 4;
	EXPECT_EQ(0, getpeername(p.client, (void *)&buf, &len));
	EXPECT_EQ(p.at.len, len);
	EXPECT_EQ(0, memcmp(&buf, &p.at.sa, 4));
	EXPECT_EQ(0x5a, ((unsigned char *)&buf)[4]);
}

TEST_F(ip, must_25_keepalive_is_off_until_asked_for)
{
	int fd = sock_open(variant, SERVER, 0);

	EXPECT_EQ(0, get_int(fd, SOL_SOCKET, SO_KEEPALIVE));
	EXPECT_EQ(0, set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1));
	EXPECT_EQ(1, get_int(fd, SOL_SOCKET, SO_KEEPALIVE));
}

TEST_F(ip, socket_options_are_kept)
{
	struct linger set = { .l_onoff = 1, .l_linger = 7 }, got = {};
	struct timeval tv = { .tv_sec = 3 }, tv_got = {};
	int fd = sock_open(variant, SERVER, 0);
	socklen_t len;

	EXPECT_EQ(0, set_int(fd, SOL_SOCKET, SO_SNDBUF, 20000));
	EXPECT_EQ(40000, get_int(fd, SOL_SOCKET, SO_SNDBUF));
	EXPECT_EQ(0, set_int(fd, SOL_SOCKET, SO_RCVBUF, 30000));
	EXPECT_EQ(60000, get_int(fd, SOL_SOCKET, SO_RCVBUF));
	EXPECT_EQ(0, set_int(fd, SOL_SOCKET, SO_SNDBUF, 0));
	EXPECT_LT(0, get_int(fd, SOL_SOCKET, SO_SNDBUF));
	EXPECT_EQ(0, set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 0));
	EXPECT_EQ(1, get_int(fd, SOL_SOCKET, SO_RCVLOWAT));
	EXPECT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_LINGER, &set, sizeof(set)));
	len = sizeof(got);
	EXPECT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &len));
	EXPECT_EQ(0, memcmp(&set, &got, sizeof(got)));
	EXPECT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	len = sizeof(tv_got);
	EXPECT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv_got, &len));
	EXPECT_EQ(3, tv_got.tv_sec);
	EXPECT_EQ(0, set_int(fd, SOL_SOCKET, SO_PRIORITY, 3));
	EXPECT_EQ(3, get_int(fd, SOL_SOCKET, SO_PRIORITY));
}

TEST_F(ip, unknown_options_and_bad_option_arguments)
{
	int fd = sock_open(variant, SERVER, 0), value = 1;
	socklen_t len = sizeof(value);

	EXPECT_EQ(-ENOPROTOOPT, get_int(fd, SOL_SOCKET, 9999));
	EXPECT_EQ(-1, set_int(fd, SOL_SOCKET, 9999, 1));
	EXPECT_EQ(ENOPROTOOPT, errno);
	EXPECT_EQ(-1, set_int(fd, 9999, 1, 1));
	EXPECT_EQ(ENOPROTOOPT, errno);
	EXPECT_EQ(-1, getsockopt(fd, 9999, 1, &value, &len));
	EXPECT_TRUE(errno == ENOPROTOOPT || errno == EOPNOTSUPP);
	EXPECT_EQ(-1, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, BAD_POINTER, sizeof(value)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, -1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, BAD_POINTER));
	EXPECT_EQ(EFAULT, errno);
}

/* The IP header (version 4 or 6) of the first packet that `fd` sees of our protocol and source port. */
static bool sniff(int fd, variant_t *v, int port, unsigned char ip[20])
{
	bool v6 = v->domain == AF_INET6 && !v->mapped;
	long end = now_ms() + PATIENCE_MS;
	unsigned char buf[256];

	while (now_ms() < end) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		size_t header = v6 ? 40 : 20;
		ssize_t n;

		if (poll(&p, 1, 1000) <= 0)
			continue;
		n = recv(fd, buf, sizeof(buf), 0);
		if (n < (ssize_t)header + 4 || buf[0] >> 4 != (v6 ? 6 : 4) || buf[v6 ? 6 : 9] != protocol_of(v))
			continue;
		if ((buf[header] << 8 | buf[header + 1]) != port)
			continue;
		memcpy(ip, buf, 20);
		return true;
	}
	return false;
}

/* Sets tos and hops on a client, connects, and gives what its SYN's header then says; changes tos, sends, again. */
static int header_fields(variant_t *v, int tos[3], int hops)
{
	bool v6 = v->domain == AF_INET6 && !v->mapped;
	unsigned char ip[20];
	struct end at;
	int listener = sock_listening(v, 1, &at), client, packets;

	if (listener < 0)
		return -1;
	client = sock_bound(v, CLIENT, 0);
	packets = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
	if (client < 0 || packets < 0)
		return -2;
	if (v6 ? set_int(client, IPPROTO_IPV6, IPV6_TCLASS, tos[0]) || set_int(client, IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops) :
		 set_int(client, IPPROTO_IP, IP_TOS, tos[0]) || set_int(client, IPPROTO_IP, IP_TTL, hops))
		return -3;
	at = end_local(listener);
	for (int round = 1; round < 3; round++) {
		struct end mine = end_local(client);

		if (round == 1 ? connect(client, &at.sa, at.len) :
		    (v6 ? set_int(client, IPPROTO_IPV6, IPV6_TCLASS, tos[0]) : set_int(client, IPPROTO_IP, IP_TOS, tos[0])) ||
			    write(client, "x", 1) != 1)
			return -4;
		/* What is left of the first round has gone by before the option was set again. */
		if (!sniff(packets, v, end_port(&mine), ip))
			return -5;
		tos[round] = v6 ? (ip[0] << 4 | ip[1] >> 4) & 0xff : ip[1];
		if ((v6 ? ip[7] : ip[8]) != hops)
			return -6;
		tos[0] += 8;
		close(packets);
		packets = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
	}
	return 0;
}

TEST_F(ip, must_48_must_49_shld_21_shld_22_tos_and_ttl_reach_the_wire_and_may_change)
{
	int tos[3] = { 0x20 };

	ASSERT_EQ(0, header_fields(variant, tos, 77));
	EXPECT_EQ(0x20, tos[1]);
	EXPECT_EQ(0x28, tos[2]);
}

/* The flow label of the SYN of a client without bind(), -1 if there is none. */
static int flow_label(variant_t *v, const struct end *to)
{
	int client = sock_open(v, CLIENT, 0), packets = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
	unsigned char ip[20];
	struct end mine;

	if (client < 0 || packets < 0 || connect(client, &to->sa, to->len))
		return -1;
	mine = end_local(client);
	if (!sniff(packets, v, end_port(&mine), ip))
		return -1;
	close(packets);
	return (ip[1] & 0xf) << 16 | ip[2] << 8 | ip[3];
}

TEST_F(ip, connections_to_one_port_have_flow_labels_of_their_own)
{
	int listener, first, second;
	struct end at;

	if (variant->domain != AF_INET6 || variant->mapped)
		SKIP(return, "IPv6 only");
	listener = sock_listening(variant, 2, &at);
	ASSERT_LE(0, listener);
	at = end_local(listener);
	first = flow_label(variant, &at);
	second = flow_label(variant, &at);
	EXPECT_LT(0, first);
	EXPECT_LT(0, second);
	EXPECT_NE(first, second);
}

TEST_F(ip, ioctls_answer_in_each_state)
{
	int fd = sock_open(variant, SERVER, 0), value = -1;

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ioctl(fd, SIOCINQ, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(0, ioctl(fd, SIOCOUTQ, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(-1, ioctl(fd, SIOCINQ, BAD_POINTER));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(fd, _IO(0x89, 0xdf), &value));
	EXPECT_EQ(ENOTTY, errno);
	ASSERT_EQ(0, listen(fd, 1));
	EXPECT_EQ(-1, ioctl(fd, SIOCINQ, &value));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(fd, SIOCOUTQ, &value));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(ip, a_thousand_sockets_open_and_close)
{
	static int fds[1000];
	int made = 0;

	side_enter(SERVER);
	for (; made < 1000; made++) {
		fds[made] = sock_open(variant, SERVER, 0);
		if (fds[made] < 0)
			break;
	}
	EXPECT_LE(1000, made);
	for (int i = 0; i < made; i++)
		EXPECT_EQ(0, close(fds[i]));
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
