// SPDX-License-Identifier: GPL-2.0
/* How connections end: shutdown, close, linger, reset, and what the other side and the signals tell of it. */
#include "sockets.h"

#define EV_DEAD (EV_IN | EV_OUT | POLLRDHUP | POLLHUP)

/* More than so many octets never fit into the buffers of small_pair(). */
#define SMALL 8192

static int small_pair(variant_t *v, struct pair *p)
{
	return pair_open_with(v, p, SMALL, SMALL);
}

/* Writes without waiting until nothing more goes in for a while; how many octets went. */
static size_t stuff(int fd, unsigned int seed)
{
	unsigned char buf[4096];
	size_t total = 0;
	int quiet = 0;

	set_nonblocking(fd, true);
	while (quiet < 20) {
		ssize_t n;

		octets(buf, sizeof(buf), total, seed);
		n = send(fd, buf, sizeof(buf), MSG_NOSIGNAL);
		if (n > 0) {
			total += n;
			quiet = 0;
		} else {
			quiet++;
			nap_ms(5);
		}
	}
	set_nonblocking(fd, false);
	return total;
}

/* Reads to the end; how many octets of stream `seed` came, or -1 with errno as read() set it. */
static ssize_t drain(int fd, unsigned int seed)
{
	unsigned char buf[4096];
	size_t total = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (!octets_are(buf, n, total, seed))
			return -2;
		total += n;
	}
	return n < 0 ? -1 : (ssize_t)total;
}

TEST_F(ip, close_is_the_end_of_what_the_peer_reads)
{
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(3, write(p.client, "end", 3));
	ASSERT_EQ(0, close(p.client));
	EXPECT_EQ(EV_IN | EV_OUT | POLLRDHUP, events_settle(p.server, EV_IN | EV_OUT | POLLRDHUP));
	EXPECT_EQ(3, read(p.server, (char[8]){}, 8));
	EXPECT_EQ(0, read(p.server, &c, 1));
	EXPECT_EQ(0, read(p.server, &c, 1));
	EXPECT_EQ(0, error_of(p.server));
}

TEST_F(ip, may_1_writing_to_a_closed_peer_breaks_the_pipe)
{
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, close(p.client));
	ASSERT_EQ(0, read(p.server, &c, 1));
	/* The RST that answers it says that nobody will read it. */
	ASSERT_EQ(1, send(p.server, "x", 1, 0));
	EXPECT_EQ(EV_DEAD | POLLERR, events_settle(p.server, EV_DEAD | POLLERR));
	catch_signal(SIGPIPE);
	EXPECT_EQ(-1, send(p.server, "x", 1, 0));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, signals_seen);
	EXPECT_EQ(0, read(p.server, &c, 1));
}

TEST_F(ip, must_12_a_reset_is_told_from_a_close)
{
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	close_hard(p.client);
	EXPECT_EQ(EV_DEAD | POLLERR, events_settle(p.server, EV_DEAD | POLLERR));
	EXPECT_EQ(-1, read(p.server, &c, 1));
	EXPECT_EQ(ECONNRESET, errno);
	EXPECT_EQ(0, read(p.server, &c, 1));
	EXPECT_EQ(-1, shutdown(p.server, SHUT_WR));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(-1, getpeername(p.server, &p.at.sa, &p.at.len));
	EXPECT_EQ(ENOTCONN, errno);
}

TEST_F(ip, must_12_so_error_tells_a_reset_once)
{
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	close_hard(p.server);
	EXPECT_EQ(POLLERR, events_wait(p.client, POLLERR) & POLLERR);
	EXPECT_EQ(ECONNRESET, error_of(p.client));
	EXPECT_EQ(0, error_of(p.client));
	EXPECT_EQ(EV_DEAD, events_now(p.client));
	EXPECT_EQ(0, read(p.client, &c, 1));
	EXPECT_EQ(-1, write(p.client, &c, 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(ip, must_12_a_sleeping_reader_wakes_up_for_a_reset)
{
	struct pair p;
	pid_t child;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	child = fork();
	if (!child) {
		close(p.client);
		_exit(read(p.server, &c, 1) != -1 || errno != ECONNRESET);
	}
	ASSERT_TRUE(wait_asleep(child));
	close_hard(p.client);
	EXPECT_EQ(0, child_status(child));
}

TEST_F(ip, must_12_a_sleeping_writer_wakes_up_for_a_reset)
{
	struct pair p;
	pid_t child;

	ASSERT_EQ(0, small_pair(variant, &p));
	ASSERT_NE((size_t)0, stuff(p.server, 1));
	child = fork();
	if (!child) {
		close(p.client);
		_exit(write(p.server, (char[SMALL * 8]){}, SMALL * 8) != -1 || errno != ECONNRESET);
	}
	ASSERT_TRUE(wait_asleep(child));
	close_hard(p.client);
	EXPECT_EQ(0, child_status(child));
}

TEST_F(ip, shld_3_must_12_close_with_unread_data_resets)
{
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(6, write(p.client, "unread", 6));
	ASSERT_EQ(6, queue_settle(p.server, SIOCINQ, 6));
	ASSERT_EQ(0, close(p.server));
	EXPECT_EQ(POLLERR, events_wait(p.client, POLLERR) & POLLERR);
	EXPECT_EQ(-1, read(p.client, &c, 1));
	EXPECT_EQ(ECONNRESET, errno);
}

TEST_F(ip, what_came_before_a_reset_can_be_read)
{
	struct pair p;
	char text[8];

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(4, write(p.client, "last", 4));
	ASSERT_EQ(4, queue_settle(p.server, SIOCINQ, 4));
	close_hard(p.client);
	ASSERT_EQ(POLLERR, events_wait(p.server, POLLERR) & POLLERR);
	EXPECT_EQ(4, recv(p.server, text, sizeof(text), 0));
	EXPECT_EQ(-1, recv(p.server, text, sizeof(text), 0));
	EXPECT_EQ(ECONNRESET, errno);
}

TEST_F(ip, half_close_lets_the_other_half_flow)
{
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, shutdown(p.client, SHUT_WR));
	EXPECT_EQ(0, shutdown(p.client, SHUT_WR));
	EXPECT_EQ(0, read(p.server, &c, 1));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(1, send(p.server, "d", 1, 0));
		ASSERT_EQ(1, recv(p.client, &c, 1, 0));
	}
	EXPECT_EQ(EV_OUT, events_now(p.client));
	catch_signal(SIGPIPE);
	EXPECT_EQ(-1, send(p.client, "x", 1, 0));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, signals_seen);
	EXPECT_EQ(-1, send(p.client, "x", 1, MSG_NOSIGNAL));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, signals_seen);
	ASSERT_EQ(0, shutdown(p.server, SHUT_WR));
	EXPECT_EQ(0, read(p.client, &c, 1));
	EXPECT_EQ(EV_DEAD, events_settle(p.client, EV_DEAD));
}

TEST_F(ip, shutdown_for_reading_ends_reading_here_alone)
{
	struct pair p;
	char c = 0;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(1, write(p.server, "q", 1));
	ASSERT_EQ(1, queue_settle(p.client, SIOCINQ, 1));
	ASSERT_EQ(0, shutdown(p.client, SHUT_RD));
	EXPECT_EQ(EV_IN | EV_OUT | POLLRDHUP, events_now(p.client));
	EXPECT_EQ(1, read(p.client, &c, 1));
	EXPECT_EQ('q', c);
	EXPECT_EQ(0, read(p.client, &c, 1));
	/* The other half lives, and the peer's data meets no RST. */
	ASSERT_EQ(1, write(p.server, "r", 1));
	ASSERT_EQ(1, queue_settle(p.client, SIOCINQ, 1));
	EXPECT_EQ(0, queue_settle(p.server, SIOCOUTQ, 0));
	EXPECT_EQ(EV_OUT, events_now(p.server));
	ASSERT_EQ(1, write(p.client, "s", 1));
	EXPECT_EQ(1, read(p.server, &c, 1));
}

TEST_F(ip, shutdown_wakes_a_sleeping_reader)
{
	struct pair p;
	pid_t child;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	child = fork();
	if (!child)
		_exit(read(p.client, &c, 1) != 0);
	ASSERT_TRUE(wait_asleep(child));
	ASSERT_EQ(0, shutdown(p.client, SHUT_RD));
	EXPECT_EQ(0, child_status(child));
}

TEST_F(ip, shutdown_of_both_halves)
{
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, shutdown(p.client, SHUT_RDWR));
	EXPECT_EQ(EV_DEAD, events_settle(p.client, EV_DEAD));
	EXPECT_EQ(0, read(p.client, &c, 1));
	EXPECT_EQ(-1, write(p.client, &c, 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(0, read(p.server, &c, 1));
	EXPECT_EQ(0, shutdown(p.server, SHUT_WR));
	EXPECT_EQ(EV_DEAD, events_settle(p.server, EV_DEAD));
	/* The machine has let go of the socket: TIME-WAIT is none of its business. */
	for (int i = 0; i < PATIENCE_MS / 5 && !shutdown(p.client, SHUT_RDWR); i++)
		nap_ms(5);
	EXPECT_EQ(-1, shutdown(p.client, SHUT_RDWR));
	EXPECT_EQ(ENOTCONN, errno);
}

TEST_F(ip, shld_3_data_after_shutdown_of_both_halves_resets)
{
	struct pair p;
	char c = 0;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, shutdown(p.client, SHUT_RD));
	ASSERT_EQ(0, shutdown(p.client, SHUT_WR));
	EXPECT_EQ(0, read(p.server, &c, 1));
	ASSERT_EQ(1, write(p.server, &c, 1));
	EXPECT_EQ(POLLERR, events_wait(p.server, POLLERR) & POLLERR);
	EXPECT_EQ(POLLERR, events_wait(p.client, POLLERR) & POLLERR);
	EXPECT_EQ(EPIPE, error_of(p.server));
	EXPECT_EQ(ECONNRESET, error_of(p.client));
}

TEST_F(ip, shutdown_refuses_bad_arguments)
{
	struct pair p;
	int fd = sock_open(variant, CLIENT, 0);

	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(-1, shutdown(p.client, 3));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, shutdown(p.client, -1));
	EXPECT_EQ(EINVAL, errno);
	for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
		EXPECT_EQ(-1, shutdown(fd, how));
		EXPECT_EQ(ENOTCONN, errno);
	}
	EXPECT_EQ(EV_OUT, events_now(p.client));
}

TEST_F(ip, both_close_at_once)
{
	struct pair p;
	char c;

	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, pair_open(variant, &p));
		EXPECT_EQ(0, shutdown(p.client, SHUT_WR));
		EXPECT_EQ(0, shutdown(p.server, SHUT_WR));
		EXPECT_EQ(0, read(p.client, &c, 1));
		EXPECT_EQ(0, read(p.server, &c, 1));
		EXPECT_EQ(EV_DEAD, events_settle(p.client, EV_DEAD));
		EXPECT_EQ(EV_DEAD, events_settle(p.server, EV_DEAD));
		pair_close(&p);
	}
}

TEST_F(ip, close_delivers_what_was_written)
{
	struct pair p;
	size_t sent;

	ASSERT_EQ(0, small_pair(variant, &p));
	sent = stuff(p.client, 3);
	ASSERT_LT((size_t)SMALL, sent);
	ASSERT_EQ(0, close(p.client));
	EXPECT_EQ((ssize_t)sent, drain(p.server, 3));
}

TEST_F(ip, a_killed_process_closes_in_order)
{
	int ready[2];
	struct pair p;
	pid_t child;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, pipe(ready));
	child = fork();
	if (!child) {
		if (write(p.client, "bye", 3) == 3 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	ASSERT_EQ(0, close(p.client));
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(-1, child_status(child));
	EXPECT_EQ(EV_IN | EV_OUT | POLLRDHUP, events_settle(p.server, EV_IN | EV_OUT | POLLRDHUP));
	EXPECT_EQ(3, read(p.server, (char[8]){}, 8));
	EXPECT_EQ(0, read(p.server, &c, 1));
}

TEST_F(ip, linger_waits_for_the_peer_to_take_it_all)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 10 };
	int ready[2];
	struct pair p;
	size_t sent;
	pid_t child;
	long took;
	char c;

	ASSERT_EQ(0, small_pair(variant, &p));
	ASSERT_EQ(0, setsockopt(p.client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	sent = stuff(p.client, 4);
	ASSERT_EQ(0, pipe(ready));
	child = fork();
	if (!child) {
		close(p.client);
		if (write(ready[1], "x", 1) != 1)
			_exit(2);
		nap_ms(300);
		_exit(drain(p.server, 4) != (ssize_t)sent);
	}
	ASSERT_EQ(0, close(p.server));
	ASSERT_EQ(1, read(ready[0], &c, 1));
	took = now_ms();
	EXPECT_EQ(0, close(p.client));
	took = now_ms() - took;
	EXPECT_LE(200, took);
	EXPECT_GT(10000, took);
	EXPECT_EQ(0, child_status(child));
}

TEST_F(ip, linger_gives_up_in_time)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 1 };
	struct pair p;
	size_t sent;
	long start;

	ASSERT_EQ(0, small_pair(variant, &p));
	ASSERT_EQ(0, setsockopt(p.client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	sent = stuff(p.client, 5);
	start = now_ms();
	EXPECT_EQ(0, close(p.client));
	EXPECT_LE(950, now_ms() - start);
	/* The rest goes on its way without the process. */
	EXPECT_EQ((ssize_t)sent, drain(p.server, 5));
}

TEST_F(ip, linger_does_not_wait_when_nothing_is_left)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 60 };
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, setsockopt(p.client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	ASSERT_EQ(1, write(p.client, "x", 1));
	ASSERT_EQ(0, close(p.client));
	EXPECT_EQ(1, read(p.server, &c, 1));
	EXPECT_EQ(0, read(p.server, &c, 1));
}

TEST_F(ip, a_server_restarts_over_its_time_waits)
{
	int listener = sock_open(variant, SERVER, 0), again;
	struct end at = end_at(variant, SERVER, 0);
	char c;

	ASSERT_EQ(0, set_int(listener, SOL_SOCKET, SO_REUSEADDR, 1));
	ASSERT_EQ(0, bind(listener, &at.sa, at.len));
	ASSERT_EQ(0, listen(listener, 8));
	at = end_local(listener);
	for (int i = 0; i < 4; i++) {
		int client = sock_connected(variant, &at), server = accept(listener, NULL, NULL);

		ASSERT_LE(0, client);
		ASSERT_LE(0, server);
		/* The server closes first: TIME-WAIT is its own. */
		ASSERT_EQ(0, close(server));
		ASSERT_EQ(0, read(client, &c, 1));
		ASSERT_EQ(0, shutdown(client, SHUT_WR));
		ASSERT_EQ(EV_DEAD, events_settle(client, EV_DEAD));
		ASSERT_EQ(0, close(client));
	}
	ASSERT_EQ(0, close(listener));
	EXPECT_EQ(-1, sock_bound(variant, SERVER, end_port(&at)));
	EXPECT_EQ(EADDRINUSE, errno);
	again = sock_open(variant, SERVER, 0);
	ASSERT_EQ(0, set_int(again, SOL_SOCKET, SO_REUSEADDR, 1));
	EXPECT_EQ(0, bind(again, &at.sa, at.len));
	EXPECT_EQ(0, listen(again, 8));
	EXPECT_LE(0, sock_connected(variant, &at));
	EXPECT_LE(0, accept(again, NULL, NULL));
}

TEST_F(ip, calls_on_a_socket_that_is_not_connected)
{
	int fd = sock_open(variant, CLIENT, 0);
	struct end at;
	char c;

	for (int round = 0; round < 2; round++) {
		EXPECT_EQ(-1, recv(fd, &c, 1, 0));
		EXPECT_EQ(ENOTCONN, errno);
		EXPECT_EQ(-1, recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT));
		EXPECT_EQ(ENOTCONN, errno);
		catch_signal(SIGPIPE);
		EXPECT_EQ(-1, send(fd, &c, 1, 0));
		EXPECT_EQ(EPIPE, errno);
		EXPECT_EQ(1, signals_seen);
		EXPECT_EQ(-1, send(fd, &c, 1, MSG_NOSIGNAL));
		EXPECT_EQ(EPIPE, errno);
		EXPECT_EQ(1, signals_seen);
		close(fd);
		/* The same of a listener. */
		fd = sock_listening(variant, 1, &at);
	}
}

TEST_F(ip, the_last_of_the_descriptors_closes)
{
	struct pair p;
	int copy;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	copy = dup(p.client);
	ASSERT_LE(0, copy);
	ASSERT_EQ(0, close(p.client));
	ASSERT_EQ(1, write(copy, "x", 1));
	ASSERT_EQ(1, read(p.server, &c, 1));
	EXPECT_EQ(EV_OUT, events_now(p.server));
	ASSERT_EQ(0, close(copy));
	EXPECT_EQ(0, read(p.server, &c, 1));
}

TEST_F(ip, a_descriptor_travels_between_processes)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec iov = { .iov_base = "f", .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int unix_pair[2];
	struct pair p;
	pid_t child;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, unix_pair));
	child = fork();
	if (!child) {
		char buf;
		int fd;

		pair_close(&p);
		iov.iov_base = &buf;
		if (recvmsg(unix_pair[1], &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
			_exit(1);
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		_exit(write(fd, "p", 1) != 1);
	}
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &p.client, sizeof(int));
	ASSERT_EQ(1, sendmsg(unix_pair[0], &msg, 0));
	ASSERT_EQ(0, close(p.client));
	EXPECT_EQ(0, child_status(child));
	EXPECT_EQ(1, read(p.server, &c, 1));
	EXPECT_EQ('p', c);
	EXPECT_EQ(0, read(p.server, &c, 1));
}

TEST_F(ip, closing_what_is_being_opened)
{
	struct end at, to;
	int listener = sock_listening(variant, 1, &at), fd;

	for (int i = 0; i < 20; i++) {
		fd = sock_open(variant, CLIENT, SOCK_NONBLOCK);
		ASSERT_EQ(-1, connect(fd, &at.sa, at.len));
		ASSERT_EQ(EINPROGRESS, errno);
		if (i % 2)
			close_hard(fd);
		else
			close(fd);
	}
	if (side_text(variant, VOID)) {
		to = end_at(variant, VOID, 7);
		fd = sock_open(variant, CLIENT, SOCK_NONBLOCK);
		ASSERT_EQ(-1, connect(fd, &to.sa, to.len));
		EXPECT_EQ(0, close(fd));
	}
	EXPECT_EQ(0, close(listener));
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
