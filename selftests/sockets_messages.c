// SPDX-License-Identifier: GPL-2.0
/* Control messages of sendmsg() and recvmsg(): which are refused, and the stamps of what arrives. */
#include "sockets.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#ifndef SCM_TS_OPT_ID
#define SCM_TS_OPT_ID 81
#endif

/* A control message that begins a buffer of its own. */
struct control {
	union {
		struct cmsghdr head;
		char room[256];
	};
};

/* Sends `text` with one control message whose length field is `len`: 0, or why not. */
static int send_with(int fd, const char *text, int level, int type, unsigned int value, size_t len)
{
	struct control c = { .head = { .cmsg_level = level, .cmsg_type = type, .cmsg_len = len } };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = CMSG_SPACE(sizeof(value)) };

	memcpy(CMSG_DATA(&c.head), &value, sizeof(value));
	return sendmsg(fd, &msg, 0) == (ssize_t)iov.iov_len ? 0 : errno;
}

TEST_F(ip, a_broken_or_unknown_control_message_is_refused)
{
	size_t whole = CMSG_LEN(sizeof(int));
	char text[16] = "";
	struct pair p;
	int fd;

	ASSERT_EQ(0, pair_open(variant, &p));
	EXPECT_EQ(EINVAL, send_with(p.client, "a", SOL_SOCKET, SO_LINGER, 0, whole));
	EXPECT_EQ(EINVAL, send_with(p.client, "b", SOL_SOCKET, SO_MARK, 0, whole - 1));
	EXPECT_EQ(EINVAL, send_with(p.client, "c", SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE, whole));
	EXPECT_EQ(EINVAL, send_with(p.client, "d", SOL_SOCKET, SCM_TS_OPT_ID, 1, whole));
	EXPECT_EQ(EINVAL, send_with(p.client, "e", IPPROTO_TCP, 1, 0, sizeof(struct cmsghdr) - 1));
	EXPECT_EQ(EINVAL, send_with(p.client, "f", IPPROTO_TCP, 1, 0, whole + 64));
	EXPECT_EQ(EINVAL, send_with(p.client, "", SOL_SOCKET, SO_LINGER, 0, whole));
	ASSERT_EQ(0, set_int(p.client, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_OPT_ID));
	EXPECT_EQ(EINVAL, send_with(p.client, "g", SOL_SOCKET, SCM_TS_OPT_ID, 1, whole));
	/* Other levels mean nothing here, nor do those for another family of sockets. */
	EXPECT_EQ(0, send_with(p.client, "A", IPPROTO_TCP, 1, 0, whole));
	EXPECT_EQ(0, send_with(p.client, "B", SOL_SOCKET, SCM_RIGHTS, 0, whole));
	EXPECT_EQ(0, send_with(p.client, "C", SOL_SOCKET, SO_MARK, 7, whole));
	ASSERT_EQ(3, queue_settle(p.server, SIOCINQ, 3));
	EXPECT_EQ(3, recv(p.server, text, sizeof(text), 0));
	EXPECT_STREQ("ABC", text);
	/* That there is no connection comes first. */
	fd = sock_open(variant, CLIENT, 0);
	EXPECT_EQ(EPIPE, send_with(fd, "h", SOL_SOCKET, SO_LINGER, 0, whole));
	ASSERT_EQ(0, shutdown(p.client, SHUT_WR));
	EXPECT_EQ(EPIPE, send_with(p.client, "i", SOL_SOCKET, SO_LINGER, 0, whole));
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* What came with a recvmsg(): how many octets and control messages, and the stamp of `type` in nanoseconds (0: none). */
struct stamped {
	int octets, messages;
	long long ns;
};

static struct stamped receive(int fd, int type, int flags)
{
	struct control c;
	char text[16];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };
	struct stamped got = { .octets = recvmsg(fd, &msg, flags) };

	for (struct cmsghdr *m = CMSG_FIRSTHDR(&msg); m; m = CMSG_NXTHDR(&msg, m)) {
		struct timeval tv;
		struct timespec ts;

		got.messages++;
		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != type)
			continue;
		if (type == SCM_TIMESTAMP) {
			memcpy(&tv, CMSG_DATA(m), sizeof(tv));
			got.ns = tv.tv_sec * 1000000000ll + tv.tv_usec * 1000;
		} else {
			/* That of the software stands first in scm_timestamping. */
			memcpy(&ts, CMSG_DATA(m), sizeof(ts));
			got.ns = ts.tv_sec * 1000000000ll + ts.tv_nsec;
		}
	}
	return got;
}

/* The kernel may take a while until it stamps packets: sends and reads single octets until one comes with a stamp. */
static bool wait_stamped(const struct pair *p, int type)
{
	long end = now_ms() + PATIENCE_MS;

	while (now_ms() < end) {
		if (write(p->client, "w", 1) != 1)
			return false;
		if (receive(p->server, type, 0).ns)
			return true;
	}
	return false;
}

TEST_F(ip, receive_stamps_come_with_the_data)
{
	static const struct {
		int option, value, type;
	} kinds[] = {
		{ SO_TIMESTAMP, 1, SCM_TIMESTAMP },
		{ SO_TIMESTAMPNS, 1, SCM_TIMESTAMPNS },
		{ SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, SCM_TIMESTAMPING },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		int type = kinds[i].type;
		long long first, second;
		struct stamped got;
		struct pair p;

		ASSERT_EQ(0, pair_open(variant, &p));
		ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, kinds[i].option, kinds[i].value));
		ASSERT_TRUE(wait_stamped(&p, type));
		/* A stamp tells microseconds at least. */
		first = now_ns() / 1000 * 1000;
		ASSERT_EQ(1, write(p.client, "x", 1));
		ASSERT_EQ(1, queue_settle(p.server, SIOCINQ, 1));
		second = now_ns() / 1000 * 1000;
		got = receive(p.server, type, MSG_PEEK);
		EXPECT_EQ(1, got.octets);
		EXPECT_EQ(1, got.messages);
		EXPECT_LE(first, got.ns);
		EXPECT_GE(second + 1000, got.ns);
		/* Of octets that came one after the other the last one's counts. */
		ASSERT_EQ(2, write(p.client, "yz", 2));
		ASSERT_EQ(3, queue_settle(p.server, SIOCINQ, 3));
		got = receive(p.server, type, 0);
		EXPECT_EQ(3, got.octets);
		EXPECT_EQ(1, got.messages);
		EXPECT_LE(second, got.ns);
		EXPECT_GE(now_ns(), got.ns);
		/* The urgent octet, which goes beside them, has none. */
		ASSERT_EQ(1, send(p.client, "!", 1, MSG_OOB));
		ASSERT_EQ(POLLPRI, events_wait(p.server, POLLPRI) & POLLPRI);
		got = receive(p.server, type, MSG_OOB);
		EXPECT_EQ(1, got.octets);
		EXPECT_EQ(0, got.messages);
		/* Octets that are thrown away have theirs, too; the end of the stream and a socket that did not ask have none. */
		ASSERT_EQ(1, write(p.client, "t", 1));
		got = receive(p.server, type, MSG_TRUNC);
		EXPECT_EQ(1, got.octets);
		EXPECT_LE(second, got.ns);
		ASSERT_EQ(1, write(p.server, "n", 1));
		got = receive(p.client, type, 0);
		EXPECT_EQ(1, got.octets);
		EXPECT_EQ(0, got.messages);
		ASSERT_EQ(0, close(p.client));
		got = receive(p.server, type, 0);
		EXPECT_EQ(0, got.octets);
		EXPECT_EQ(0, got.messages);
		close(p.server);
		close(p.listener);
	}
}

TEST_F(ip, a_stamp_without_room_is_told_to_be_cut)
{
	char text[16];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pair p;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_TIMESTAMP, 1));
	ASSERT_TRUE(wait_stamped(&p, SCM_TIMESTAMP));
	ASSERT_EQ(1, write(p.client, "x", 1));
	EXPECT_EQ(1, recvmsg(p.server, &msg, 0));
	EXPECT_EQ(MSG_CTRUNC, msg.msg_flags);
	EXPECT_EQ((size_t)0, msg.msg_controllen);
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
