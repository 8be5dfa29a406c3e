// SPDX-License-Identifier: GPL-2.0
/* What poll, select and epoll say of a socket in each phase of its life, and that they wake who waits. */
#include "sockets.h"

#include <sys/epoll.h>
#include <sys/select.h>

#define EV_DEAD (EV_IN | EV_OUT | POLLRDHUP | POLLHUP)

/* More than the buffers of both sides hold. */
static void stuff(int fd)
{
	set_nonblocking(fd, true);
	for (int quiet = 0; quiet < 20;) {
		if (send(fd, (char[4096]){}, 4096, MSG_NOSIGNAL) > 0) {
			quiet = 0;
		} else {
			quiet++;
			nap_ms(5);
		}
	}
}

TEST_F(ip, poll_before_a_connection)
{
	struct end at;
	int fd = sock_open(variant, CLIENT, 0);

	EXPECT_EQ(EV_OUT | POLLHUP, events_now(fd));
	close(fd);
	fd = sock_bound(variant, SERVER, 0);
	EXPECT_EQ(EV_OUT | POLLHUP, events_now(fd));
	close(fd);
	fd = sock_listening(variant, 2, &at);
	EXPECT_EQ(0, events_now(fd));
	ASSERT_LE(0, sock_connected(variant, &at));
	EXPECT_EQ(EV_IN, events_settle(fd, EV_IN));
	ASSERT_LE(0, accept(fd, NULL, NULL));
	EXPECT_EQ(0, events_now(fd));
	EXPECT_EQ(0, shutdown(fd, SHUT_RD));
	EXPECT_EQ(EV_OUT | POLLHUP, events_now(fd) & (EV_OUT | POLLHUP));
}

TEST_F(ip, poll_of_an_open_connection)
{
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(EV_OUT, events_now(p.client));
	EXPECT_EQ(EV_OUT, events_now(p.server));
	ASSERT_EQ(1, write(p.client, "x", 1));
	EXPECT_EQ(EV_IN | EV_OUT, events_settle(p.server, EV_IN | EV_OUT));
	ASSERT_EQ(1, read(p.server, &c, 1));
	EXPECT_EQ(EV_OUT, events_now(p.server));
}

TEST_F(ip, poll_of_a_full_connection)
{
	struct pair p;

	ASSERT_EQ(0, pair_open_with(variant, &p, 4096, 4096));
	stuff(p.client);
	EXPECT_EQ(0, events_now(p.client));
	EXPECT_EQ(EV_IN | EV_OUT, events_now(p.server));
	/* A FIN from the other side makes it no more writable. */
	ASSERT_EQ(0, shutdown(p.server, SHUT_WR));
	EXPECT_EQ(EV_IN | POLLRDHUP, events_settle(p.client, EV_IN | POLLRDHUP));
}

TEST_F(ip, poll_through_an_orderly_close)
{
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	/* FIN-WAIT-2 here, CLOSE-WAIT there */
	ASSERT_EQ(0, shutdown(p.client, SHUT_WR));
	EXPECT_EQ(EV_IN | EV_OUT | POLLRDHUP, events_settle(p.server, EV_IN | EV_OUT | POLLRDHUP));
	EXPECT_EQ(EV_OUT, events_now(p.client));
	/* TIME-WAIT here, CLOSED there */
	ASSERT_EQ(0, shutdown(p.server, SHUT_WR));
	EXPECT_EQ(EV_DEAD, events_settle(p.server, EV_DEAD));
	EXPECT_EQ(EV_DEAD, events_settle(p.client, EV_DEAD));
}

TEST_F(ip, poll_after_shutdown_for_reading)
{
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, shutdown(p.client, SHUT_RD));
	EXPECT_EQ(EV_IN | EV_OUT | POLLRDHUP, events_now(p.client));
	EXPECT_EQ(EV_OUT, events_now(p.server));
	ASSERT_EQ(0, shutdown(p.client, SHUT_WR));
	EXPECT_EQ(EV_DEAD, events_now(p.client));
}

TEST_F(ip, must_12_poll_after_a_reset)
{
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	close_hard(p.server);
	EXPECT_EQ(EV_DEAD | POLLERR, events_settle(p.client, EV_DEAD | POLLERR));
	EXPECT_EQ(ECONNRESET, error_of(p.client));
	EXPECT_EQ(EV_DEAD, events_now(p.client));
}

/* A child that polls fd for `events` and reports what it saw when woken. */
static pid_t poller(int fd, int events)
{
	pid_t child = fork();

	if (!child) {
		struct pollfd p = { .fd = fd, .events = events };

		/* The high bits hold POLLRDHUP, out of an exit code's reach. */
		if (poll(&p, 1, PATIENCE_MS) != 1)
			_exit(0);
		_exit((p.revents & 0x1f) | (p.revents & POLLRDHUP ? 0x80 : 0));
	}
	return child;
}

TEST_F(ip, poll_wakes_for_each_event)
{
	struct pair p;
	pid_t child;
	int fd;

	ASSERT_EQ(0, pair_open_with(variant, &p, 4096, 4096));
	child = poller(p.listener, POLLIN);
	ASSERT_TRUE(wait_asleep(child));
	fd = sock_connected(variant, &p.at);
	EXPECT_EQ(POLLIN, child_status(child));

	child = poller(p.server, POLLIN);
	ASSERT_TRUE(wait_asleep(child));
	ASSERT_EQ(1, write(p.client, "x", 1));
	EXPECT_EQ(POLLIN, child_status(child));

	stuff(p.client);
	child = poller(p.client, POLLOUT);
	ASSERT_TRUE(wait_asleep(child));
	set_nonblocking(p.server, true);
	for (siginfo_t info = {}; !waitid(P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid;)
		if (read(p.server, (char[4096]){}, 4096) <= 0)
			nap_ms(5);
	EXPECT_EQ(POLLOUT, child_status(child));

	child = poller(p.client, POLLIN | POLLRDHUP);
	ASSERT_TRUE(wait_asleep(child));
	ASSERT_EQ(0, shutdown(p.server, SHUT_WR));
	EXPECT_EQ(POLLIN | 0x80, child_status(child));

	child = poller(fd, POLLRDHUP);
	ASSERT_TRUE(wait_asleep(child));
	close_hard(accept(p.listener, NULL, NULL));
	EXPECT_EQ(POLLHUP | POLLERR | 0x80, child_status(child));
}

/* A child that writes megabytes, or as many octets as it may until it is killed. */
static pid_t writer(int fd)
{
	pid_t child = fork();

	if (!child) {
		set_nonblocking(fd, false);
		for (int i = 0; i < 256; i++)
			if (write(fd, (char[65536]){}, 65536) < 0)
				break;
		_exit(0);
	}
	return child;
}

TEST_F(ip, a_low_water_mark_above_the_buffer_does_not_hang_poll)
{
	static const int marks[] = { 100000, -1 };

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		struct pair p;
		int value = 0;
		pid_t child;

		ASSERT_EQ(0, pair_open(variant, &p));
		ASSERT_GT(200000, get_int(p.server, SOL_SOCKET, SO_RCVBUF));
		ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_RCVLOWAT, marks[i]));
		/* The buffer has grown for it, and the mark is no more than half the largest one there may be. */
		EXPECT_LE(200000, get_int(p.server, SOL_SOCKET, SO_RCVBUF));
		EXPECT_LE(100000, get_int(p.server, SOL_SOCKET, SO_RCVLOWAT));
		EXPECT_GT(1 << 30, get_int(p.server, SOL_SOCKET, SO_RCVLOWAT));
		child = writer(p.client);
		EXPECT_EQ(POLLIN, events_wait(p.server, POLLIN) & POLLIN);
		/* The peer knows of the larger buffer: more comes unread than the window that the connection began with. */
		for (long end = now_ms() + PATIENCE_MS; value <= 65536 && now_ms() < end; nap_ms(2))
			ASSERT_EQ(0, ioctl(p.server, SIOCINQ, &value));
		EXPECT_LT(65536, value);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		pair_close(&p);
	}
}

TEST_F(ip, a_low_water_mark_above_a_buffer_of_a_set_size_does_not_hang_poll)
{
	struct pair p;
	pid_t child;
	int size;

	ASSERT_EQ(0, pair_open_with(variant, &p, 0, 8192));
	size = get_int(p.server, SOL_SOCKET, SO_RCVBUF);
	ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_RCVLOWAT, 100000));
	EXPECT_EQ(size / 2, get_int(p.server, SOL_SOCKET, SO_RCVLOWAT));
	EXPECT_EQ(size, get_int(p.server, SOL_SOCKET, SO_RCVBUF));
	child = writer(p.client);
	EXPECT_EQ(POLLIN, events_wait(p.server, POLLIN) & POLLIN);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	/* A buffer that shrinks under the mark is full before it, too. */
	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_RCVLOWAT, 100000));
	ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_RCVBUF, 8192));
	child = writer(p.client);
	EXPECT_EQ(POLLIN, events_wait(p.server, POLLIN) & POLLIN);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

TEST_F(ip, a_lower_mark_wakes_who_polls)
{
	struct pair p;
	pid_t child;
	long start;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_RCVLOWAT, 5));
	ASSERT_EQ(3, write(p.client, "abc", 3));
	ASSERT_EQ(3, queue_settle(p.server, SIOCINQ, 3));
	child = poller(p.server, POLLIN);
	ASSERT_TRUE(wait_asleep(child));
	start = now_ms();
	ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_RCVLOWAT, 3));
	EXPECT_EQ(POLLIN, child_status(child));
	/* At the end of its patience poll() would look once more. */
	EXPECT_GT(PATIENCE_MS / 2, now_ms() - start);
	/* 0 means 1. */
	ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_RCVLOWAT, 0));
	EXPECT_EQ(1, get_int(p.server, SOL_SOCKET, SO_RCVLOWAT));
}

TEST_F(ip, select_agrees)
{
	struct timeval none = {};
	fd_set in, out, bad;
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(1, write(p.client, "x", 1));
	ASSERT_EQ(EV_IN | EV_OUT, events_settle(p.server, EV_IN | EV_OUT));
	for (int i = 0; i < 2; i++) {
		int fd = i ? p.server : p.client;

		FD_ZERO(&in);
		FD_ZERO(&out);
		FD_ZERO(&bad);
		FD_SET(fd, &in);
		FD_SET(fd, &out);
		FD_SET(fd, &bad);
		EXPECT_EQ(1 + i, select(fd + 1, &in, &out, &bad, &none));
		EXPECT_EQ(i, !!FD_ISSET(fd, &in));
		EXPECT_TRUE(FD_ISSET(fd, &out));
		EXPECT_FALSE(FD_ISSET(fd, &bad));
	}
}

static int epoll_on(int fd, unsigned int events)
{
	struct epoll_event ev = { .events = events };
	int ep = epoll_create1(0);

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) ? -1 : ep;
}

/* The events of one epoll_wait(), 0 when there are none within `ms`. */
static unsigned int epoll_next(int ep, int ms)
{
	struct epoll_event ev = {};
	int n = epoll_wait(ep, &ev, 1, ms);

	return n == 1 ? ev.events : 0;
}

/* Takes events until one has all of `want`; the last one taken, or 0 when they stop before. */
static unsigned int epoll_until(int ep, unsigned int want)
{
	unsigned int got;

	do {
		got = epoll_next(ep, PATIENCE_MS);
	} while (got && (got & want) != want);
	return got;
}

TEST_F(ip, epoll_level_repeats_what_is_so)
{
	struct pair p;
	char c;
	int ep;

	ASSERT_EQ(0, pair_open(variant, &p));
	ep = epoll_on(p.server, EPOLLIN | EPOLLRDHUP);
	ASSERT_LE(0, ep);
	EXPECT_EQ(0U, epoll_next(ep, 0));
	ASSERT_EQ(1, write(p.client, "x", 1));
	EXPECT_EQ((unsigned int)EPOLLIN, epoll_next(ep, PATIENCE_MS));
	EXPECT_EQ((unsigned int)EPOLLIN, epoll_next(ep, 0));
	ASSERT_EQ(1, read(p.server, &c, 1));
	EXPECT_EQ(0U, epoll_next(ep, 0));
	ASSERT_EQ(0, shutdown(p.client, SHUT_WR));
	EXPECT_EQ((unsigned int)EPOLLIN | EPOLLRDHUP, epoll_until(ep, EPOLLRDHUP));
	EXPECT_EQ((unsigned int)EPOLLIN | EPOLLRDHUP, epoll_next(ep, 0));
	ASSERT_EQ(0, shutdown(p.server, SHUT_WR));
	EXPECT_EQ((unsigned int)EPOLLIN | EPOLLRDHUP | EPOLLHUP, epoll_until(ep, EPOLLHUP));
}

TEST_F(ip, epoll_edge_tells_each_arrival_once)
{
	struct pair p;
	int ep;

	ASSERT_EQ(0, pair_open(variant, &p));
	ep = epoll_on(p.server, EPOLLIN | EPOLLRDHUP | EPOLLET);
	ASSERT_LE(0, ep);
	for (int i = 1; i < 4; i++) {
		ASSERT_EQ(1, write(p.client, "x", 1));
		EXPECT_EQ((unsigned int)EPOLLIN, epoll_next(ep, PATIENCE_MS));
		ASSERT_EQ(i, queue_settle(p.server, SIOCINQ, i));
		EXPECT_EQ(0U, epoll_next(ep, 20));
	}
	EXPECT_EQ(3, read(p.server, (char[8]){}, 8));
	EXPECT_EQ(0U, epoll_next(ep, 20));
	ASSERT_EQ(0, shutdown(p.client, SHUT_WR));
	EXPECT_EQ((unsigned int)EPOLLIN | EPOLLRDHUP, epoll_until(ep, EPOLLRDHUP));
	EXPECT_EQ(0U, epoll_next(ep, 20));
}

TEST_F(ip, epoll_edge_tells_of_room_again)
{
	struct pair p;
	int ep;

	ASSERT_EQ(0, pair_open_with(variant, &p, 4096, 4096));
	ep = epoll_on(p.client, EPOLLOUT | EPOLLET);
	ASSERT_LE(0, ep);
	EXPECT_EQ((unsigned int)EPOLLOUT, epoll_next(ep, PATIENCE_MS));
	stuff(p.client);
	while (epoll_next(ep, 20))
		;
	set_nonblocking(p.server, true);
	for (int quiet = 0; quiet < 20;) {
		if (read(p.server, (char[4096]){}, 4096) > 0) {
			quiet = 0;
		} else {
			quiet++;
			nap_ms(5);
		}
	}
	EXPECT_EQ((unsigned int)EPOLLOUT, epoll_next(ep, PATIENCE_MS));
	EXPECT_EQ(0U, epoll_next(ep, 20));
}

TEST_F(ip, epoll_edge_tells_of_an_opened_and_of_a_refused_connection)
{
	struct end at;
	int listener = sock_listening(variant, 2, &at), ep, fd;

	fd = sock_open(variant, CLIENT, SOCK_NONBLOCK);
	ep = epoll_on(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	EXPECT_EQ((unsigned int)EPOLLOUT | EPOLLHUP, epoll_next(ep, 0));
	ASSERT_EQ(-1, connect(fd, &at.sa, at.len));
	EXPECT_EQ((unsigned int)EPOLLOUT, epoll_until(ep, EPOLLOUT));
	close(fd);
	close(listener);
	fd = sock_open(variant, CLIENT, SOCK_NONBLOCK);
	ep = epoll_on(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	EXPECT_EQ((unsigned int)EPOLLOUT | EPOLLHUP, epoll_next(ep, 0));
	ASSERT_EQ(-1, connect(fd, &at.sa, at.len));
	EXPECT_EQ((unsigned int)EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR, epoll_until(ep, EPOLLERR));
}

TEST_F(ip, epoll_oneshot_and_listeners)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };
	struct end at;
	int listener = sock_listening(variant, 4, &at), ep = epoll_on(listener, EPOLLIN | EPOLLONESHOT);

	ASSERT_LE(0, sock_connected(variant, &at));
	EXPECT_EQ((unsigned int)EPOLLIN, epoll_next(ep, PATIENCE_MS));
	EXPECT_EQ(0U, epoll_next(ep, 20));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_MOD, listener, &ev));
	EXPECT_EQ((unsigned int)EPOLLIN, epoll_next(ep, PATIENCE_MS));
	close(listener);
	EXPECT_EQ(0U, epoll_next(ep, 20));
}

TEST_F(ip, sigio_tells_of_data)
{
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	catch_signal(SIGIO);
	ASSERT_EQ(0, fcntl(p.server, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(p.server, F_SETFL, fcntl(p.server, F_GETFL) | O_ASYNC));
	ASSERT_EQ(1, write(p.client, "x", 1));
	ASSERT_EQ(EV_IN | EV_OUT, events_settle(p.server, EV_IN | EV_OUT));
	for (int i = 0; i < PATIENCE_MS / 5 && !signals_seen; i++)
		nap_ms(5);
	EXPECT_LE(1, signals_seen);
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
