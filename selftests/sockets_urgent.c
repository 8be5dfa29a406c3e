// SPDX-License-Identifier: GPL-2.0
/* Urgent data as programs see it (RFC 9293 3.8.5, RFC 6093): as with Linux's TCP, call by call. */
#include "sockets.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>

/* SIOCATMARK, or a negative errno. */
static int at_mark(int fd)
{
	int value = -1;

	return ioctl(fd, SIOCATMARK, &value) ? -errno : value;
}

static int queued(int fd)
{
	int value = -1;

	return ioctl(fd, SIOCINQ, &value) ? -errno : value;
}

/* A pair whose client sends at once, and whose server's SIGURG is counted in signals_seen. */
static int urgent_pair(variant_t *v, struct pair *p)
{
	if (pair_open(v, p))
		return -1;
	catch_signal(SIGURG);
	return set_int(p->client, IPPROTO_TCP, TCP_NODELAY, 1) | fcntl(p->server, F_SETOWN, getpid());
}

/* Sends text and waits until the peer has it. */
static bool give(int fd, const char *text, int flags)
{
	ssize_t len = strlen(text);

	return send(fd, text, len, flags) == len && !queue_settle(fd, SIOCOUTQ, 0);
}

/* What recv() gives, as text; "!17" is an error. */
static const char *take(int fd, int flags)
{
	static char text[64];
	ssize_t n = recv(fd, text, sizeof(text) - 1, flags | MSG_DONTWAIT);

	if (n < 0)
		snprintf(text, sizeof(text), "!%d", errno);
	else
		text[n] = 0;
	return text;
}

#define ERR(e) ({ static char err[16]; snprintf(err, sizeof(err), "!%d", e); err; })

TEST_F(ip, must_30_urgent_data_goes_beside_the_stream)
{
	struct pair p;

	ASSERT_EQ(0, urgent_pair(variant, &p));
	EXPECT_STREQ(ERR(EINVAL), take(p.server, MSG_OOB));
	ASSERT_TRUE(give(p.client, "abU", MSG_OOB));
	ASSERT_TRUE(give(p.client, "cd", 0));
	EXPECT_STREQ("U", take(p.server, MSG_OOB | MSG_PEEK));
	EXPECT_STREQ("U", take(p.server, MSG_OOB));
	EXPECT_STREQ(ERR(EINVAL), take(p.server, MSG_OOB));
	/* A read stops at the mark, and goes on behind the urgent octet. */
	EXPECT_STREQ("ab", take(p.server, 0));
	EXPECT_STREQ("cd", take(p.server, 0));
	EXPECT_STREQ(ERR(EAGAIN), take(p.server, 0));
}

TEST_F(ip, must_32_the_program_is_told_at_once)
{
	struct pair p;

	ASSERT_EQ(0, urgent_pair(variant, &p));
	ASSERT_TRUE(give(p.client, "a", 0));
	EXPECT_EQ(0, signals_seen);
	EXPECT_EQ(0, events_now(p.server) & POLLPRI);
	ASSERT_TRUE(give(p.client, "U", MSG_OOB));
	EXPECT_EQ(1, signals_seen);
	EXPECT_EQ(POLLPRI, events_wait(p.server, POLLPRI) & POLLPRI);
	/* The pointer moves on: told again. */
	ASSERT_TRUE(give(p.client, "V", MSG_OOB));
	EXPECT_EQ(2, signals_seen);
	EXPECT_STREQ("V", take(p.server, MSG_OOB));
	EXPECT_EQ(0, events_now(p.server) & POLLPRI);
	/* The earlier urgent octet is data now. */
	EXPECT_STREQ("aU", take(p.server, 0));
	EXPECT_STREQ(ERR(EAGAIN), take(p.server, 0));
}

TEST_F(ip, must_33_how_much_comes_before_the_mark)
{
	struct pair p;

	ASSERT_EQ(0, urgent_pair(variant, &p));
	EXPECT_EQ(0, at_mark(p.server));
	ASSERT_TRUE(give(p.client, "abcU", MSG_OOB));
	ASSERT_TRUE(give(p.client, "de", 0));
	EXPECT_EQ(0, at_mark(p.server));
	EXPECT_EQ(3, queued(p.server));
	EXPECT_EQ(1, recv(p.server, (char[1]){}, 1, 0));
	EXPECT_EQ(2, queued(p.server));
	EXPECT_EQ(0, at_mark(p.server));
	EXPECT_STREQ("bc", take(p.server, 0));
	EXPECT_EQ(1, at_mark(p.server));
	EXPECT_EQ(0, queued(p.server));
	EXPECT_EQ(0, set_int(p.server, SOL_SOCKET, SO_OOBINLINE, 1));
	EXPECT_EQ(3, queued(p.server));
	EXPECT_EQ(0, set_int(p.server, SOL_SOCKET, SO_OOBINLINE, 0));
	EXPECT_STREQ("de", take(p.server, 0));
	EXPECT_EQ(0, at_mark(p.server));
	EXPECT_STREQ(ERR(EINVAL), take(p.server, MSG_OOB));
}

TEST_F(ip, must_31_long_urgent_data_ends_at_one_mark)
{
	static char text[150000], got[sizeof(text)];
	size_t have = 0;
	struct pair p;
	pid_t child;
	ssize_t n;

	ASSERT_EQ(0, urgent_pair(variant, &p));
	memset(text, 'u', sizeof(text));
	text[sizeof(text) - 1] = 'U';
	child = fork();
	if (!child) {
		close(p.server);
		_exit(send(p.client, text, sizeof(text), MSG_OOB) != sizeof(text) || write(p.client, "after", 5) != 5);
	}
	/* In the stream nothing can be missing, wherever the mark stood meanwhile. */
	ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_OOBINLINE, 1));
	for (; have < sizeof(text) - 1; have += n) {
		/* Another signal may come while it waits. */
		do
			n = read(p.server, got, sizeof(text) - 1 - have);
		while (n < 0 && errno == EINTR);
		ASSERT_LT(0, n);
		for (ssize_t i = 0; i < n; i++)
			ASSERT_EQ('u', got[i]);
	}
	EXPECT_EQ(0, child_status(child));
	EXPECT_EQ(6, queue_settle(p.server, SIOCINQ, 6));
	EXPECT_EQ(1, at_mark(p.server));
	EXPECT_STREQ("Uafter", take(p.server, 0));
	EXPECT_LT(0, signals_seen);
	close(p.client);
}

TEST_F(ip, urgent_data_may_stay_in_the_stream)
{
	struct pair p;

	ASSERT_EQ(0, urgent_pair(variant, &p));
	ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_OOBINLINE, 1));
	ASSERT_TRUE(give(p.client, "abU", MSG_OOB));
	ASSERT_TRUE(give(p.client, "cd", 0));
	EXPECT_STREQ(ERR(EINVAL), take(p.server, MSG_OOB));
	EXPECT_EQ(POLLPRI | EV_IN, events_now(p.server) & (POLLPRI | EV_IN));
	EXPECT_STREQ("ab", take(p.server, 0));
	EXPECT_EQ(1, at_mark(p.server));
	EXPECT_STREQ("Ucd", take(p.server, 0));
	EXPECT_EQ(0, events_now(p.server) & POLLPRI);
}

TEST_F(ip, peeking_sees_what_reading_would)
{
	struct pair p;

	ASSERT_EQ(0, urgent_pair(variant, &p));
	ASSERT_TRUE(give(p.client, "abU", MSG_OOB));
	ASSERT_TRUE(give(p.client, "cd", 0));
	EXPECT_STREQ("ab", take(p.server, MSG_PEEK));
	EXPECT_STREQ("ab", take(p.server, 0));
	EXPECT_STREQ("cd", take(p.server, MSG_PEEK));
	EXPECT_EQ(1, at_mark(p.server));
	EXPECT_STREQ("cd", take(p.server, MSG_PEEK));
	EXPECT_STREQ("U", take(p.server, MSG_OOB));
	EXPECT_STREQ("cd", take(p.server, 0));
}

TEST_F(ip, an_urgent_octet_alone_is_nothing_to_read)
{
	struct pair p;

	ASSERT_EQ(0, urgent_pair(variant, &p));
	ASSERT_TRUE(give(p.client, "U", MSG_OOB));
	EXPECT_EQ(POLLPRI, events_settle(p.server, POLLPRI | EV_OUT) & (POLLPRI | EV_IN));
	EXPECT_EQ(1, at_mark(p.server));
	EXPECT_EQ(0, queued(p.server));
	EXPECT_STREQ(ERR(EAGAIN), take(p.server, 0));
	/* That read went by it. */
	EXPECT_EQ(0, at_mark(p.server));
	EXPECT_STREQ(ERR(EINVAL), take(p.server, MSG_OOB));
	/* Twice in a row: the first is gone with the second's arrival. */
	ASSERT_TRUE(give(p.client, "V", MSG_OOB));
	ASSERT_TRUE(give(p.client, "W", MSG_OOB));
	EXPECT_STREQ("W", take(p.server, MSG_OOB));
	EXPECT_STREQ(ERR(EAGAIN), take(p.server, 0));
}

TEST_F(ip, a_read_for_all_stops_at_the_mark_too)
{
	struct pair p;
	char buf[8];

	ASSERT_EQ(0, urgent_pair(variant, &p));
	ASSERT_TRUE(give(p.client, "abU", MSG_OOB));
	EXPECT_EQ(2, recv(p.server, buf, sizeof(buf), MSG_WAITALL));
	/* Waiting behind the mark is waiting. */
	set_timeout(p.server, SO_RCVTIMEO, 100);
	EXPECT_EQ(-1, recv(p.server, buf, sizeof(buf), 0));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(ip, splicing_stops_at_the_mark)
{
	struct pair p;
	int ends[2];

	ASSERT_EQ(0, urgent_pair(variant, &p));
	ASSERT_EQ(0, pipe(ends));
	ASSERT_TRUE(give(p.client, "abU", MSG_OOB));
	ASSERT_TRUE(give(p.client, "cd", 0));
	EXPECT_EQ(2, splice(p.server, NULL, ends[1], NULL, 10, 0));
	EXPECT_EQ(0, splice(p.server, NULL, ends[1], NULL, 10, 0));
	EXPECT_EQ(1, at_mark(p.server));
	EXPECT_STREQ("cd", take(p.server, 0));
}

TEST_F(ip, odd_calls_answer_as_always)
{
	struct iovec iov = { (char[1]){}, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pair p;
	int fd;

	fd = sock_open(variant, CLIENT, 0);
	EXPECT_EQ(-1, recv(fd, (char[1]){}, 1, MSG_OOB));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, at_mark(fd));
	EXPECT_EQ(-1, send(fd, "x", 1, MSG_OOB));
	EXPECT_EQ(EPIPE, errno);
	ASSERT_EQ(0, urgent_pair(variant, &p));
	EXPECT_EQ(-1, recv(p.listener, (char[1]){}, 1, MSG_OOB));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(0, send(p.client, "", 0, MSG_OOB));
	EXPECT_STREQ(ERR(EINVAL), take(p.server, MSG_OOB));
	ASSERT_TRUE(give(p.client, "U", MSG_OOB));
	/* Nothing asked for: said so, and the octet is gone. */
	EXPECT_EQ(0, recvmsg(p.server, &msg, MSG_OOB));
	EXPECT_EQ(MSG_OOB | MSG_TRUNC, msg.msg_flags & (MSG_OOB | MSG_TRUNC));
	EXPECT_STREQ(ERR(EINVAL), take(p.server, MSG_OOB));
	ASSERT_TRUE(give(p.client, "V", MSG_OOB));
	EXPECT_EQ(1, recv(p.server, NULL, 1, MSG_OOB | MSG_TRUNC));
	/* A pointer that cannot be written to: the octet is lost, as in Linux. */
	ASSERT_TRUE(give(p.client, "W", MSG_OOB));
	EXPECT_EQ(-1, recv(p.server, BAD_POINTER, 1, MSG_OOB));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(ip, urgent_data_survives_the_end_of_the_connection)
{
	struct pair p;

	ASSERT_EQ(0, urgent_pair(variant, &p));
	/* The server closes first: its side ends in TIME-WAIT while the data is unread. */
	shutdown(p.server, SHUT_WR);
	EXPECT_EQ(0, recv(p.client, (char[1]){}, 1, 0));
	ASSERT_EQ(3, send(p.client, "abU", 3, MSG_OOB));
	ASSERT_EQ(2, send(p.client, "cd", 2, 0));
	close(p.client);
	EXPECT_NE(0, events_wait(p.server, POLLRDHUP) & POLLRDHUP);
	EXPECT_STREQ("ab", take(p.server, 0));
	EXPECT_EQ(1, at_mark(p.server));
	EXPECT_STREQ("U", take(p.server, MSG_OOB));
	EXPECT_STREQ("cd", take(p.server, 0));
	EXPECT_STREQ("", take(p.server, 0));
	EXPECT_STREQ(ERR(EINVAL), take(p.server, MSG_OOB));
}

TEST_F(ip, epoll_tells_urgent_data)
{
	struct epoll_event e = { .events = EPOLLPRI | EPOLLET };
	int ep = epoll_create1(0);
	struct pair p;

	ASSERT_EQ(0, urgent_pair(variant, &p));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, p.server, &e));
	EXPECT_EQ(0, epoll_wait(ep, &e, 1, 0));
	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(give(p.client, "aU", MSG_OOB));
		ASSERT_EQ(1, epoll_wait(ep, &e, 1, PATIENCE_MS));
		EXPECT_EQ((unsigned int)EPOLLPRI, e.events);
		EXPECT_STREQ("U", take(p.server, MSG_OOB));
		take(p.server, 0);
		take(p.server, 0);
	}
}

/* The next of a sequence that `*seed` starts. */
static unsigned int draw(unsigned int *seed, unsigned int limit)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 16) % limit;
}

/* Does `steps` calls drawn from `seed` and writes what each of them gave to `log`. */
static int transcript(variant_t *v, unsigned int seed, int steps, FILE *log)
{
	unsigned int sent = 0;
	bool inlined = false;
	struct pair p;
	int ends[2];

	if (urgent_pair(v, &p) || pipe2(ends, O_NONBLOCK))
		return -1;
	set_nonblocking(p.server, true);
	for (int i = 0; i < steps; i++) {
		static const int flags[] = { 0, 0, 0, MSG_PEEK, MSG_WAITALL, MSG_TRUNC, MSG_OOB, MSG_OOB | MSG_PEEK };
		unsigned int what = draw(&seed, 8), len = 1 + draw(&seed, 12);
		char buf[16] = "";
		ssize_t n;
		int f;

		errno = 0;
		switch (what) {
		case 0:
		case 1:
		case 2:
			for (unsigned int k = 0; k < len; k++)
				buf[k] = 'a' + sent++ % 26;
			f = what == 2 ? MSG_OOB : 0;
			n = send(p.client, buf, len, f);
			if (n != (ssize_t)len || queue_settle(p.client, SIOCOUTQ, 0))
				return -1;
			fprintf(log, "send%s %zd\n", f ? " urgent" : "", n);
			break;
		case 3:
			inlined = !inlined;
			set_int(p.server, SOL_SOCKET, SO_OOBINLINE, inlined);
			fprintf(log, "inline %d\n", inlined);
			break;
		case 4:
			n = splice(p.server, NULL, ends[1], NULL, len, 0);
			fprintf(log, "splice %u: %zd %s", len, n, n < 0 ? strerror(errno) : "");
			memset(buf, 0, sizeof(buf));
			n = read(ends[0], buf, sizeof(buf) - 1);
			fprintf(log, "%zd %s\n", n, buf);
			break;
		default:
			f = flags[draw(&seed, 8)];
			n = recv(p.server, buf, len, f);
			fprintf(log, "recv %u %x: %zd %s\n", len, f, n, n < 0 ? strerror(errno) : f & MSG_TRUNC ? "" : buf);
		}
		fprintf(log, "\tmark %d queued %d events %x signals %d\n", at_mark(p.server), queued(p.server),
			events_now(p.server), (int)signals_seen);
	}
	pair_close(&p);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

TEST_F_TIMEOUT(ip, any_calls_give_what_tcp_gives, 120)
{
	FIXTURE_VARIANT(ip) tcp = *variant;

	tcp.tcp = true;
	for (unsigned int seed = 1; seed <= 25; seed++) {
		char *text[2] = {};
		size_t len[2];

		for (int i = 0; i < 2; i++) {
			FILE *log = open_memstream(&text[i], &len[i]);

			ASSERT_EQ(0, transcript(i ? &tcp : variant, seed, 60, log));
			fclose(log);
		}
		if (strcmp(text[0], text[1])) {
			char *a = text[0], *b = text[1], *start = a;

			/* From one line before the first difference. */
			for (char *line = a; *a == *b; a++, b++)
				if (*a == '\n') {
					start = line;
					line = a + 1;
				}
			TH_LOG("seed %u:\n%.600s\nTCP:\n%.600s", seed, start, text[1] + (start - text[0]));
		}
		EXPECT_STREQ(text[0], text[1]) {
			TH_LOG("seed %u", seed);
			break;
		}
		free(text[0]);
		free(text[1]);
	}
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
