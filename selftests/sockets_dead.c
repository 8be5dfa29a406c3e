// SPDX-License-Identifier: GPL-2.0
/* What a socket that never had a connection, or has lost it, tells who sends, and of what was lost. */
#include "sockets.h"

#include <linux/tcp.h>

/* Sends no octet at all: 0, or why not. */
static int send_nothing(int fd, int flags)
{
	return send(fd, "", 0, flags) ? errno : 0;
}

/* Waits until the peer's window is closed and all that fitted into it is acknowledged; what SIOCOUTQ tells then. */
static int unacknowledged(int fd)
{
	long end = now_ms() + PATIENCE_MS;
	struct tcp_info info;
	socklen_t len;
	int value;

	do {
		nap_ms(2);
		len = sizeof(info);
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) || now_ms() >= end)
			return -1;
	} while (info.tcpi_snd_wnd);
	return ioctl(fd, SIOCOUTQ, &value) ? -1 : value;
}

TEST_F(ip, a_send_of_nothing_tells_that_there_is_no_connection)
{
	struct end at = end_at(variant, VOID, 7);
	int fd = sock_open(variant, CLIENT, 0);

	for (int round = 0; round < 2; round++) {
		catch_signal(SIGPIPE);
		EXPECT_EQ(EPIPE, send_nothing(fd, 0));
		EXPECT_EQ(1, signals_seen);
		EXPECT_EQ(EPIPE, send_nothing(fd, MSG_NOSIGNAL));
		EXPECT_EQ(1, signals_seen);
		EXPECT_EQ(-1, write(fd, "", 0));
		EXPECT_EQ(EPIPE, errno);
		EXPECT_EQ(2, signals_seen);
		close(fd);
		/* The same of a listener. */
		fd = sock_listening(variant, 1, &at);
	}
	close(fd);
	/* One that is being opened waits, as with something to send. */
	at = end_at(variant, VOID, 7);
	fd = sock_open(variant, CLIENT, SOCK_NONBLOCK);
	ASSERT_EQ(-1, connect(fd, &at.sa, at.len));
	ASSERT_EQ(EINPROGRESS, errno);
	EXPECT_EQ(EAGAIN, send_nothing(fd, 0));
}

TEST_F(ip, a_send_of_nothing_tells_a_reset_and_a_shutdown)
{
	struct pair p;

	catch_signal(SIGPIPE);
	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(0, send_nothing(p.client, 0));
	/* The peer's close alone is no reason. */
	ASSERT_EQ(0, shutdown(p.server, SHUT_WR));
	ASSERT_EQ(POLLRDHUP, events_wait(p.client, POLLRDHUP) & POLLRDHUP);
	EXPECT_EQ(0, send_nothing(p.client, 0));
	ASSERT_EQ(0, shutdown(p.client, SHUT_WR));
	EXPECT_EQ(EPIPE, send_nothing(p.client, 0));
	EXPECT_EQ(1, signals_seen);
	pair_close(&p);

	ASSERT_EQ(0, pair_open(variant, &p));
	close_hard(p.server);
	ASSERT_EQ(POLLERR, events_wait(p.client, POLLERR) & POLLERR);
	EXPECT_EQ(ECONNRESET, send_nothing(p.client, 0));
	EXPECT_EQ(1, signals_seen);
	EXPECT_EQ(EPIPE, send_nothing(p.client, 0));
	EXPECT_EQ(2, signals_seen);
}

TEST_F(ip, what_a_reset_left_unacknowledged_is_told_until_the_next_connection)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	int before, unsent = -1, value = -1;
	struct pair p;

	ASSERT_EQ(0, pair_open_with(variant, &p, 0, 4096));
	ASSERT_LT(8192, send(p.client, (char[32768]){}, 32768, MSG_DONTWAIT));
	before = unacknowledged(p.client);
	EXPECT_LT(0, before);
	/* The FIN has a number of its own. */
	ASSERT_EQ(0, shutdown(p.client, SHUT_WR));
	EXPECT_EQ(0, ioctl(p.client, SIOCOUTQ, &value));
	EXPECT_EQ(before + 1, value);
	close_hard(p.server);
	ASSERT_EQ(POLLERR, events_wait(p.client, POLLERR) & POLLERR);
	for (int round = 0; round < 2; round++) {
		EXPECT_EQ(0, ioctl(p.client, SIOCOUTQ, &value));
		EXPECT_EQ(before + 1, value);
		/* A probe of the window may be under way. */
		EXPECT_EQ(0, ioctl(p.client, SIOCOUTQNSD, &unsent));
		EXPECT_GE(value, unsent);
		EXPECT_LE(before, unsent);
		EXPECT_EQ(round ? 0 : ECONNRESET, error_of(p.client));
	}
	side_enter(CLIENT);
	ASSERT_EQ(0, connect(p.client, &unspec, sizeof(unspec)));
	ASSERT_EQ(0, connect(p.client, &p.at.sa, p.at.len));
	EXPECT_EQ(0, ioctl(p.client, SIOCOUTQ, &value));
	EXPECT_EQ(0, value);
}

TEST_F(ip, nothing_is_unacknowledged_after_an_orderly_end)
{
	struct pair p;
	int value;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(3, write(p.client, "abc", 3));
	ASSERT_EQ(0, shutdown(p.client, SHUT_WR));
	EXPECT_EQ(0, queue_settle(p.client, SIOCOUTQ, 0));
	ASSERT_EQ(0, shutdown(p.server, SHUT_WR));
	ASSERT_EQ(POLLHUP, events_wait(p.client, POLLHUP) & POLLHUP);
	ASSERT_EQ(POLLHUP, events_wait(p.server, POLLHUP) & POLLHUP);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, ioctl(i ? p.server : p.client, SIOCOUTQ, &value));
		EXPECT_EQ(0, value);
		EXPECT_EQ(0, ioctl(i ? p.server : p.client, SIOCOUTQNSD, &value));
		EXPECT_EQ(0, value);
	}
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
