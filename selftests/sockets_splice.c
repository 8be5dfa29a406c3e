// SPDX-License-Identifier: GPL-2.0
/* sendfile(), splice(), tee() and vmsplice() on connections: what goes in comes out, and pages are lent, not copied. */
#include "sockets.h"

#include <sys/mman.h>
#include <sys/sendfile.h>

#define KIB 1024
#define MIB (1024 * 1024)
#define PAGE 4096

/* A file in memory with `len` octets of test stream `seed`, or -1. */
static int file_of(size_t len, unsigned int seed)
{
	unsigned char buf[64 * KIB];
	int file = memfd_create("t", 0);

	for (size_t done = 0; done < len; done += sizeof(buf)) {
		size_t n = len - done < sizeof(buf) ? len - done : sizeof(buf);

		octets(buf, n, done, seed);
		if (write(file, buf, n) != (ssize_t)n)
			return -1;
	}
	return file;
}

/* Fills `len` octets of a file at `at` with `c`. */
static bool file_fill(int file, off_t at, size_t len, char c)
{
	char buf[PAGE];

	memset(buf, c, sizeof(buf));
	for (size_t n = 0; n < len; n += sizeof(buf))
		if (pwrite(file, buf, sizeof(buf), at + n) != sizeof(buf))
			return false;
	return true;
}

/* Reads to the end of the stream; how many octets, or -1 if one differs from test stream `seed` from `offset` on. */
static ssize_t drain(int fd, size_t offset, unsigned int seed)
{
	static unsigned char buf[64 * KIB];
	size_t got = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (!octets_are(buf, n, offset + got, seed))
			return -1;
		got += n;
	}
	return n < 0 ? -1 : (ssize_t)got;
}

/* sendfile() until all of it is sent; false on an error. */
static bool send_all(int to, int file, off_t from, size_t len)
{
	while (len) {
		ssize_t n = sendfile(to, file, &from, len);

		if (n <= 0)
			return false;
		len -= n;
	}
	return true;
}

/* A pipe that holds so many octets. */
static int pipe_of(int ends[2], int size)
{
	return pipe(ends) || fcntl(ends[1], F_SETPIPE_SZ, size) < size ? -1 : 0;
}

/* Moves all from `in` to `out` by splice(); the octets, or -1. */
static ssize_t splice_all(int in, int out, size_t step)
{
	ssize_t n, moved = 0;

	while ((n = splice(in, NULL, out, NULL, step, 0)) > 0)
		moved += n;
	return n < 0 ? -1 : moved;
}

TEST_F_TIMEOUT(ip, a_large_file_comes_whole, 90)
{
	const size_t len = 4 * MIB + 123, skip = 777;
	int file = file_of(len, 3);
	struct pair p;
	pid_t child;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, pair_open(variant, &p));
	child = fork();
	if (!child) {
		close(p.server);
		_exit(!send_all(p.client, file, skip, len - skip));
	}
	close(p.client);
	EXPECT_EQ((ssize_t)(len - skip), drain(p.server, skip, 3));
	EXPECT_EQ(0, child_status(child));
}

TEST_F_TIMEOUT(ip, copied_and_lent_octets_keep_their_order, 90)
{
	const size_t piece = 1000, rounds = 300;
	int file = file_of(2 * piece * rounds, 4);
	struct pair p;
	pid_t child;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, pair_open(variant, &p));
	child = fork();
	if (!child) {
		unsigned char buf[1000];

		close(p.server);
		for (size_t i = 0; i < 2 * rounds; i++) {
			octets(buf, piece, i * piece, 4);
			if (i % 2 ? !send_all(p.client, file, i * piece, piece) :
				    write(p.client, buf, piece) != (ssize_t)piece)
				_exit(1);
		}
		_exit(0);
	}
	close(p.client);
	EXPECT_EQ((ssize_t)(2 * piece * rounds), drain(p.server, 0, 4));
	EXPECT_EQ(0, child_status(child));
}

/*
 * What lies in the send queue is the file's own page: it changes with the file. What was sent before the change is the first
 * half, which the peer's small buffer has no room for more than.
 */
TEST_F(ip, a_queued_page_of_a_file_is_not_a_copy)
{
	const size_t before = 128 * KIB, len = 64 * KIB;
	int file = file_of(len, 6);
	static char buf[64 * KIB], copied[128 * KIB];
	size_t changed = 0, got;
	struct pair p;
	ssize_t n;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, pair_open_with(variant, &p, MIB, 4096));
	memset(copied, 'c', sizeof(copied));
	ASSERT_EQ((ssize_t)before, write(p.client, copied, before));
	/* What write() copied is ours again. */
	memset(copied, 'x', sizeof(copied));
	ASSERT_TRUE(send_all(p.client, file, 0, len));
	ASSERT_TRUE(file_fill(file, 0, len, 'z'));
	shutdown(p.client, SHUT_WR);
	for (got = 0; (n = read(p.server, buf, sizeof(buf))) > 0; got += n)
		for (ssize_t i = 0; i < n; i++)
			changed += buf[i] == (got + i < before ? 'c' : 'z');
	EXPECT_EQ(before + len, got);
	EXPECT_EQ(before + len, changed);
}

/* Over loopback a page travels by reference all the way: from one file into the other side's pipe. */
TEST_F(ip, a_page_that_is_spliced_out_of_a_socket_is_not_a_copy)
{
	const char *from = getenv("SOCKETS_CLIENT_NS"), *to = getenv("SOCKETS_SERVER_NS");
	const size_t len = 4 * PAGE;
	int file = file_of(len, 7), ends[2];
	size_t got = 0, changed = 0;
	static char buf[PAGE];
	struct pair p;
	ssize_t n;

	if (from && to && strcmp(from, to))
		SKIP(return, "the checksum for a wire is computed of a copy");
	ASSERT_LE(0, file);
	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, pipe(ends));
	ASSERT_TRUE(send_all(p.client, file, 0, len));
	while (got < len) {
		n = splice(p.server, NULL, ends[1], NULL, len - got, 0);
		ASSERT_LT(0, n);
		got += n;
	}
	ASSERT_TRUE(file_fill(file, 0, len, 'z'));
	for (got = 0; got < len; got += n) {
		n = read(ends[0], buf, sizeof(buf));
		ASSERT_LT(0, n);
		for (ssize_t i = 0; i < n; i++)
			changed += buf[i] == 'z';
	}
	EXPECT_EQ(len, changed);
}

static long free_kib(void)
{
	long kib = -1;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemFree: %ld kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

TEST_F_TIMEOUT(ip, lent_pages_are_given_back, 90)
{
	const size_t len = 4 * MIB;
	const int rounds = 12;
	long before = 0;

	for (int i = -2; i < rounds; i++) {
		int file = memfd_create("t", 0);
		struct pair p;
		pid_t child;
		size_t got = 0;
		ssize_t n;

		/* The first rounds fill what the kernel keeps. */
		if (!i)
			before = free_kib();
		ASSERT_EQ(0, ftruncate(file, len));
		ASSERT_EQ(0, pair_open(variant, &p));
		child = fork();
		if (!child) {
			close(p.server);
			/* The last ones end with data on its way, unread. */
			if (i > rounds / 2) {
				sendfile(p.client, file, NULL, len);
				_exit(0);
			}
			_exit(!send_all(p.client, file, 0, len));
		}
		close(p.client);
		close(file);
		if (i > rounds / 2) {
			EXPECT_NE(0, events_wait(p.server, POLLIN) & POLLIN);
			close_hard(p.server);
			close(p.listener);
			EXPECT_EQ(0, child_status(child));
			continue;
		}
		while ((n = recv(p.server, NULL, len, MSG_TRUNC)) > 0)
			got += n;
		EXPECT_EQ(len, got);
		EXPECT_EQ(0, child_status(child));
		close(p.server);
		close(p.listener);
	}
	/* A quarter of what went through: more is missing only if it is held. */
	for (long end = now_ms() + PATIENCE_MS; before - free_kib() >= (long)(rounds * len / KIB / 4); nap_ms(20))
		if (now_ms() > end) {
			EXPECT_GT((long)(rounds * len / KIB / 4), before - free_kib());
			break;
		}
}

TEST_F_TIMEOUT(ip, small_pipes_between_sockets, 90)
{
	static const int sizes[] = { PAGE, 2 * PAGE, 16 * PAGE };
	const size_t len = 300001;

	for (int i = 0; i < 3; i++) {
		int file = file_of(len, 8 + i), in[2], out[2];
		struct pair a, b;
		pid_t child[3];

		ASSERT_LE(0, file);
		ASSERT_EQ(0, pair_open(variant, &a));
		ASSERT_EQ(0, pair_open(variant, &b));
		ASSERT_EQ(0, pipe_of(in, sizes[i]));
		ASSERT_EQ(0, pipe_of(out, sizes[i]));
		/* file -> socket -> pipe -> socket -> here */
		for (int c = 0; c < 3; c++) {
			child[c] = fork();
			if (child[c])
				continue;
			if (c != 0)
				close(a.client);
			if (c != 1)
				close(in[1]);
			if (c != 2)
				close(b.client);
			if (c == 0)
				_exit(!send_all(a.client, file, 0, len));
			_exit((ssize_t)len != (c == 1 ? splice_all(a.server, in[1], 50000) :
							splice_all(in[0], b.client, 10007)));
		}
		close(a.client);
		close(b.client);
		close(in[1]);
		EXPECT_EQ((ssize_t)len, drain(b.server, 0, 8 + i));
		for (int c = 0; c < 3; c++)
			EXPECT_EQ(0, child_status(child[c]));
		close(in[0]);
		close(out[0]);
		close(out[1]);
		close(a.server);
		close(b.server);
		close(a.listener);
		close(b.listener);
		close(file);
	}
}

TEST_F(ip, one_page_goes_to_two_peers_by_tee)
{
	static unsigned char bytes[3 * PAGE];
	struct iovec iov = { bytes, sizeof(bytes) };
	int from[2], copy[2];
	struct pair a, b;

	ASSERT_EQ(0, pair_open(variant, &a));
	ASSERT_EQ(0, pair_open(variant, &b));
	ASSERT_EQ(0, pipe(from));
	ASSERT_EQ(0, pipe(copy));
	octets(bytes, sizeof(bytes), 0, 12);
	ASSERT_EQ((ssize_t)sizeof(bytes), vmsplice(from[1], &iov, 1, 0));
	ASSERT_EQ((ssize_t)sizeof(bytes), tee(from[0], copy[1], sizeof(bytes), 0));
	close(from[1]);
	close(copy[1]);
	EXPECT_EQ((ssize_t)sizeof(bytes), splice_all(from[0], a.client, MIB));
	EXPECT_EQ((ssize_t)sizeof(bytes), splice_all(copy[0], b.client, MIB));
	shutdown(a.client, SHUT_WR);
	shutdown(b.client, SHUT_WR);
	EXPECT_EQ((ssize_t)sizeof(bytes), drain(a.server, 0, 12));
	EXPECT_EQ((ssize_t)sizeof(bytes), drain(b.server, 0, 12));
}

TEST_F(ip, many_tiny_pieces_of_many_pages)
{
	static unsigned char bytes[200 * 16];
	struct pair p;
	int ends[2];

	/* More pieces than a packet has room for, each of a page of its own. */
	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, pipe(ends));
	octets(bytes, sizeof(bytes), 0, 13);
	for (size_t i = 0; i < 200; i++) {
		ASSERT_EQ(16, write(ends[1], bytes + i * 16, 16));
		ASSERT_EQ(7, splice(ends[0], NULL, p.client, NULL, 7, SPLICE_F_MORE));
		ASSERT_EQ(9, splice(ends[0], NULL, p.client, NULL, 16, SPLICE_F_NONBLOCK));
	}
	shutdown(p.client, SHUT_WR);
	EXPECT_EQ((ssize_t)sizeof(bytes), drain(p.server, 0, 13));
}

TEST_F(ip, a_full_buffer_takes_a_part_and_says_how_much)
{
	const size_t len = 2 * MIB;
	int file = file_of(len, 14);
	off_t from = 0, seen;
	struct pair p;
	pid_t child;
	ssize_t n;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, pair_open_with(variant, &p, 16 * KIB, 16 * KIB));
	set_nonblocking(p.client, true);
	n = sendfile(p.client, file, &from, len);
	ASSERT_LT(0, n);
	ASSERT_GT((ssize_t)len, n);
	ASSERT_EQ(n, from);
	/* Until really nothing goes. */
	do {
		seen = from;
		n = sendfile(p.client, file, &from, len);
		ASSERT_EQ(n > 0 ? n : 0, from - seen);
		if (n > 0)
			nap_ms(20);
	} while (n > 0);
	EXPECT_EQ(-1, n);
	EXPECT_EQ(EAGAIN, errno);
	/* Bounded: two buffers, and what a packet and the kernel's own pieces add. */
	EXPECT_GT((off_t)(512 * KIB), from);
	child = fork();
	if (!child) {
		close(p.client);
		_exit(drain(p.server, 0, 14) != (ssize_t)len);
	}
	close(p.server);
	while ((size_t)from < len) {
		ASSERT_NE(0, events_wait(p.client, POLLOUT) & POLLOUT);
		n = sendfile(p.client, file, &from, len - from);
		ASSERT_TRUE(n > 0 || (n == -1 && errno == EAGAIN));
	}
	close(p.client);
	EXPECT_EQ(0, child_status(child));
}

TEST_F(ip, a_signal_ends_a_sendfile_that_waits)
{
	const size_t len = 4 * MIB;
	int file = file_of(len, 15);
	off_t from = 0;
	struct pair p;
	pid_t child;
	ssize_t n;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, pair_open_with(variant, &p, 16 * KIB, 16 * KIB));
	catch_signal(SIGALRM);
	alarm_every(100);
	n = sendfile(p.client, file, &from, len);
	EXPECT_LT(0, n);
	EXPECT_GT((ssize_t)len, n);
	do {
		n = sendfile(p.client, file, &from, len);
	} while (n > 0);
	EXPECT_EQ(-1, n);
	EXPECT_EQ(EINTR, errno);
	alarm_every(0);
	/* Nothing is lost, nothing doubled. */
	child = fork();
	if (!child) {
		close(p.client);
		_exit(drain(p.server, 0, 15) != (ssize_t)len);
	}
	close(p.server);
	EXPECT_TRUE(send_all(p.client, file, from, len - from));
	close(p.client);
	EXPECT_EQ(0, child_status(child));
}

TEST_F(ip, a_shutdown_ends_a_sendfile_that_waits)
{
	const size_t len = 4 * MIB;
	int file = file_of(len, 16), sent[2];
	struct pair p;
	off_t from = 0;
	pid_t child;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, pipe(sent));
	ASSERT_EQ(0, pair_open_with(variant, &p, 16 * KIB, 16 * KIB));
	catch_signal(SIGPIPE);
	child = fork();
	if (!child) {
		ssize_t n = sendfile(p.client, file, &from, len), again;

		again = sendfile(p.client, file, &from, len);
		_exit(write(sent[1], &n, sizeof(n)) != sizeof(n) || n <= 0 || n >= (ssize_t)len || again != -1 ||
		      errno != EPIPE || !signals_seen);
	}
	ASSERT_TRUE(wait_asleep(child));
	EXPECT_EQ(0, shutdown(p.client, SHUT_WR));
	ASSERT_EQ(0, child_status(child));
	ASSERT_EQ((ssize_t)sizeof(from), read(sent[0], &from, sizeof(from)));
	EXPECT_EQ(from, drain(p.server, 0, 16));
}

TEST_F(ip, a_reset_ends_a_sendfile_that_waits)
{
	const size_t len = 4 * MIB;
	int file = file_of(len, 17);
	struct pair p;
	pid_t child;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, pair_open_with(variant, &p, 16 * KIB, 16 * KIB));
	child = fork();
	if (!child) {
		off_t from = 0;
		ssize_t n;

		close(p.server);
		n = sendfile(p.client, file, &from, len);
		if (n <= 0 || n >= (ssize_t)len)
			_exit(1);
		/* The reset may have been told inside the first call, where a part had gone. */
		if (sendfile(p.client, file, &from, len) != -1 || (errno != ECONNRESET && errno != EPIPE))
			_exit(2);
		if (sendfile(p.client, file, &from, len) != -1 || errno != EPIPE)
			_exit(3);
		_exit(0);
	}
	ASSERT_TRUE(wait_asleep(child));
	/* Unread data: the close is a reset. */
	close(p.server);
	EXPECT_EQ(0, child_status(child));
}

TEST_F(ip, splicing_in_waits_as_reading_does)
{
	struct pair p;
	int ends[2];
	long start;
	char c[8];

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, pipe(ends));
	set_nonblocking(p.server, true);
	EXPECT_EQ(-1, splice(p.server, NULL, ends[1], NULL, 10, 0));
	EXPECT_EQ(EAGAIN, errno);
	set_nonblocking(p.server, false);
	EXPECT_EQ(0, splice(p.server, NULL, ends[1], NULL, 0, 0));
	set_timeout(p.server, SO_RCVTIMEO, 200);
	start = now_ms();
	EXPECT_EQ(-1, splice(p.server, NULL, ends[1], NULL, 10, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LE(150, now_ms() - start);
	set_timeout(p.server, SO_RCVTIMEO, 0);
	catch_signal(SIGALRM);
	alarm_every(50);
	EXPECT_EQ(-1, splice(p.server, NULL, ends[1], NULL, 10, 0));
	EXPECT_EQ(EINTR, errno);
	alarm_every(0);
	/* What is there comes at once, however much more was asked for. */
	ASSERT_EQ(3, write(p.client, "abc", 3));
	EXPECT_EQ(3, splice(p.server, NULL, ends[1], NULL, MIB, 0));
	EXPECT_EQ(3, read(ends[0], c, sizeof(c)));
	EXPECT_EQ(0, memcmp(c, "abc", 3));
	EXPECT_EQ(-1, splice(p.server, (loff_t[]){ 0 }, ends[1], NULL, 10, 0));
	EXPECT_TRUE(errno == ESPIPE || errno == EINVAL);
	shutdown(p.client, SHUT_WR);
	EXPECT_EQ(0, splice(p.server, NULL, ends[1], NULL, 10, 0));
}

TEST_F(ip, splicing_in_tells_why_nothing_comes)
{
	struct pair p;
	int ends[2], fd;

	ASSERT_EQ(0, pipe(ends));
	fd = sock_open(variant, CLIENT, 0);
	EXPECT_EQ(-1, splice(fd, NULL, ends[1], NULL, 10, 0));
	EXPECT_EQ(ENOTCONN, errno);
	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(-1, splice(p.listener, NULL, ends[1], NULL, 10, 0));
	EXPECT_EQ(ENOTCONN, errno);
	close_hard(p.server);
	EXPECT_EQ(-1, splice(p.client, NULL, ends[1], NULL, 10, 0));
	EXPECT_EQ(ECONNRESET, errno);
	EXPECT_EQ(-1, sendfile(fd, file_of(1, 0), (off_t[]){ 0 }, 1));
	EXPECT_EQ(EPIPE, errno);
	/* A pipe that nobody reads. */
	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(1, write(p.client, "x", 1));
	ASSERT_EQ(1, queue_settle(p.server, SIOCINQ, 1));
	close(ends[0]);
	EXPECT_EQ(-1, splice(p.server, NULL, ends[1], NULL, 10, 0));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, read(p.server, (char[4]){}, 4));
}

TEST_F(ip, what_a_full_pipe_leaves_is_read_later)
{
	static unsigned char bytes[10 * PAGE];
	struct pair p;
	int ends[2];
	ssize_t n, more;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, pipe_of(ends, 2 * PAGE));
	octets(bytes, sizeof(bytes), 0, 18);
	ASSERT_EQ((ssize_t)sizeof(bytes), write(p.client, bytes, sizeof(bytes)));
	shutdown(p.client, SHUT_WR);
	ASSERT_EQ((int)sizeof(bytes), queue_settle(p.server, SIOCINQ, sizeof(bytes)));
	for (n = 0; (more = splice(p.server, NULL, ends[1], NULL, sizeof(bytes), SPLICE_F_NONBLOCK)) > 0;)
		n += more;
	EXPECT_EQ(-1, more);
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_LT(0, n);
	ASSERT_GT((ssize_t)sizeof(bytes), n);
	ASSERT_EQ((int)sizeof(bytes) - n, queue_settle(p.server, SIOCINQ, sizeof(bytes) - n));
	/* Peeking, throwing away and reading go on where the splice ended. */
	memset(bytes, 0, 100);
	EXPECT_EQ(100, recv(p.server, bytes, 100, MSG_PEEK));
	EXPECT_TRUE(octets_are(bytes, 100, n, 18));
	EXPECT_EQ(100, recv(p.server, NULL, 100, MSG_TRUNC));
	EXPECT_EQ((ssize_t)sizeof(bytes) - n - 100, drain(p.server, n + 100, 18));
	EXPECT_EQ(n, read(ends[0], bytes, sizeof(bytes)));
	EXPECT_TRUE(octets_are(bytes, n, 0, 18));
}

TEST_F(ip, zero_copy_of_messages_is_refused_as_where_linux_lacks_it)
{
	struct pair p;

	if (variant->tcp)
		SKIP(return, "Linux's TCP has it");
	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(-1, set_int(p.client, SOL_SOCKET, SO_ZEROCOPY, 1));
	EXPECT_EQ(EOPNOTSUPP, errno);
	/* Without the option the flag means nothing, as in Linux: the octets are copied. */
	EXPECT_EQ(2, send(p.client, "zc", 2, MSG_ZEROCOPY));
	EXPECT_EQ(2, recv(p.server, (char[8]){}, 8, 0));
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
