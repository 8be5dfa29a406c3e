// SPDX-License-Identifier: GPL-2.0
/* Socket options of the level IPPROTO_TCP: values, ranges, lengths, inheritance, and what they do. */
#include "sockets.h"

#include <limits.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>

/* A value that is set, and what is told then; or the errno of setsockopt(). */
struct step {
	int value, told, error;
};

#define MAX_STEPS 10

struct option_case {
	const char *name;
	int option;
	int unset;		/* what is told before anything is set */
	struct step steps[MAX_STEPS];
	int count;
};

#define STEPS(...) \
	.steps = { __VA_ARGS__ }, .count = sizeof((struct step[]){ __VA_ARGS__ }) / sizeof(struct step)
#define SET(v, t) { .value = v, .told = t }
#define BAD(v) { .value = v, .error = EINVAL }

static const struct option_case cases[] = {
	{ "TCP_NODELAY", TCP_NODELAY, 0, STEPS(SET(1, 1), SET(0, 0), SET(5, 1), SET(-1, 1), SET(0, 0)) },
	{ "TCP_CORK", TCP_CORK, 0, STEPS(SET(1, 1), SET(0, 0), SET(7, 1), SET(0, 0)) },
	{ "TCP_MAXSEG", TCP_MAXSEG, 536,
	  STEPS(SET(88, 88), SET(32767, 32767), BAD(87), BAD(32768), BAD(-1), BAD(INT_MAX), SET(0, 536), SET(1000, 1000)) },
	{ "TCP_KEEPIDLE", TCP_KEEPIDLE, 7200,
	  STEPS(SET(1, 1), SET(32767, 32767), BAD(0), BAD(-1), BAD(32768), BAD(INT_MAX), BAD(INT_MIN), SET(100, 100)) },
	{ "TCP_KEEPINTVL", TCP_KEEPINTVL, 75, STEPS(SET(1, 1), SET(32767, 32767), BAD(0), BAD(-1), BAD(32768), SET(9, 9)) },
	{ "TCP_KEEPCNT", TCP_KEEPCNT, 9, STEPS(SET(1, 1), SET(127, 127), BAD(0), BAD(-1), BAD(128), SET(3, 3)) },
	{ "TCP_SYNCNT", TCP_SYNCNT, -1, STEPS(SET(1, 1), SET(127, 127), BAD(0), BAD(-1), BAD(128), SET(4, 4)) },
	{ "TCP_LINGER2", TCP_LINGER2, 60, STEPS(SET(5, 5), SET(120, 120), SET(1000, 120), SET(-5, -1), SET(0, 60), SET(7, 7)) },
	{ "TCP_DEFER_ACCEPT", TCP_DEFER_ACCEPT, 0,
	  STEPS(SET(1, 1), SET(2, 3), SET(4, 7), SET(127, 127), SET(128, 247), SET(-1, 0), SET(3, 3), SET(0, 0)) },
	{ "TCP_WINDOW_CLAMP", TCP_WINDOW_CLAMP, 0, STEPS(SET(1, 1152), SET(5000, 5000), SET(0, 0), SET(70000, 70000)) },
	{ "TCP_USER_TIMEOUT", TCP_USER_TIMEOUT, 0,
	  STEPS(SET(1, 1), SET(INT_MAX, INT_MAX), BAD(-1), BAD(INT_MIN), SET(0, 0), SET(5000, 5000)) },
	{ "TCP_NOTSENT_LOWAT", TCP_NOTSENT_LOWAT, 0, STEPS(SET(1, 1), SET(-1, -1), SET(0, 0), SET(4096, 4096)) },
	{ "TCP_QUICKACK", TCP_QUICKACK, 1, STEPS(SET(0, 0), SET(1, 1)) },
};

#define NCASES (sizeof(cases) / sizeof(*cases))

static int tcp_int(int fd, int option)
{
	return get_int(fd, IPPROTO_TCP, option);
}

static int set_tcp(int fd, int option, int value)
{
	return set_int(fd, IPPROTO_TCP, option, value) ? errno : 0;
}

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = {};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		info.tcpi_state = 0xff;
	return info;
}

/* What was not set is the default; each value does what it does in Linux. */
TEST_F(ip, must_27_values_and_ranges)
{
	int fd = sock_open(variant, CLIENT, 0);

	ASSERT_LE(0, fd);
	for (size_t i = 0; i < NCASES; i++) {
		const struct option_case *c = &cases[i];
		int before = c->unset;

		if (c->option == TCP_SYNCNT)
			before = variant->tcp ? 6 : 7;
		EXPECT_EQ(before, tcp_int(fd, c->option)) TH_LOG("%s is told so before it is set", c->name);
		for (int k = 0; k < c->count; k++) {
			const struct step *s = &c->steps[k];

			EXPECT_EQ(s->error, set_tcp(fd, c->option, s->value)) TH_LOG("%s set to %d", c->name, s->value);
			if (!s->error)
				before = s->told;
			EXPECT_EQ(before, tcp_int(fd, c->option)) TH_LOG("%s after %d", c->name, s->value);
		}
	}
	close(fd);
}

/* A value shorter than an int is refused, a longer one is cut; what is told is cut to the room that there is. */
TEST_F(ip, lengths_and_bad_pointers)
{
	int fd = sock_open(variant, CLIENT, 0), value = 1;
	long long longer = 1;
	char room[8];
	socklen_t len;

	ASSERT_LE(0, fd);
	for (size_t i = 0; i < NCASES; i++) {
		int option = cases[i].option;

		for (len = 0; len < sizeof(int); len++) {
			EXPECT_EQ(-1, setsockopt(fd, IPPROTO_TCP, option, &value, len));
			EXPECT_EQ(EINVAL, errno) TH_LOG("%s with length %u", cases[i].name, len);
		}
		EXPECT_EQ(-1, setsockopt(fd, IPPROTO_TCP, option, BAD_POINTER, sizeof(int)));
		EXPECT_EQ(EFAULT, errno) TH_LOG("%s from nowhere", cases[i].name);
		longer = option == TCP_MAXSEG ? 100 : 1;
		EXPECT_EQ(0, setsockopt(fd, IPPROTO_TCP, option, &longer, sizeof(longer)));
		for (len = 0; len <= sizeof(room); len++) {
			socklen_t told = len, cut = len < sizeof(int) ? len : sizeof(int);

			memset(room, 0x55, sizeof(room));
			ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, option, room, &told));
			EXPECT_EQ(cut, told);
			for (socklen_t k = cut; k < sizeof(room); k++) {
				EXPECT_EQ(0x55, room[k]) TH_LOG("%s, length %u, octet %u", cases[i].name, len, k);
			}
		}
		len = -1;
		EXPECT_EQ(-1, getsockopt(fd, IPPROTO_TCP, option, room, &len));
		EXPECT_EQ(EINVAL, errno);
		len = sizeof(int);
		EXPECT_EQ(-1, getsockopt(fd, IPPROTO_TCP, option, BAD_POINTER, &len));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(-1, getsockopt(fd, IPPROTO_TCP, option, room, BAD_POINTER));
		EXPECT_EQ(EFAULT, errno);
	}
	close(fd);
}

TEST_F(ip, unknown_options_are_refused)
{
	static const int unknown[] = { 0, 999, -1, INT_MAX, INT_MIN };
	int fd = sock_open(variant, CLIENT, 0), value = 1;
	socklen_t len;

	ASSERT_LE(0, fd);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		EXPECT_EQ(ENOPROTOOPT, set_tcp(fd, unknown[i], 1)) TH_LOG("%d", unknown[i]);
		EXPECT_EQ(-1, setsockopt(fd, IPPROTO_TCP, unknown[i], &value, 3));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-ENOPROTOOPT, tcp_int(fd, unknown[i])) TH_LOG("%d", unknown[i]);
		len = -1;
		EXPECT_EQ(-1, getsockopt(fd, IPPROTO_TCP, unknown[i], &value, &len));
		EXPECT_EQ(EINVAL, errno);
	}
	close(fd);
}

/* What a listener has set, the connections that it accepts have, too; but they defer nothing. */
TEST_F(ip, children_inherit)
{
	static const struct {
		int option, value;
	} set[] = {
		{ TCP_NODELAY, 1 }, { TCP_CORK, 1 }, { TCP_KEEPIDLE, 77 }, { TCP_KEEPINTVL, 8 }, { TCP_KEEPCNT, 5 },
		{ TCP_LINGER2, 11 }, { TCP_USER_TIMEOUT, 60000 }, { TCP_NOTSENT_LOWAT, 7777 }, { TCP_SYNCNT, 3 },
		{ TCP_DEFER_ACCEPT, 1 },
	};
	struct end at;
	int listener = sock_listening(variant, 8, &at), client, child;

	ASSERT_LE(0, listener);
	for (size_t i = 0; i < sizeof(set) / sizeof(*set); i++)
		ASSERT_EQ(0, set_tcp(listener, set[i].option, set[i].value));
	ASSERT_EQ(0, set_int(listener, SOL_SOCKET, SO_KEEPALIVE, 1));
	ASSERT_EQ(0, setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	client = sock_connected(variant, &at);
	ASSERT_LE(0, client);
	ASSERT_EQ(1, write(client, "x", 1));
	child = accept(listener, NULL, NULL);
	ASSERT_LE(0, child);
	for (size_t i = 0; i < sizeof(set) / sizeof(*set); i++) {
		EXPECT_EQ(set[i].option == TCP_DEFER_ACCEPT ? 0 : set[i].value, tcp_int(child, set[i].option))
			TH_LOG("option %d", set[i].option);
	}
	EXPECT_EQ(1, get_int(child, SOL_SOCKET, SO_KEEPALIVE));
	EXPECT_EQ(0, get_int(client, SOL_SOCKET, SO_KEEPALIVE));
	EXPECT_EQ(0, tcp_int(client, TCP_NODELAY));
	close(child);
	close(client);
	close(listener);
}

/* disconnect: connect(AF_UNSPEC). */
TEST_F(ip, options_outlive_a_connection)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, set_tcp(p.client, TCP_KEEPIDLE, 123));
	ASSERT_EQ(0, set_tcp(p.client, TCP_USER_TIMEOUT, 4321));
	ASSERT_EQ(0, connect(p.client, &unspec, sizeof(unspec)));
	EXPECT_EQ(123, tcp_int(p.client, TCP_KEEPIDLE));
	EXPECT_EQ(4321, tcp_int(p.client, TCP_USER_TIMEOUT));
	pair_close(&p);
}

TEST_F(ip, may_18_congestion_control_by_name)
{
	int fd = sock_open(variant, CLIENT, 0);
	char name[32];
	socklen_t len;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	for (len = 0; len <= 20; len++) {
		socklen_t told = len, cut = len < 16 ? len : 16;

		memset(name, 0x55, sizeof(name));
		ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &told));
		EXPECT_EQ(cut, told);
		EXPECT_EQ(0, memcmp(name, "reno\0\0\0\0\0\0\0\0\0\0\0", cut));
		EXPECT_EQ(0x55, name[cut]);
	}
	/* The zero belongs to the name or not. */
	if (!variant->tcp) {
		ASSERT_EQ(0, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 6));
		len = sizeof(name);
		ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
		EXPECT_STREQ("cubic", name);
	}
	ASSERT_EQ(0, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno\0junk", 9));
	EXPECT_EQ(-1, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "", 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, BAD_POINTER, 4));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "renoo", 5));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(-1, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "a name far too long to be one", 29));
	EXPECT_EQ(ENOENT, errno);
	len = sizeof(name);
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
	EXPECT_STREQ("reno", name);
	close(fd);
}

/* The kernel's struct tcp_info, or as much of it as fits. */
TEST_F(ip, info_tells_what_happened)
{
	/* The kernel's struct is never shorter than the one of these headers, and not yet as long as the last. */
	static const socklen_t lens[] = { 0, 1, 7, 8, 104, sizeof(struct tcp_info), 1000 };
	unsigned char room[1024], text[3000];
	struct tcp_info info;
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ((ssize_t)sizeof(text), write(p.client, text, sizeof(text)));
	ASSERT_EQ(500, write(p.server, text, 500));
	ASSERT_EQ((int)sizeof(text), queue_settle(p.server, SIOCINQ, sizeof(text)));
	ASSERT_EQ(0, queue_settle(p.client, SIOCOUTQ, 0));
	info = info_of(p.client);
	EXPECT_EQ(1, info.tcpi_state);
	/* Linux counts the SYN as acknowledged. */
	EXPECT_EQ(sizeof(text), info.tcpi_bytes_acked - (variant->tcp ? 1 : 0));
	EXPECT_EQ(sizeof(text), info.tcpi_bytes_sent);
	EXPECT_EQ(0U, info.tcpi_bytes_retrans);
	EXPECT_EQ(0U, info.tcpi_unacked);
	EXPECT_EQ(0U, info.tcpi_notsent_bytes);
	EXPECT_LE(1U, info.tcpi_data_segs_out);
	EXPECT_LE(2U, info.tcpi_segs_in);
	EXPECT_LE(2U, info.tcpi_snd_cwnd);
	EXPECT_LE(500U, info.tcpi_snd_mss);
	EXPECT_EQ(info.tcpi_snd_mss, (__u32)tcp_int(p.client, TCP_MAXSEG));
	EXPECT_LE(info.tcpi_snd_mss, info.tcpi_pmtu);
	EXPECT_LE(1U, info.tcpi_rtt);
	EXPECT_GT(10000000U, info.tcpi_rtt);
	EXPECT_LE(200000U, info.tcpi_rto);
	EXPECT_GT(60000U, info.tcpi_last_ack_recv);
	EXPECT_EQ((__u8)(TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE),
		  info.tcpi_options & (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE));
	EXPECT_LE(1U, info.tcpi_snd_wnd);
	ASSERT_EQ(500, queue_settle(p.client, SIOCINQ, 500));
	EXPECT_EQ(500U, info_of(p.client).tcpi_bytes_received);
	EXPECT_EQ(sizeof(text), info_of(p.server).tcpi_bytes_received);
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		socklen_t told = lens[i];

		memset(room, 0x55, sizeof(room));
		ASSERT_EQ(0, getsockopt(p.client, IPPROTO_TCP, TCP_INFO, room, &told));
		if (lens[i] <= sizeof(info)) {
			EXPECT_EQ(lens[i], told);
		} else {
			EXPECT_LE(sizeof(info), told);
		}
		ASSERT_GT(sizeof(room), told);
		EXPECT_EQ(0x55, room[told]);
		if (told)
			EXPECT_EQ(1, room[0]);
	}
	EXPECT_EQ(10, info_of(p.listener).tcpi_state);
	EXPECT_EQ(8U, info_of(p.listener).tcpi_sacked);
	EXPECT_EQ(0U, info_of(p.listener).tcpi_unacked);
	pair_close(&p);
}

TEST_F(ip, meminfo_is_told)
{
	__u32 mem[SK_MEMINFO_VARS] = {};
	socklen_t len = sizeof(mem);
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, getsockopt(p.client, SOL_SOCKET, SO_MEMINFO, mem, &len));
	EXPECT_EQ(sizeof(mem), len);
	EXPECT_EQ((__u32)get_int(p.client, SOL_SOCKET, SO_RCVBUF), mem[SK_MEMINFO_RCVBUF]);
	EXPECT_EQ((__u32)get_int(p.client, SOL_SOCKET, SO_SNDBUF), mem[SK_MEMINFO_SNDBUF]);
	ASSERT_EQ(1, write(p.server, "x", 1));
	ASSERT_EQ(1, queue_settle(p.client, SIOCINQ, 1));
	ASSERT_EQ(0, getsockopt(p.client, SOL_SOCKET, SO_MEMINFO, mem, &len));
	EXPECT_LE(1U, mem[SK_MEMINFO_RMEM_ALLOC]);
	pair_close(&p);
}

/* Small writes under a cork become one segment when it is pulled; so do those with MSG_MORE. */
TEST_F(ip, a_cork_makes_one_segment_of_many_writes)
{
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, set_tcp(p.client, TCP_CORK, 1));
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(10, write(p.client, "0123456789", 10));
	EXPECT_EQ(0U, info_of(p.client).tcpi_data_segs_out);
	ASSERT_EQ(0, set_tcp(p.client, TCP_CORK, 0));
	ASSERT_EQ(100, queue_settle(p.server, SIOCINQ, 100));
	EXPECT_EQ(1U, info_of(p.client).tcpi_data_segs_out);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(10, send(p.client, "0123456789", 10, MSG_MORE));
	EXPECT_EQ(1U, info_of(p.client).tcpi_data_segs_out);
	ASSERT_EQ(10, send(p.client, "0123456789", 10, 0));
	ASSERT_EQ(140, queue_settle(p.server, SIOCINQ, 140));
	EXPECT_EQ(2U, info_of(p.client).tcpi_data_segs_out);
	pair_close(&p);
}

TEST_F(ip, a_cork_does_not_hold_for_ever)
{
	struct pair p;
	long start;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, set_tcp(p.client, TCP_CORK, 1));
	start = now_ms();
	ASSERT_EQ(10, write(p.client, "0123456789", 10));
	ASSERT_EQ(10, queue_settle(p.server, SIOCINQ, 10));
	EXPECT_LE(150, now_ms() - start);
	pair_close(&p);
}

TEST_F(ip, must_17_nodelay_pushes_from_under_a_cork)
{
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, set_tcp(p.client, TCP_CORK, 1));
	ASSERT_EQ(10, write(p.client, "0123456789", 10));
	EXPECT_EQ(0U, info_of(p.client).tcpi_data_segs_out);
	ASSERT_EQ(0, set_tcp(p.client, TCP_NODELAY, 1));
	EXPECT_EQ(1U, info_of(p.client).tcpi_data_segs_out);
	pair_close(&p);
}

TEST_F(ip, maxseg_limits_both_ways)
{
	unsigned char text[5000];
	struct pair p = { -1, -1, -1, {} };
	struct tcp_info info;

	p.listener = sock_listening(variant, 8, &p.at);
	ASSERT_LE(0, p.listener);
	p.client = sock_open(variant, CLIENT, 0);
	ASSERT_EQ(0, set_tcp(p.client, TCP_MAXSEG, 700));
	ASSERT_EQ(0, connect(p.client, &p.at.sa, p.at.len));
	p.server = accept(p.listener, NULL, NULL);
	ASSERT_LE(0, p.server);
	ASSERT_EQ((ssize_t)sizeof(text), write(p.client, text, sizeof(text)));
	ASSERT_EQ((ssize_t)sizeof(text), write(p.server, text, sizeof(text)));
	ASSERT_EQ((int)sizeof(text), queue_settle(p.server, SIOCINQ, sizeof(text)));
	ASSERT_EQ((int)sizeof(text), queue_settle(p.client, SIOCINQ, sizeof(text)));
	/* Less 12 octets of timestamps. */
	info = info_of(p.server);
	EXPECT_EQ(688U, info.tcpi_snd_mss);
	EXPECT_LE(8U, info.tcpi_data_segs_out);
	info = info_of(p.client);
	EXPECT_EQ(688U, info.tcpi_snd_mss);
	EXPECT_EQ(688U, info.tcpi_advmss);
	EXPECT_EQ(688, tcp_int(p.client, TCP_MAXSEG));
	pair_close(&p);
}

TEST_F(ip, a_clamped_window_is_offered_from_the_start)
{
	struct pair p = { -1, -1, -1, {} };

	p.listener = sock_listening(variant, 8, &p.at);
	ASSERT_LE(0, p.listener);
	ASSERT_EQ(0, set_tcp(p.listener, TCP_WINDOW_CLAMP, 3000));
	p.client = sock_connected(variant, &p.at);
	ASSERT_LE(0, p.client);
	p.server = accept(p.listener, NULL, NULL);
	ASSERT_LE(0, p.server);
	EXPECT_GE(3000U, info_of(p.client).tcpi_snd_wnd);
	EXPECT_LE(1000U, info_of(p.client).tcpi_snd_wnd);
	/* Of a connection the clamp is not taken back. */
	EXPECT_EQ(EINVAL, set_tcp(p.server, TCP_WINDOW_CLAMP, 0));
	pair_close(&p);
}

/* A listener that defers gives the connection only when there is something to read. */
TEST_F(ip, deferred_accept_waits_for_data)
{
	struct end at;
	int listener = sock_listening(variant, 8, &at), client, server, inq = 0;

	ASSERT_LE(0, listener);
	ASSERT_EQ(0, set_tcp(listener, TCP_DEFER_ACCEPT, 30));
	client = sock_connected(variant, &at);
	ASSERT_LE(0, client);
	set_nonblocking(listener, true);
	/* The third segment of the handshake is there: a listener that does not defer has a connection by now. */
	nap_ms(50);
	EXPECT_EQ(-1, accept(listener, NULL, NULL));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, events_now(listener));
	ASSERT_EQ(3, write(client, "abc", 3));
	EXPECT_EQ(EV_IN, events_wait(listener, EV_IN));
	server = accept(listener, NULL, NULL);
	ASSERT_LE(0, server);
	EXPECT_EQ(0, ioctl(server, SIOCINQ, &inq));
	EXPECT_EQ(3, inq);
	close(server);
	close(client);
	close(listener);
}

/* Octets that were not sent make a socket unwritable, though its buffer has room. */
TEST_F(ip, notsent_lowat_limits_what_is_not_sent)
{
	static unsigned char text[65536];
	int unsent = 0, seen;
	struct pair p;
	ssize_t n;
	long end;

	ASSERT_EQ(0, pair_open_with(variant, &p, 4 << 20, 8192));
	ASSERT_EQ(0, set_tcp(p.client, TCP_NOTSENT_LOWAT, 20000));
	set_nonblocking(p.client, true);
	while ((n = write(p.client, text, sizeof(text))) > 0)
		;
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, ioctl(p.client, SIOCOUTQNSD, &unsent));
	EXPECT_LE(20000, unsent);
	/* What is queued at once may go beyond it. */
	EXPECT_GE(20000 + 2 * (int)sizeof(text), unsent);
	EXPECT_EQ(0, events_now(p.client) & EV_OUT);
	/* The peer reads: what was not sent becomes less, and the writer is told. */
	end = now_ms() + PATIENCE_MS;
	do {
		while (recv(p.server, text, sizeof(text), MSG_DONTWAIT) > 0)
			;
		seen = events_now(p.client) & EV_OUT;
		if (!seen)
			nap_ms(2);
	} while (!seen && now_ms() < end);
	EXPECT_EQ(EV_OUT, seen);
	pair_close(&p);
}

/* Nobody answers: the program's time ends a connect(), and the error is ETIMEDOUT. */
TEST_F(ip, must_21_a_user_timeout_ends_an_open)
{
	struct end to;
	int fd;

	if (!side_text(variant, VOID))
		SKIP(return, "no address without a host");
	to = end_at(variant, VOID, 7999);
	fd = sock_open(variant, VOID, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_tcp(fd, TCP_USER_TIMEOUT, 1500));
	EXPECT_EQ(-1, connect(fd, &to.sa, to.len));
	EXPECT_EQ(ETIMEDOUT, errno);
	close(fd);
}

TEST_F(ip, must_23_syncnt_ends_an_open)
{
	struct end to;
	int fd;

	if (!side_text(variant, VOID))
		SKIP(return, "no address without a host");
	to = end_at(variant, VOID, 7999);
	fd = sock_open(variant, VOID, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_tcp(fd, TCP_SYNCNT, 1));
	EXPECT_EQ(-1, connect(fd, &to.sa, to.len));
	EXPECT_EQ(ETIMEDOUT, errno);
	close(fd);
}

/* A peer that lives answers keep-alives, and the connection goes on; each takes a segment and no data. */
TEST_F(ip, must_24_keep_alives_of_an_idle_connection)
{
	struct tcp_info before, info;
	struct pair p;
	long end;

	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(0, get_int(p.client, SOL_SOCKET, SO_KEEPALIVE));
	ASSERT_EQ(0, set_tcp(p.client, TCP_KEEPIDLE, 1));
	ASSERT_EQ(0, set_tcp(p.client, TCP_KEEPINTVL, 1));
	ASSERT_EQ(0, set_tcp(p.client, TCP_KEEPCNT, 1));
	ASSERT_EQ(0, set_int(p.client, SOL_SOCKET, SO_KEEPALIVE, 1));
	before = info_of(p.client);
	end = now_ms() + PATIENCE_MS;
	do {
		nap_ms(20);
		info = info_of(p.client);
	} while (info.tcpi_segs_in < before.tcpi_segs_in + 2 && now_ms() < end);
	EXPECT_LE(before.tcpi_segs_in + 2, info.tcpi_segs_in);
	EXPECT_LE(before.tcpi_segs_out + 2, info.tcpi_segs_out);
	EXPECT_EQ(before.tcpi_data_segs_out, info.tcpi_data_segs_out);
	EXPECT_EQ(1, info.tcpi_state);
	EXPECT_EQ(0, events_now(p.client) & (POLLERR | POLLHUP));
	pair_close(&p);
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
