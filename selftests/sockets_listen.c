// SPDX-License-Identifier: GPL-2.0
/* What a listener does: listen, accept, the backlog, and the end of it. */
#include "sockets.h"

TEST_F(ip, accept_waits_no_longer_than_it_is_told)
{
	struct end at;
	int fd = sock_listening(variant, 1, &at);
	long start;

	ASSERT_LE(0, fd);
	set_nonblocking(fd, true);
	EXPECT_EQ(-1, accept(fd, NULL, NULL));
	EXPECT_EQ(EAGAIN, errno);
	set_nonblocking(fd, false);
	set_timeout(fd, SO_RCVTIMEO, 200);
	start = now_ms();
	EXPECT_EQ(-1, accept(fd, NULL, NULL));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LE(150, now_ms() - start);
	set_timeout(fd, SO_RCVTIMEO, 0);
	catch_signal(SIGALRM);
	alarm_every(50);
	EXPECT_EQ(-1, accept(fd, NULL, NULL));
	EXPECT_EQ(EINTR, errno);
	alarm_every(0);
}

TEST_F(ip, accept_wakes_up_for_a_connection)
{
	struct end at;
	int fd = sock_listening(variant, 1, &at);
	pid_t child = fork();

	if (!child)
		_exit(accept(fd, NULL, NULL) < 0);
	ASSERT_TRUE(wait_asleep(child));
	ASSERT_LE(0, sock_connected(variant, &at));
	EXPECT_EQ(0, child_status(child));
}

TEST_F(ip, accept_refuses_bad_arguments)
{
	struct end at = { .len = sizeof(at.storage) };
	int fd = sock_open(variant, SERVER, 0);

	EXPECT_EQ(-1, accept(fd, NULL, NULL));
	EXPECT_EQ(EINVAL, errno);
	close(fd);
	fd = sock_listening(variant, 4, &at);
	ASSERT_LE(0, sock_connected(variant, &at));
	EXPECT_EQ(-1, accept4(fd, NULL, NULL, 0x40000000));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, accept(fd, &at.sa, BAD_POINTER));
	EXPECT_EQ(EFAULT, errno);
	/* Linux has taken the connection off the queue by then. */
	set_nonblocking(fd, true);
	EXPECT_EQ(-1, accept(fd, NULL, NULL));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(ip, listen_refuses_what_is_not_closed)
{
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(-1, listen(p.client, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, listen(p.server, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, listen(p.listener, -1));
	EXPECT_EQ(0, listen(p.listener, 0));
}

TEST_F(ip, must_41_must_42_connections_share_a_port_with_their_listener)
{
	struct end at, end;
	int listener = sock_listening(variant, 8, &at), client[6], server[6];
	char c;

	for (int i = 0; i < 6; i++) {
		client[i] = sock_connected(variant, &at);
		ASSERT_LE(0, client[i]);
		server[i] = accept(listener, NULL, NULL);
		ASSERT_LE(0, server[i]);
		end = end_local(server[i]);
		EXPECT_TRUE(end_same(&at, &end));
		/* An open harms none that was there before. */
		for (int k = 0; k <= i; k++) {
			c = 'a' + k;
			ASSERT_EQ(1, write(client[k], &c, 1));
			ASSERT_EQ(1, read(server[k], &c, 1));
			EXPECT_EQ('a' + k, c);
		}
	}
	close(server[0]);
	EXPECT_EQ(0, read(client[0], &c, 1));
	EXPECT_EQ(EV_OUT, events_settle(server[1], EV_OUT));
}

TEST_F(ip, a_dual_stack_listener_serves_ipv4)
{
	struct end any = end_at(variant, ANY, 0), at, to, from = { .len = sizeof(from.storage) };
	int listener, client;

	if (!variant->mapped)
		SKIP(return, "about IPv4-mapped addresses");
	listener = sock_open(variant, SERVER, 0);
	ASSERT_EQ(0, set_int(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0));
	ASSERT_EQ(0, bind(listener, &any.sa, any.len));
	ASSERT_EQ(0, listen(listener, 2));
	at = end_local(listener);
	to.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(end_port(&at)) };
	inet_pton(AF_INET, side_text(variant, SERVER), &to.in.sin_addr);
	side_enter(CLIENT);
	client = socket(AF_INET, SOCK_STREAM, protocol_of(variant));
	ASSERT_EQ(0, connect(client, &to.sa, sizeof(to.in)));
	ASSERT_LE(0, accept(listener, &from.sa, &from.len));
	EXPECT_EQ(AF_INET6, from.sa.sa_family);
	EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&from.in6.sin6_addr));
}

TEST_F(ip, accepted_sockets_inherit_options_not_flags)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 5 }, got = {};
	socklen_t len = sizeof(got);
	struct end at;
	int listener = sock_listening(variant, 1, &at), server;

	set_nonblocking(listener, true);
	ASSERT_EQ(0, set_int(listener, SOL_SOCKET, SO_KEEPALIVE, 1));
	ASSERT_EQ(0, set_int(listener, SOL_SOCKET, SO_SNDBUF, 20000));
	ASSERT_EQ(0, setsockopt(listener, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	ASSERT_LE(0, sock_connected(variant, &at));
	ASSERT_EQ(EV_IN, events_settle(listener, EV_IN));
	server = accept(listener, NULL, NULL);
	ASSERT_LE(0, server);
	EXPECT_EQ(0, fcntl(server, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(1, get_int(server, SOL_SOCKET, SO_KEEPALIVE));
	EXPECT_EQ(40000, get_int(server, SOL_SOCKET, SO_SNDBUF));
	EXPECT_EQ(0, getsockopt(server, SOL_SOCKET, SO_LINGER, &got, &len));
	EXPECT_EQ(0, memcmp(&linger, &got, sizeof(got)));
}

/* Connects of clients beyond the backlog stay under way; how many got through after the dust settled. */
static int fill(variant_t *v, const struct end *at, int *fds, int count)
{
	int through = 0;

	for (int i = 0; i < count; i++) {
		fds[i] = sock_open(v, CLIENT, SOCK_NONBLOCK);
		if (connect(fds[i], &at->sa, at->len) && errno != EINPROGRESS)
			return -1;
	}
	/* Well below the second after which a SYN comes again. */
	nap_ms(200);
	for (int i = 0; i < count; i++)
		through += events_now(fds[i]) == EV_OUT;
	return through;
}

TEST_F(ip, the_accept_queue_holds_the_backlog_and_one_more_and_loses_none)
{
	struct end at;
	int listener = sock_listening(variant, 3, &at), fds[8], server;
	char c;

	EXPECT_EQ(4, fill(variant, &at, fds, 8));
	for (int i = 0; i < 8; i++) {
		server = accept(listener, NULL, NULL);
		ASSERT_LE(0, server);
		EXPECT_EQ(1, write(server, "w", 1));
		close(server);
	}
	for (int i = 0; i < 8; i++) {
		EXPECT_EQ(POLLIN, events_wait(fds[i], POLLIN) & POLLIN);
		EXPECT_EQ(1, read(fds[i], &c, 1));
	}
}

TEST_F(ip, listen_again_changes_the_backlog)
{
	struct end at;
	int listener = sock_listening(variant, 0, &at), fds[4];

	EXPECT_EQ(1, fill(variant, &at, fds, 4));
	ASSERT_EQ(0, listen(listener, 8));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(EV_OUT, events_settle(fds[i], EV_OUT));
	for (int i = 0; i < 4; i++)
		EXPECT_LE(0, accept(listener, NULL, NULL));
}

TEST_F(ip, must_12_closing_a_listener_resets_what_waits_in_it)
{
	struct end at;
	int listener = sock_listening(variant, 4, &at), fds[3];
	char c;

	for (int i = 0; i < 3; i++) {
		fds[i] = sock_connected(variant, &at);
		ASSERT_LE(0, fds[i]);
	}
	close(listener);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(POLLERR, events_wait(fds[i], POLLERR) & POLLERR);
		EXPECT_EQ(-1, read(fds[i], &c, 1));
		EXPECT_EQ(ECONNRESET, errno);
	}
	EXPECT_EQ(-1, sock_connected(variant, &at));
	EXPECT_EQ(ECONNREFUSED, errno);
}

TEST_F(ip, shutdown_of_a_listener_stops_it_until_it_listens_again)
{
	struct end at;
	int fd = sock_listening(variant, 4, &at);
	pid_t child;

	EXPECT_EQ(0, shutdown(fd, SHUT_WR));
	ASSERT_LE(0, sock_connected(variant, &at));
	EXPECT_LE(0, accept(fd, NULL, NULL));
	child = fork();
	if (!child)
		_exit(accept(fd, NULL, NULL) >= 0 || errno != EINVAL);
	ASSERT_TRUE(wait_asleep(child));
	EXPECT_EQ(0, shutdown(fd, SHUT_RD));
	EXPECT_EQ(0, child_status(child));
	EXPECT_EQ(-1, sock_connected(variant, &at));
	EXPECT_EQ(ECONNREFUSED, errno);
	EXPECT_EQ(0, listen(fd, 1));
	/* A port that nobody asked for by its number may be another one now. */
	at = end_local(fd);
	EXPECT_LE(0, sock_connected(variant, &at));
}

TEST_F(ip, many_processes_open_and_close_at_once)
{
	struct end at;
	int listener = sock_listening(variant, 64, &at), served = 0;
	pid_t children[4];

	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i])
			continue;
		for (int k = 0; k < 25; k++) {
			int fd = sock_connected(variant, &at);
			char c = 'a' + i, back;

			if (fd < 0 || write(fd, &c, 1) != 1 || read(fd, &back, 1) != 1 || back != c)
				_exit(1);
			close(fd);
		}
		_exit(0);
	}
	for (; served < 100; served++) {
		int fd = accept(listener, NULL, NULL);
		char c;

		ASSERT_LE(0, fd);
		if (read(fd, &c, 1) != 1 || write(fd, &c, 1) != 1)
			break;
		close(fd);
	}
	EXPECT_EQ(100, served);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(0, child_status(children[i]));
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
