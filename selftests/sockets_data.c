// SPDX-License-Identifier: GPL-2.0
/* What flows over a connection: the send and receive family with its flags, big transfers, bounded memory. */
#include "sockets.h"

#include <sys/mman.h>
#include <sys/sendfile.h>

TEST_F(ip, gather_and_scatter)
{
	struct iovec out[] = { { "ab", 2 }, { "", 0 }, { "cde", 3 }, { "f", 1 } };
	char a[4] = "", b[4] = "", text[16] = "";
	struct iovec in[] = { { a, 3 }, { b, 3 } };
	struct sockaddr_storage name;
	struct msghdr msg = { .msg_iov = in, .msg_iovlen = 2, .msg_name = &name, .msg_namelen = sizeof(name) };
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(6, writev(p.client, out, 4));
	ASSERT_EQ(6, queue_settle(p.server, SIOCINQ, 6));
	EXPECT_EQ(6, readv(p.server, in, 2));
	EXPECT_STREQ("abc", a);
	EXPECT_STREQ("def", b);
	EXPECT_EQ(6, sendmsg(p.server, &(struct msghdr){ .msg_iov = out, .msg_iovlen = 4 }, 0));
	ASSERT_EQ(6, queue_settle(p.client, SIOCINQ, 6));
	EXPECT_EQ(6, recvmsg(p.client, &msg, 0));
	EXPECT_EQ((socklen_t)0, msg.msg_namelen);
	EXPECT_EQ(0, msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
	/* The address argument of a connection's sendto() means nothing. */
	EXPECT_EQ(2, sendto(p.client, "to", 2, 0, &p.at.sa, p.at.len));
	EXPECT_EQ(2, recv(p.server, text, sizeof(text), 0));
}

TEST_F(ip, many_messages_in_one_call)
{
	struct mmsghdr out[8] = {}, in[8] = {};
	struct iovec iov[8], into;
	char text[64] = "";
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	for (int i = 0; i < 8; i++) {
		iov[i] = (struct iovec){ &"01234567"[i], 1 };
		out[i].msg_hdr.msg_iov = &iov[i];
		out[i].msg_hdr.msg_iovlen = 1;
	}
	EXPECT_EQ(8, sendmmsg(p.client, out, 8, 0));
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(1U, out[i].msg_len);
	ASSERT_EQ(8, queue_settle(p.server, SIOCINQ, 8));
	into = (struct iovec){ text, 3 };
	for (int i = 0; i < 2; i++) {
		in[i].msg_hdr.msg_iov = &into;
		in[i].msg_hdr.msg_iovlen = 1;
	}
	EXPECT_EQ(2, recvmmsg(p.server, in, 2, MSG_DONTWAIT, NULL));
	EXPECT_STREQ("345", text);
	EXPECT_EQ(2, recv(p.server, text, sizeof(text), 0));
}

TEST_F(ip, peeking_takes_nothing)
{
	char text[16];
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(3, write(p.client, "abc", 3));
	ASSERT_EQ(3, queue_settle(p.server, SIOCINQ, 3));
	ASSERT_EQ(3, write(p.client, "def", 3));
	ASSERT_EQ(6, queue_settle(p.server, SIOCINQ, 6));
	for (int i = 0; i < 3; i++) {
		memset(text, 0, sizeof(text));
		EXPECT_EQ(6, recv(p.server, text, sizeof(text), MSG_PEEK));
		EXPECT_STREQ("abcdef", text);
	}
	EXPECT_EQ(2, recv(p.server, text, 2, MSG_PEEK));
	EXPECT_EQ(2, recv(p.server, text, 2, 0));
	memset(text, 0, sizeof(text));
	EXPECT_EQ(4, recv(p.server, text, sizeof(text), MSG_PEEK));
	EXPECT_STREQ("cdef", text);
	EXPECT_EQ(4, recv(p.server, text, sizeof(text), 0));
	EXPECT_EQ(-1, recv(p.server, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(ip, receiving_waits_no_longer_than_it_is_told)
{
	struct pair p;
	long start;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(-1, recv(p.server, &c, 1, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	set_timeout(p.server, SO_RCVTIMEO, 200);
	start = now_ms();
	EXPECT_EQ(-1, recv(p.server, &c, 1, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LE(150, now_ms() - start);
	set_timeout(p.server, SO_RCVTIMEO, 0);
	catch_signal(SIGALRM);
	alarm_every(50);
	EXPECT_EQ(-1, recv(p.server, &c, 1, 0));
	EXPECT_EQ(EINTR, errno);
	alarm_every(0);
}

TEST_F(ip, waitall_waits_for_all)
{
	char text[16] = "";
	struct pair p;
	pid_t child;

	ASSERT_EQ(0, pair_open(variant, &p));
	child = fork();
	if (!child) {
		char buf[8] = "";

		close(p.client);
		_exit(recv(p.server, buf, 6, MSG_WAITALL) != 6 || strcmp(buf, "waited"));
	}
	ASSERT_EQ(4, write(p.client, "wait", 4));
	ASSERT_TRUE(wait_asleep(child));
	ASSERT_EQ(2, write(p.client, "ed", 2));
	EXPECT_EQ(0, child_status(child));
	/* The end of the stream ends the wait too, and so does a signal. */
	ASSERT_EQ(3, write(p.client, "sig", 3));
	catch_signal(SIGALRM);
	alarm_every(50);
	EXPECT_EQ(3, recv(p.server, text, 8, MSG_WAITALL));
	alarm_every(0);
	ASSERT_EQ(3, write(p.client, "end", 3));
	ASSERT_EQ(0, close(p.client));
	EXPECT_EQ(3, recv(p.server, text, 8, MSG_WAITALL));
	EXPECT_EQ(0, recv(p.server, text, 8, MSG_WAITALL));
}

TEST_F(ip, msg_trunc_throws_away)
{
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(8, write(p.client, "rubbish!", 8));
	ASSERT_EQ(8, queue_settle(p.server, SIOCINQ, 8));
	EXPECT_EQ(7, recv(p.server, NULL, 7, MSG_TRUNC));
	EXPECT_EQ(1, recv(p.server, &c, 1, 0));
	EXPECT_EQ('!', c);
}

TEST_F(ip, lengths_of_nothing)
{
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(0, send(p.client, &c, 0, 0));
	EXPECT_EQ(0, write(p.client, &c, 0));
	EXPECT_EQ(0, sendmsg(p.client, &(struct msghdr){}, 0));
	EXPECT_EQ(0, read(p.server, &c, 0));
	EXPECT_EQ(-1, recv(p.server, &c, 0, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(1, write(p.client, "x", 1));
	ASSERT_EQ(1, queue_settle(p.server, SIOCINQ, 1));
	EXPECT_EQ(0, recv(p.server, &c, 0, 0));
	EXPECT_EQ(1, recv(p.server, &c, 1, 0));
	EXPECT_EQ('x', c);
}

TEST_F(ip, bad_pointers_are_told_and_lose_nothing)
{
	long page = sysconf(_SC_PAGESIZE);
	char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), text[8] = "";
	struct pair p;
	ssize_t n;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_NE(MAP_FAILED, two);
	ASSERT_EQ(0, munmap(two + page, page));
	EXPECT_EQ(-1, send(p.client, BAD_POINTER, 10, 0));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(4, write(p.client, "kept", 4));
	ASSERT_EQ(4, queue_settle(p.server, SIOCINQ, 4));
	EXPECT_EQ(-1, recv(p.server, BAD_POINTER, 4, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(4, recv(p.server, text, sizeof(text), 0));
	EXPECT_STREQ("kept", text);
	/* Half of it readable: all or nothing of that half, and the stream goes on. */
	memset(two, 'h', page);
	n = send(p.client, two + page - 5, 10, MSG_NOSIGNAL);
	EXPECT_TRUE(n == -1 || (n >= 0 && n <= 5));
	ASSERT_EQ(1, write(p.client, "!", 1));
	do {
		ASSERT_EQ(1, read(p.server, text, 1));
	} while (text[0] == 'h');
	EXPECT_EQ('!', text[0]);
	EXPECT_EQ(-1, sendmsg(p.client, BAD_POINTER, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, recvmsg(p.client, BAD_POINTER, MSG_DONTWAIT));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(ip, absurd_lengths_and_flags)
{
	struct msghdr msg = { .msg_iovlen = 100000 };
	unsigned char *big = mmap(NULL, 1 << 24, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct pair p;
	ssize_t n;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_NE(MAP_FAILED, big);
	EXPECT_EQ(-1, sendmsg(p.client, &msg, 0));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(-1, recvmsg(p.client, &msg, 0));
	EXPECT_EQ(EMSGSIZE, errno);
	n = send(p.client, big, 1 << 24, MSG_DONTWAIT);
	EXPECT_LT(0, n);
	EXPECT_GT(1 << 24, n);
	/* The kernel cuts a call at what fits into an int, in whole pages. */
	EXPECT_EQ(-1, send(p.client, big, 1ul << 31, MSG_DONTWAIT));
	EXPECT_TRUE(errno == EAGAIN || errno == EFAULT);
	EXPECT_EQ(1, recv(p.server, &c, 1, MSG_CMSG_CLOEXEC));
	EXPECT_EQ(-1, recv(p.client, &c, 1ul << 31, MSG_DONTWAIT));
	EXPECT_TRUE(errno == EAGAIN || errno == EFAULT);
	EXPECT_EQ(-1, recv(p.client, &c, (size_t)-1, MSG_DONTWAIT));
	EXPECT_TRUE(errno == EAGAIN || errno == EFAULT);
}

TEST_F(ip, hints_do_not_hold_data_back)
{
	static const int flags[] = { MSG_MORE, MSG_EOR, MSG_DONTROUTE, MSG_CONFIRM, MSG_NOSIGNAL };
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		ASSERT_EQ(1, send(p.client, "h", 1, flags[i]));
		EXPECT_EQ(1, recv(p.server, &c, 1, 0));
	}
}

TEST_F(ip, out_of_band_and_error_queue_calls_answer)
{
	struct pair p;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(-1, recv(p.client, &c, 1, MSG_ERRQUEUE));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-1, recv(p.client, &c, 1, MSG_OOB));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(1, send(p.client, "!", 1, MSG_OOB));
	ASSERT_EQ(1, write(p.client, "x", 1));
	EXPECT_EQ(POLLIN, events_wait(p.server, POLLIN) & POLLIN);
}

TEST_F(ip, the_queues_are_counted)
{
	struct pair p;
	int value;

	ASSERT_EQ(0, pair_open_with(variant, &p, 0, 4096));
	ASSERT_EQ(10, write(p.client, "0123456789", 10));
	EXPECT_EQ(10, queue_settle(p.server, SIOCINQ, 10));
	EXPECT_EQ(0, queue_settle(p.client, SIOCOUTQ, 0));
	EXPECT_EQ(4, read(p.server, (char[4]){}, 4));
	EXPECT_EQ(6, queue_settle(p.server, SIOCINQ, 6));
	EXPECT_EQ(0, ioctl(p.server, FIONREAD, &value));
	EXPECT_EQ(6, value);
	/* More than the peer takes stays here. */
	ASSERT_LT(8192, send(p.client, (char[32768]){}, 32768, MSG_DONTWAIT));
	EXPECT_EQ(POLLIN, events_wait(p.server, POLLIN) & POLLIN);
	nap_ms(50);
	EXPECT_EQ(0, ioctl(p.client, SIOCOUTQ, &value));
	EXPECT_LT(0, value);
}

TEST_F(ip, so_rcvlowat_delays_poll_and_recv)
{
	char text[16];
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_RCVLOWAT, 5));
	ASSERT_EQ(3, write(p.client, "abc", 3));
	ASSERT_EQ(3, queue_settle(p.server, SIOCINQ, 3));
	EXPECT_EQ(EV_OUT, events_now(p.server));
	ASSERT_EQ(2, write(p.client, "de", 2));
	EXPECT_EQ(EV_IN | EV_OUT, events_settle(p.server, EV_IN | EV_OUT));
	EXPECT_EQ(5, recv(p.server, text, sizeof(text), 0));
}

/* Sends `total` octets of stream `out` and receives and checks as many of stream `in`, both as they can: 0 if all came. */
static int exchange(int fd, size_t total, unsigned int out, unsigned int in, size_t piece)
{
	unsigned char *buf = malloc(piece);
	size_t sent = 0, got = 0;
	long end = now_ms() + 60000;

	set_nonblocking(fd, true);
	while ((sent < total || got < total) && now_ms() < end) {
		struct pollfd p = { .fd = fd, .events = (got < total ? POLLIN : 0) | (sent < total ? POLLOUT : 0) };
		ssize_t n;

		if (poll(&p, 1, 1000) < 0 || p.revents & (POLLERR | POLLHUP))
			return 1;
		if (p.revents & POLLIN) {
			n = read(fd, buf, piece);
			if (n <= 0 || !octets_are(buf, n, got, in))
				return 2;
			got += n;
		}
		if (p.revents & POLLOUT) {
			n = total - sent < piece ? total - sent : piece;
			octets(buf, n, sent, out);
			n = write(fd, buf, n);
			if (n < 0 && errno != EAGAIN)
				return 3;
			if (n > 0)
				sent += n;
		}
	}
	free(buf);
	return sent == total && got == total ? 0 : 4;
}

/* Both directions at once; 0 if every octet came, in order, on both sides. */
static int both_ways(variant_t *v, size_t total, int buffers, size_t piece)
{
	struct pair p;
	pid_t child;
	int here;

	if (pair_open_with(v, &p, buffers, buffers))
		return -1;
	child = fork();
	if (!child) {
		close(p.client);
		_exit(exchange(p.server, total, 21, 22, piece));
	}
	close(p.server);
	here = exchange(p.client, total, 22, 21, piece);
	return here | child_status(child) << 8;
}

TEST_F_TIMEOUT(ip, megabytes_both_ways_at_once, 90)
{
	EXPECT_EQ(0, both_ways(variant, 4 << 20, 0, 65536));
}

TEST_F_TIMEOUT(ip, small_buffers_both_ways_at_once, 90)
{
	EXPECT_EQ(0, both_ways(variant, 256 << 10, 4096, 3000));
}

TEST_F_TIMEOUT(ip, smallest_buffers_both_ways_at_once, 90)
{
	EXPECT_EQ(0, both_ways(variant, 12 << 10, 1, 1000));
}

/* Writes pieces of one size until nothing goes in for a while; how many octets went. */
static size_t stuff(int fd, size_t piece)
{
	unsigned char buf[4096];
	size_t total = 0;
	int quiet = 0;

	set_nonblocking(fd, true);
	while (quiet < 20 && total < 64 << 20) {
		ssize_t n;

		octets(buf, piece, total, 9);
		n = write(fd, buf, piece);
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

TEST_F_TIMEOUT(ip, must_35_a_reader_that_sleeps_bounds_the_writer, 90)
{
	unsigned char buf[8192];
	size_t total, got = 0;
	struct pair p;
	ssize_t n;

	ASSERT_EQ(0, pair_open_with(variant, &p, 16384, 16384));
	total = stuff(p.client, sizeof(buf) / 2);
	EXPECT_LT((size_t)8192, total);
	/* Both buffers as Linux doubled them, and nothing hidden elsewhere. */
	EXPECT_GE((size_t)4 * 32768, total);
	EXPECT_EQ(0, events_now(p.client) & POLLOUT);
	EXPECT_EQ(-1, send(p.client, buf, 1, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	while (got < total) {
		n = recv(p.server, buf, sizeof(buf), 0);
		ASSERT_LT(0, n);
		ASSERT_TRUE(octets_are(buf, n, got, 9));
		got += n;
	}
	EXPECT_EQ(EV_OUT, events_settle(p.client, EV_OUT));
	EXPECT_EQ(0, queue_settle(p.client, SIOCOUTQ, 0));
}

TEST_F_TIMEOUT(ip, single_octets_are_bounded_too, 90)
{
	unsigned char buf[8192];
	size_t total, got = 0;
	struct pair p;
	ssize_t n;

	ASSERT_EQ(0, pair_open_with(variant, &p, 4096, 4096));
	total = stuff(p.client, 1);
	EXPECT_LT((size_t)1, total);
	EXPECT_GE((size_t)4 * 8192, total);
	while (got < total) {
		n = recv(p.server, buf, sizeof(buf), 0);
		ASSERT_LT(0, n);
		ASSERT_TRUE(octets_are(buf, n, got, 9));
		got += n;
	}
	EXPECT_EQ(EV_OUT, events_settle(p.client, EV_OUT));
}

TEST_F(ip, a_sleeping_writer_wakes_up_for_room)
{
	struct pair p;
	size_t total;
	pid_t child;
	ssize_t n;

	ASSERT_EQ(0, pair_open_with(variant, &p, 4096, 4096));
	total = stuff(p.client, 4096);
	child = fork();
	if (!child) {
		close(p.server);
		_exit(write(p.client, "more", 4) != 4);
	}
	close(p.client);
	ASSERT_TRUE(wait_asleep(child));
	for (size_t got = 0; got < total + 4; got += n) {
		n = read(p.server, (char[4096]){}, 4096);
		ASSERT_LT(0, n);
	}
	EXPECT_EQ(0, child_status(child));
	EXPECT_EQ(0, read(p.server, (char[8]){}, 8));
}

TEST_F(ip, sending_waits_no_longer_than_it_is_told)
{
	struct pair p;
	long start;
	ssize_t n;

	ASSERT_EQ(0, pair_open_with(variant, &p, 4096, 4096));
	ASSERT_NE((size_t)0, stuff(p.client, 4096));
	set_timeout(p.client, SO_SNDTIMEO, 200);
	do {
		/* A window probe may have made room for one more. */
		start = now_ms();
		n = send(p.client, "x", 1, 0);
	} while (n == 1);
	EXPECT_EQ(-1, n);
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LE(150, now_ms() - start);
	set_timeout(p.client, SO_SNDTIMEO, 0);
	catch_signal(SIGALRM);
	alarm_every(50);
	do {
		n = send(p.client, "x", 1, 0);
	} while (n == 1);
	EXPECT_EQ(-1, n);
	EXPECT_EQ(EINTR, errno);
	alarm_every(0);
}

TEST_F(ip, a_file_goes_out_by_sendfile_and_comes_in_by_splice)
{
	static unsigned char bytes[100000];
	int file = memfd_create("t", 0), ends[2];
	size_t sent = 0, got = 0;
	struct pair p;
	off_t from = 0;
	ssize_t n;
	pid_t child;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, pipe(ends));
	octets(bytes, sizeof(bytes), 0, 5);
	ASSERT_EQ((ssize_t)sizeof(bytes), write(file, bytes, sizeof(bytes)));
	child = fork();
	if (!child) {
		close(p.server);
		for (; sent < sizeof(bytes); sent += n) {
			n = sendfile(p.client, file, &from, sizeof(bytes) - sent);
			if (n <= 0)
				_exit(1);
		}
		_exit(0);
	}
	close(p.client);
	while ((n = splice(p.server, NULL, ends[1], NULL, 16384, 0)) > 0) {
		ASSERT_EQ(n, read(ends[0], bytes, n));
		ASSERT_TRUE(octets_are(bytes, n, got, 5));
		got += n;
	}
	EXPECT_EQ(0, n);
	EXPECT_EQ(sizeof(bytes), got);
	EXPECT_EQ(0, child_status(child));
}

TEST_F(ip, two_writers_share_a_socket)
{
	size_t count[2] = {}, got = 0;
	char buf[4096];
	struct pair p;
	pid_t child[2];
	ssize_t n;

	ASSERT_EQ(0, pair_open_with(variant, &p, 8192, 8192));
	for (int i = 0; i < 2; i++) {
		child[i] = fork();
		if (child[i])
			continue;
		close(p.server);
		memset(buf, 'a' + i, sizeof(buf));
		for (int k = 0; k < 20; k++)
			if (write(p.client, buf, 1000) != 1000)
				_exit(1);
		_exit(0);
	}
	close(p.client);
	for (; (n = read(p.server, buf, sizeof(buf))) > 0; got += n)
		for (ssize_t i = 0; i < n; i++)
			count[buf[i] == 'b']++;
	EXPECT_EQ(0, n);
	EXPECT_EQ((size_t)20000, count[0]);
	EXPECT_EQ((size_t)20000, count[1]);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, child_status(child[i]));
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
