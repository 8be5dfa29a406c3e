// SPDX-License-Identifier: GPL-2.0
/* Control messages of sendmsg() and recvmsg(): which are refused. */
#include "sockets.h"

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

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
