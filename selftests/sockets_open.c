// SPDX-License-Identifier: GPL-2.0
/* How connections are opened: connect in all its ways to wait, and what can go wrong. */
#include "sockets.h"

/* A connect() to an address that swallows everything: a socket in SYN-SENT, or -1 when this run has no such address. */
static int opening(variant_t *v, int flags)
{
	struct end to = end_at(v, VOID, 7);
	int fd = sock_open(v, CLIENT, SOCK_NONBLOCK);

	if (connect(fd, &to.sa, to.len) == 0 || errno != EINPROGRESS)
		return -1;
	set_nonblocking(fd, flags & SOCK_NONBLOCK);
	return fd;
}

TEST_F(ip, blocking_connect_and_accept)
{
	struct end from = { .len = sizeof(from.storage) }, mine;
	struct pair p;

	p.listener = sock_listening(variant, 4, &p.at);
	ASSERT_LE(0, p.listener);
	p.client = sock_connected(variant, &p.at);
	ASSERT_LE(0, p.client);
	p.server = accept4(p.listener, &from.sa, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ASSERT_LE(0, p.server);
	mine = end_local(p.client);
	EXPECT_TRUE(end_same(&mine, &from));
	EXPECT_EQ(mine.len, from.len);
	EXPECT_NE(0, fcntl(p.server, F_GETFL) & O_NONBLOCK);
	EXPECT_NE(0, fcntl(p.server, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(protocol_of(variant), get_int(p.server, SOL_SOCKET, SO_PROTOCOL));
	EXPECT_EQ(variant->domain, get_int(p.server, SOL_SOCKET, SO_DOMAIN));
	EXPECT_EQ(0, get_int(p.server, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(1, get_int(p.listener, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(5, send(p.client, "hello", 5, 0));
	EXPECT_EQ(EV_IN | EV_OUT, events_settle(p.server, EV_IN | EV_OUT));
	pair_close(&p);
}

TEST_F(ip, connect_without_waiting)
{
	struct pair p;

	p.listener = sock_listening(variant, 4, &p.at);
	p.client = sock_open(variant, CLIENT, SOCK_NONBLOCK);
	ASSERT_EQ(-1, connect(p.client, &p.at.sa, p.at.len));
	ASSERT_EQ(EINPROGRESS, errno);
	EXPECT_EQ(EV_OUT, events_settle(p.client, EV_OUT));
	EXPECT_EQ(0, error_of(p.client));
	EXPECT_EQ(0, connect(p.client, &p.at.sa, p.at.len));
	EXPECT_EQ(-1, connect(p.client, &p.at.sa, p.at.len));
	EXPECT_EQ(EISCONN, errno);
	EXPECT_LE(0, accept(p.listener, NULL, NULL));
}

TEST_F(ip, a_connect_under_way_is_told_by_ealready)
{
	struct end to, mine;
	int fd;

	if (!side_text(variant, VOID))
		SKIP(return, "no address that swallows");
	to = end_at(variant, VOID, 7);
	fd = opening(variant, SOCK_NONBLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, connect(fd, &to.sa, to.len));
	EXPECT_EQ(EALREADY, errno);
	EXPECT_EQ(0, events_now(fd));
	EXPECT_EQ(0, error_of(fd));
	mine = end_local(fd);
	EXPECT_NE(0, end_port(&mine));
	EXPECT_EQ(-1, getpeername(fd, &to.sa, &to.len));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(-1, recv(fd, &to, 1, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-1, send(fd, &to, 1, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, close(fd));
}

TEST_F(ip, connect_waits_no_longer_than_so_sndtimeo)
{
	long start = now_ms();
	struct end to;
	int fd;

	if (!side_text(variant, VOID))
		SKIP(return, "no address that swallows");
	to = end_at(variant, VOID, 7);
	fd = sock_open(variant, CLIENT, 0);
	set_timeout(fd, SO_SNDTIMEO, 200);
	EXPECT_EQ(-1, connect(fd, &to.sa, to.len));
	EXPECT_EQ(EINPROGRESS, errno);
	EXPECT_LE(150, now_ms() - start);
	EXPECT_EQ(-1, connect(fd, &to.sa, to.len));
	EXPECT_EQ(EALREADY, errno);
}

TEST_F(ip, a_signal_interrupts_connect_but_not_the_connection)
{
	struct end to;
	int fd;

	if (!side_text(variant, VOID))
		SKIP(return, "no address that swallows");
	to = end_at(variant, VOID, 7);
	fd = sock_open(variant, CLIENT, 0);
	catch_signal(SIGALRM);
	alarm_every(50);
	EXPECT_EQ(-1, connect(fd, &to.sa, to.len));
	EXPECT_EQ(EINTR, errno);
	alarm_every(0);
	set_nonblocking(fd, true);
	EXPECT_EQ(-1, connect(fd, &to.sa, to.len));
	EXPECT_EQ(EALREADY, errno);
}

TEST_F(ip, shutdown_ends_a_connect_under_way)
{
	struct end at;
	int fd;

	if (!side_text(variant, VOID))
		SKIP(return, "no address that swallows");
	ASSERT_LE(0, sock_listening(variant, 4, &at));
	for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
		fd = opening(variant, 0);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, shutdown(fd, how));
		EXPECT_EQ(-1, shutdown(fd, how));
		EXPECT_EQ(ENOTCONN, errno);
		EXPECT_EQ(0, connect(fd, &at.sa, at.len));
		close(fd);
	}
}

TEST_F(ip, a_closed_port_refuses)
{
	struct end at;
	int listener = sock_listening(variant, 1, &at), fd;

	close(listener);
	fd = sock_open(variant, CLIENT, 0);
	EXPECT_EQ(-1, connect(fd, &at.sa, at.len));
	EXPECT_EQ(ECONNREFUSED, errno);
	EXPECT_EQ(0, error_of(fd));
	/* The same socket may try again. */
	EXPECT_EQ(-1, connect(fd, &at.sa, at.len));
	EXPECT_EQ(ECONNREFUSED, errno);
	listener = sock_bound(variant, SERVER, end_port(&at));
	ASSERT_LE(0, listener);
	ASSERT_EQ(0, listen(listener, 1));
	EXPECT_EQ(0, connect(fd, &at.sa, at.len));
}

TEST_F(ip, a_refusal_is_told_by_poll_and_so_error_once)
{
	struct end at;
	int fd;

	close(sock_listening(variant, 1, &at));
	fd = sock_open(variant, CLIENT, SOCK_NONBLOCK);
	ASSERT_EQ(-1, connect(fd, &at.sa, at.len));
	ASSERT_EQ(EINPROGRESS, errno);
	EXPECT_EQ(EV_IN | EV_OUT | POLLRDHUP | POLLHUP | POLLERR,
		  events_settle(fd, EV_IN | EV_OUT | POLLRDHUP | POLLHUP | POLLERR));
	EXPECT_EQ(ECONNREFUSED, error_of(fd));
	EXPECT_EQ(0, error_of(fd));
	EXPECT_EQ(EV_IN | EV_OUT | POLLRDHUP | POLLHUP, events_now(fd));
}

TEST_F(ip, a_second_connect_tells_the_refusal)
{
	struct end at;
	int fd;

	close(sock_listening(variant, 1, &at));
	fd = sock_open(variant, CLIENT, SOCK_NONBLOCK);
	ASSERT_EQ(-1, connect(fd, &at.sa, at.len));
	ASSERT_EQ(POLLERR, events_wait(fd, POLLERR) & POLLERR);
	EXPECT_EQ(-1, connect(fd, &at.sa, at.len));
	EXPECT_EQ(ECONNREFUSED, errno);
}

TEST_F(ip, connect_on_a_connection_is_refused)
{
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(-1, connect(p.client, &p.at.sa, p.at.len));
	EXPECT_EQ(EISCONN, errno);
	EXPECT_EQ(-1, connect(p.server, &p.at.sa, p.at.len));
	EXPECT_EQ(EISCONN, errno);
}

TEST_F(ip, connect_on_a_listener)
{
	struct end at, other;
	int fd = sock_listening(variant, 4, &at);
	int target = sock_listening(variant, 4, &other);

	ASSERT_LE(0, fd);
	if (variant->tcp) {
		/* RFC 9293's LISTEN to SYN-SENT: Linux's TCP does not do it. */
		EXPECT_EQ(-1, connect(fd, &other.sa, other.len));
		EXPECT_EQ(EISCONN, errno);
		return;
	}
	/* Not with a connection that waits for accept(). */
	ASSERT_LE(0, sock_connected(variant, &at));
	ASSERT_EQ(EV_IN, events_settle(fd, EV_IN));
	EXPECT_EQ(-1, connect(fd, &other.sa, other.len));
	EXPECT_EQ(EISCONN, errno);
	ASSERT_LE(0, accept(fd, NULL, NULL));
	side_enter(SERVER);
	EXPECT_EQ(0, connect(fd, &other.sa, other.len));
	EXPECT_EQ(0, get_int(fd, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_LE(0, accept(target, NULL, NULL));
	EXPECT_EQ(-1, accept(fd, NULL, NULL));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(ip, must_10_a_socket_connects_to_itself)
{
	int fd = sock_bound(variant, SERVER, 0);
	struct end at = end_local(fd);
	char c = 0;

	ASSERT_LE(0, fd);
	/* Its own SYN meets it in SYN-SENT: a simultaneous open. */
	ASSERT_EQ(0, connect(fd, &at.sa, at.len));
	EXPECT_EQ(1, send(fd, "s", 1, 0));
	EXPECT_EQ(1, recv(fd, &c, 1, 0));
	EXPECT_EQ('s', c);
	EXPECT_EQ(0, shutdown(fd, SHUT_WR));
	EXPECT_EQ(0, recv(fd, &c, 1, 0));
	EXPECT_EQ(0, close(fd));
}

TEST_F(ip, must_44_must_45_ip_names_the_source_when_nobody_did)
{
	struct end local, remote, want = end_at(variant, CLIENT, 0);
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	local = end_local(p.client);
	EXPECT_TRUE(end_same_host(&local, &want));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(1, write(p.client, "x", 1));
		ASSERT_EQ(1, read(p.server, &c, 1));
		local = end_local(p.client);
		remote = end_remote(p.server);
		EXPECT_TRUE(end_same_host(&local, &want));
		EXPECT_TRUE(end_same(&local, &remote));
	}
}

TEST_F(ip, must_46_no_open_to_multicast_or_broadcast)
{
	static const char *const groups4[] = { "224.0.0.1", "239.1.2.3", "255.255.255.255" };
	static const char *const groups6[] = { "ff01::1", "ff05::2", "ff0e::1" };
	bool v6 = variant->domain == AF_INET6 && !variant->mapped;

	for (int i = 0; i < 3; i++) {
		struct end to = end_of(variant, v6 ? groups6[i] : groups4[i], 7);
		int fd = sock_open(variant, CLIENT, SOCK_NONBLOCK);

		EXPECT_EQ(-1, connect(fd, &to.sa, to.len));
		EXPECT_EQ(ENETUNREACH, errno);
		close(fd);
	}
}

TEST_F(ip, connect_refuses_bad_arguments)
{
	struct end at, bad;
	int fd = sock_open(variant, CLIENT, 0);

	ASSERT_LE(0, sock_listening(variant, 1, &at));
	EXPECT_EQ(-1, connect(fd, &at.sa, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, connect(fd, &at.sa, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, connect(fd, &at.sa, variant->domain == AF_INET ? 15 : 23));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, connect(fd, &at.sa, sizeof(at.storage) + 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, connect(fd, BAD_POINTER, at.len));
	EXPECT_EQ(EFAULT, errno);
	bad = at;
	bad.sa.sa_family = AF_UNIX;
	EXPECT_EQ(-1, connect(fd, &bad.sa, bad.len));
	EXPECT_EQ(EAFNOSUPPORT, errno);
	bad.sa.sa_family = variant->domain == AF_INET ? AF_INET6 : AF_INET;
	EXPECT_EQ(-1, connect(fd, &bad.sa, sizeof(bad.in6)));
	EXPECT_EQ(EAFNOSUPPORT, errno);
	/* After all that it is as it was. */
	EXPECT_EQ(0, connect(fd, &at.sa, at.len));
}

TEST_F(ip, no_route_and_a_v6only_socket_are_unreachable)
{
	bool v6 = variant->domain == AF_INET6 && !variant->mapped;
	struct end to = end_of(variant, v6 ? "2001:db8:ffff::1" : "203.0.113.9", 7);
	int fd = sock_open(variant, CLIENT, SOCK_NONBLOCK);

	if (!getenv("SOCKETS_SERVER4"))
		SKIP(return, "the namespace may have a default route");
	EXPECT_EQ(-1, connect(fd, &to.sa, to.len));
	EXPECT_EQ(ENETUNREACH, errno);
	if (!variant->mapped)
		return;
	close(fd);
	to = end_at(variant, SERVER, 7);
	fd = sock_open(variant, CLIENT, SOCK_NONBLOCK);
	ASSERT_EQ(0, set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	EXPECT_EQ(-1, connect(fd, &to.sa, to.len));
	EXPECT_EQ(ENETUNREACH, errno);
}

TEST_F(ip, connect_to_af_unspec_disconnects_and_the_socket_lives_on)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(0, connect(p.client, &none, sizeof(none)));
	EXPECT_EQ(POLLERR, events_wait(p.server, POLLERR) & POLLERR);
	EXPECT_EQ(-1, read(p.server, &c, 1));
	EXPECT_EQ(ECONNRESET, errno);
	EXPECT_EQ(EV_OUT | POLLHUP | POLLERR, events_now(p.client));
	EXPECT_EQ(ECONNRESET, error_of(p.client));
	EXPECT_EQ(0, connect(p.client, &p.at.sa, p.at.len));
	EXPECT_LE(0, accept(p.listener, NULL, NULL));
}

TEST_F(ip, a_new_connection_has_none_of_the_old_ones_errors)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct pair p;
	int server;
	char c = 'q';

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, connect(p.client, &none, sizeof(none)));
	ASSERT_EQ(POLLERR, events_now(p.client) & POLLERR);
	ASSERT_EQ(0, connect(p.client, &p.at.sa, p.at.len));
	EXPECT_EQ(EV_OUT, events_now(p.client));
	EXPECT_EQ(1, send(p.client, &c, 1, 0));
	server = accept(p.listener, NULL, NULL);
	ASSERT_LE(0, server);
	EXPECT_EQ(1, recv(server, &c, 1, 0));
	EXPECT_EQ(0, error_of(p.client));
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
