// SPDX-License-Identifier: GPL-2.0
/* What a socket that never had a connection, or has lost it, tells who sends. */
#include "sockets.h"

/* Sends no octet at all: 0, or why not. */
static int send_nothing(int fd, int flags)
{
	return send(fd, "", 0, flags) ? errno : 0;
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

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
