// SPDX-License-Identifier: GPL-2.0
/* Who may share a port, and which of several listeners a connection goes to. */
#include "sockets.h"

#include <pthread.h>
#include <stdatomic.h>

/* linux/in.h, which netinet/in.h excludes. */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

#define NOBODY 65534
/* A device that ports.sh makes, and by which nothing ever arrives. */
#define OTHER_DEVICE "void0"

/* A socket with this option of SOL_SOCKET set, bound; -1 and errno if it may not be. */
static int sock_sharing(variant_t *v, int option, enum side side, int port)
{
	struct end end = end_at(v, side, port);
	int fd = sock_open(v, side, 0);

	if (fd >= 0 && (set_int(fd, SOL_SOCKET, option, 1) || bind(fd, &end.sa, end.len))) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int port_of(int fd)
{
	struct end end = end_local(fd);

	return end_port(&end);
}

static int set_device(int fd, const char *name)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name));
}

static bool is_there(const char *device)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), result = set_device(fd, device);

	close(fd);
	return !result;
}

TEST_F(ip, so_reuseport_shares_a_port_among_the_sockets_of_one_user)
{
	int mine, port;

	if (geteuid())
		SKIP(return, "needs two users");
	mine = sock_sharing(variant, SO_REUSEPORT, SERVER, 0);
	ASSERT_LE(0, mine);
	port = port_of(mine);
	ASSERT_EQ(0, seteuid(NOBODY));
	EXPECT_EQ(-1, sock_sharing(variant, SO_REUSEPORT, SERVER, port));
	EXPECT_EQ(EADDRINUSE, errno);
	EXPECT_EQ(-1, sock_sharing(variant, SO_REUSEPORT, ANY, port));
	EXPECT_EQ(EADDRINUSE, errno);
	ASSERT_EQ(0, seteuid(0));
	EXPECT_LE(0, sock_sharing(variant, SO_REUSEPORT, SERVER, port));
	EXPECT_LE(0, sock_sharing(variant, SO_REUSEPORT, ANY, port));
}

TEST_F(ip, so_reuseport_shares_a_port_with_the_time_wait_of_anybody)
{
	long end = now_ms() + PATIENCE_MS;
	int listener, client, server, fd;
	struct end at;
	char c;

	if (geteuid())
		SKIP(return, "needs two users");
	listener = sock_sharing(variant, SO_REUSEPORT, SERVER, 0);
	ASSERT_LE(0, listener);
	ASSERT_EQ(0, listen(listener, 1));
	at = end_local(listener);
	client = sock_connected(variant, &at);
	ASSERT_LE(0, client);
	server = accept(listener, NULL, NULL);
	ASSERT_LE(0, server);
	close(listener);
	close(server);
	ASSERT_EQ(0, read(client, &c, 1));
	close(client);
	side_enter(SERVER);
	ASSERT_EQ(0, seteuid(NOBODY));
	/* Until it is a TIME-WAIT, it is a socket of the other user. */
	do {
		fd = sock_sharing(variant, SO_REUSEPORT, SERVER, end_port(&at));
		nap_ms(2);
	} while (fd < 0 && now_ms() < end);
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-1, sock_bound(variant, SERVER, end_port(&at)));
	EXPECT_EQ(EADDRINUSE, errno);
}

TEST_F(ip, port_0_gives_a_free_port_to_who_would_share_one)
{
	static const int options[] = { SO_REUSEADDR, SO_REUSEPORT };

	for (int i = 0; i < 2; i++) {
		int fd = sock_sharing(variant, options[i], SERVER, 0), other;
		struct end any = end_at(variant, SERVER, 0);

		ASSERT_LE(0, fd);
		other = sock_open(variant, SERVER, 0);
		ASSERT_EQ(0, set_int(other, SOL_SOCKET, options[i], 1));
		/* The range of one port, both ends of it. */
		ASSERT_EQ(0, set_int(other, IPPROTO_IP, IP_LOCAL_PORT_RANGE, port_of(fd) * 0x10001u));
		EXPECT_EQ(-1, bind(other, &any.sa, any.len));
		EXPECT_EQ(EADDRINUSE, errno);
		EXPECT_EQ(-1, listen(other, 1));
		EXPECT_EQ(EADDRINUSE, errno);
		close(fd);
		EXPECT_EQ(0, bind(other, &any.sa, any.len));
		close(other);
	}
}

TEST_F(ip, so_reuseaddr_counts_as_it_is_now)
{
	int fd = sock_bound(variant, SERVER, 0), port, other;

	ASSERT_LE(0, fd);
	port = port_of(fd);
	EXPECT_EQ(-1, sock_sharing(variant, SO_REUSEADDR, SERVER, port));
	EXPECT_EQ(EADDRINUSE, errno);
	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	other = sock_sharing(variant, SO_REUSEADDR, SERVER, port);
	EXPECT_LE(0, other);
	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_REUSEADDR, 0));
	EXPECT_EQ(-1, sock_sharing(variant, SO_REUSEADDR, SERVER, port));
	EXPECT_EQ(EADDRINUSE, errno);
}

TEST_F(ip, so_reuseport_counts_as_it_is_now)
{
	int fd = sock_bound(variant, SERVER, 0), port;

	ASSERT_LE(0, fd);
	port = port_of(fd);
	EXPECT_EQ(-1, sock_sharing(variant, SO_REUSEPORT, SERVER, port));
	EXPECT_EQ(EADDRINUSE, errno);
	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1));
	EXPECT_LE(0, sock_sharing(variant, SO_REUSEPORT, SERVER, port));
}

TEST_F(ip, a_time_wait_has_the_so_reuseaddr_that_its_connection_ended_with)
{
	long end = now_ms() + PATIENCE_MS;
	struct pair p;
	int fd;
	char c;

	ASSERT_EQ(0, pair_open(variant, &p));
	ASSERT_EQ(0, set_int(p.server, SOL_SOCKET, SO_REUSEADDR, 1));
	close(p.listener);
	ASSERT_EQ(0, shutdown(p.server, SHUT_WR));
	ASSERT_EQ(0, read(p.client, &c, 1));
	close(p.client);
	ASSERT_EQ(0, read(p.server, &c, 1));
	close(p.server);
	do {
		fd = sock_sharing(variant, SO_REUSEADDR, SERVER, end_port(&p.at));
		nap_ms(2);
	} while (fd < 0 && now_ms() < end);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, listen(fd, 1));
	close(fd);
	EXPECT_EQ(-1, sock_bound(variant, SERVER, end_port(&p.at)));
	EXPECT_EQ(EADDRINUSE, errno);
}

TEST_F(ip, a_port_is_shared_with_who_moved_to_another_device)
{
	int fd = sock_bound(variant, ANY, 0), other = sock_open(variant, ANY, 0);
	struct end at = end_local(fd);

	if (!is_there(OTHER_DEVICE))
		SKIP(return, "needs " OTHER_DEVICE);
	ASSERT_EQ(0, set_device(other, OTHER_DEVICE));
	EXPECT_EQ(-1, bind(other, &at.sa, at.len));
	EXPECT_EQ(EADDRINUSE, errno);
	ASSERT_EQ(0, set_device(fd, "lo"));
	EXPECT_EQ(0, bind(other, &at.sa, at.len));
	EXPECT_EQ(0, listen(fd, 1));
	EXPECT_EQ(0, listen(other, 1));
}

TEST_F(ip, a_listener_takes_from_the_device_that_it_is_bound_to_now)
{
	struct end at;
	int fd = sock_listening(variant, 8, &at);

	ASSERT_LE(0, fd);
	if (!is_there(OTHER_DEVICE))
		SKIP(return, "needs " OTHER_DEVICE);
	for (int i = 0; i < 2; i++) {
		EXPECT_LE(0, sock_connected(variant, &at));
		ASSERT_EQ(0, set_device(fd, OTHER_DEVICE));
		EXPECT_EQ(-1, sock_connected(variant, &at));
		EXPECT_EQ(ECONNREFUSED, errno);
		ASSERT_EQ(0, set_device(fd, i ? "lo" : ""));
	}
	EXPECT_LE(0, sock_connected(variant, &at));
}

TEST_F(ip, a_connection_takes_from_the_device_that_it_is_bound_to_now)
{
	struct pair p;
	char c = 'x';

	ASSERT_EQ(0, pair_open(variant, &p));
	if (!is_there(OTHER_DEVICE))
		SKIP(return, "needs " OTHER_DEVICE);
	ASSERT_EQ(0, set_device(p.server, "lo"));
	EXPECT_EQ(1, write(p.client, &c, 1));
	EXPECT_EQ(1, read(p.server, &c, 1));
	ASSERT_EQ(0, set_device(p.server, OTHER_DEVICE));
	EXPECT_EQ(1, write(p.client, &c, 1));
	EXPECT_EQ(POLLERR, events_wait(p.client, POLLERR) & POLLERR);
	EXPECT_EQ(ECONNRESET, error_of(p.client));
	/* No FIN of it would ever be answered. */
	close_hard(p.server);
}

/* Two who listen at the same time: fd[0] by the test, fd[1] by a thread, in each round that `round` is raised to; -1 is the end. */
static struct {
	int fd[2], result;
	atomic_int round, done;
} race;

#define ROUNDS 4000
/* For all of them together: in a debug kernel there are fewer. */
#define RACE_MS 4000

static void *listen_in_each_round(void *unused)
{
	for (int i = 1;; i++) {
		int round;

		while ((round = race.round) == i - 1)
			sched_yield();
		if (round < 0)
			return unused;
		race.result = listen(race.fd[1], 1);
		race.done = i;
	}
}

TEST_F(ip, of_two_who_listen_at_once_on_a_port_one_may)
{
	int both = 0, none = 0, port = 0;
	long end = now_ms() + RACE_MS;
	pthread_t thread;

	side_enter(SERVER);
	ASSERT_EQ(0, pthread_create(&thread, NULL, listen_in_each_round, NULL));
	for (int i = 1; i <= ROUNDS && now_ms() < end; i++) {
		int result;

		for (int k = 0; k < 2; k++) {
			race.fd[k] = sock_sharing(variant, SO_REUSEADDR, SERVER, port);
			ASSERT_LE(0, race.fd[k]);
			port = port_of(race.fd[k]);
		}
		race.round = i;
		/* The thread needs a while to see it: from none to more than enough. */
		for (volatile int k = i % 512; k > 0; k--)
			;
		result = listen(race.fd[0], 1);
		while (race.done != i)
			sched_yield();
		both += !result && !race.result;
		none += result && race.result;
		close(race.fd[0]);
		close(race.fd[1]);
	}
	race.round = -1;
	EXPECT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, both);
	/* Linux marks both before it asks: now and then neither gets it. */
	if (!variant->tcp)
		EXPECT_EQ(0, none);
}

TEST_F(ip, so_reuseport_gives_each_of_three_listeners_its_share)
{
	struct pollfd polls[3];
	int taken[3] = {};
	struct end at = {};

	for (int i = 0; i < 3; i++) {
		int fd = sock_sharing(variant, SO_REUSEPORT, SERVER, i ? end_port(&at) : 0);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, listen(fd, 8));
		at = end_local(fd);
		polls[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	for (int i = 0; i < 300; i++) {
		int client = sock_connected(variant, &at);

		ASSERT_LE(0, client);
		ASSERT_EQ(1, poll(polls, 3, PATIENCE_MS));
		for (int k = 0; k < 3; k++) {
			if (!polls[k].revents)
				continue;
			taken[k]++;
			close_hard(accept(polls[k].fd, NULL, NULL));
		}
		close(client);
	}
	for (int i = 0; i < 3; i++) {
		EXPECT_LE(60, taken[i]);
		EXPECT_GE(140, taken[i]);
	}
}

TEST_F(ip, a_socket_of_the_mapped_wildcard_is_for_ipv4_alone)
{
	struct end mapped, at, v6, all6;
	int fd, v4, only;

	if (!variant->mapped)
		SKIP(return, "about IPv4-mapped addresses");
	mapped = end_of(variant, "0.0.0.0", 0);
	fd = sock_open(variant, SERVER, 0);
	ASSERT_EQ(0, bind(fd, &mapped.sa, mapped.len));
	/* What IPv6 alone has is another port. */
	all6 = end_of(variant, "::", port_of(fd));
	only = sock_open(variant, SERVER, 0);
	ASSERT_EQ(0, set_int(only, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	EXPECT_EQ(0, bind(only, &all6.sa, all6.len));
	close(only);
	only = sock_open(variant, SERVER, 0);
	EXPECT_EQ(-1, bind(only, &all6.sa, all6.len));
	EXPECT_EQ(EADDRINUSE, errno);
	v4 = socket(AF_INET, SOCK_STREAM, protocol_of(variant));
	at.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port_of(fd)) };
	EXPECT_EQ(-1, bind(v4, &at.sa, sizeof(at.in)));
	EXPECT_EQ(EADDRINUSE, errno);
	ASSERT_EQ(0, listen(fd, 4));
	at = end_at(variant, SERVER, port_of(fd));
	EXPECT_LE(0, sock_connected(variant, &at));
	v6 = at;
	inet_pton(AF_INET6, "::1", &v6.in6.sin6_addr);
	side_enter(SERVER);
	v4 = socket(AF_INET6, SOCK_STREAM, protocol_of(variant));
	EXPECT_EQ(-1, connect(v4, &v6.sa, v6.len));
	EXPECT_EQ(ECONNREFUSED, errno);
}

int main(int argc, char **argv)
{
	return sockets_main(argc, argv);
}
