// SPDX-License-Identifier: GPL-2.0
/*
 * Moves octets both ways at once over one connection, and holds each octet against what it must be.
 *
 *   netem serve ADDRESS PORT SEND RECEIVE [OPTION..]   waits for one connection; says "listening" before
 *   netem call ADDRESS PORT SEND RECEIVE [OPTION..]    makes it
 *   netem content SEED SEND                            the octets that an end with that seed sends, to standard output
 *   netem seed DEVICE SEED                             the seed of the netem qdisc there, which old iproute2 cannot set
 *
 * SEND and RECEIVE: so many octets are sent, and expected; the other end has them the other way round. An end that
 * has sent all shuts down sending and reads on to the peer's end; an end with nothing to send does so at the peer's end.
 *   --seed N        the content: what is sent is made from N, and what is expected from N ^ 1 (default: serve 2, call 3)
 *   --half          the second half of what is sent waits until the peer has shut down sending
 *   --keep FILE     what is received is written there
 *   --write N       octets given to one send() (65536)
 *   --pause MS      so long between one send() and the next
 *   --nodelay       TCP_NODELAY
 *   --stall SECONDS it is a failure when nothing moves for so long (600)
 *
 * RTCPFSM_PROTO names the protocol, 253 if unset. An address with a colon is IPv6. Success is status 0 and the line
 * "sent N received N seconds S", S from the open connection to the peer's end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "netem.h"

#define CHUNK 65536

static const char *name;
static int protocol = 253;
static int stall_s = 600;

struct transfer {
	int fd;
	int keep;
	uint64_t seed;		/* of what is sent */
	uint64_t to_send, sent;
	uint64_t to_receive, received;
	size_t piece;		/* octets in one send() */
	int pause_ms;
	bool half;
	bool peer_done;
	bool shut;
	uint64_t next_send_ns;
	uint64_t start_ns, end_ns;	/* the open connection, the peer's end */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* The module's or TCP's own view, for the log of a failure. */
static void dump(const struct transfer *t)
{
	const char *files[] = { "/proc/net/rtcpfsm", "/proc/net/tcp", "/proc/net/tcp6" };
	char line[1024];

	fprintf(stderr, "%s: sent %llu of %llu, received %llu of %llu, peer %s\n", name, (unsigned long long)t->sent,
		(unsigned long long)t->to_send, (unsigned long long)t->received, (unsigned long long)t->to_receive,
		t->peer_done ? "has shut down" : "still sends");
	for (int i = 0; i < 3; i++) {
		FILE *f = fopen(files[i], "r");

		while (f && fgets(line, sizeof(line), f))
			fputs(line, stderr);
		if (f)
			fclose(f);
	}
}

static void fail(const struct transfer *t, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", name, what, errno ? strerror(errno) : "failed");
	if (t)
		dump(t);
	exit(1);
}

/* Eight octets of the content, by their place in it (the output function of splitmix64). */
static uint64_t word(uint64_t seed, uint64_t index)
{
	uint64_t z = (seed << 40) + (index + 1) * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* The len octets of the content from `at` on. */
static void fill(uint8_t *to, uint64_t seed, uint64_t at, size_t len)
{
	while (len) {
		uint64_t w = word(seed, at / 8);
		size_t skip = at % 8, n = 8 - skip < len ? 8 - skip : len;

		memcpy(to, (uint8_t *)&w + skip, n);
		to += n;
		at += n;
		len -= n;
	}
}

/* How far this end may send by now. */
static uint64_t send_limit(const struct transfer *t)
{
	return t->half && !t->peer_done ? t->to_send / 2 : t->to_send;
}

static void push(struct transfer *t)
{
	static uint8_t buf[CHUNK];
	static uint64_t from = UINT64_MAX, end;
	uint64_t limit = send_limit(t);
	size_t len = limit - t->sent < t->piece ? limit - t->sent : t->piece;
	ssize_t n;

	if (from > t->sent || t->sent + len > end) {
		from = t->sent;
		end = from + len;
		fill(buf, t->seed, from, len);
	}
	n = send(t->fd, buf + (t->sent - from), len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN)
		fail(t, "send");
	if (n > 0)
		t->sent += n;
	if (t->pause_ms)
		t->next_send_ns = now_ns() + t->pause_ms * 1000000ull;
}

static void pull(struct transfer *t)
{
	static uint8_t buf[CHUNK], expected[CHUNK];
	ssize_t n = recv(t->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		fail(t, "recv");
	errno = 0;
	if (n == 0) {
		t->peer_done = true;
		t->end_ns = now_ns();
		if (t->received != t->to_receive)
			fail(t, "the peer's end came too early");
		return;
	}
	if (t->received + n > t->to_receive)
		fail(t, "the peer sent too much");
	fill(expected, t->seed ^ 1, t->received, n);
	if (memcmp(buf, expected, n)) {
		size_t i = 0;

		while (buf[i] == expected[i])
			i++;
		fprintf(stderr, "%s: octet %llu is %02x, and must be %02x\n", name, (unsigned long long)(t->received + i),
			buf[i], expected[i]);
		fail(t, "wrong content");
	}
	if (t->keep >= 0 && write(t->keep, buf, n) != n)
		fail(t, "--keep");
	t->received += n;
}

static void run(struct transfer *t)
{
	int ms, ready;

	t->start_ns = now_ns();
	while (!t->peer_done || !t->shut) {
		struct pollfd p = { .fd = t->fd };

		if (!t->shut && t->sent == t->to_send && (t->to_send || t->peer_done)) {
			if (shutdown(t->fd, SHUT_WR))
				fail(t, "shutdown");
			t->shut = true;
			continue;
		}
		ms = stall_s * 1000;
		if (!t->peer_done)
			p.events |= POLLIN;
		if (t->sent < send_limit(t)) {
			uint64_t now = now_ns();

			if (now >= t->next_send_ns)
				p.events |= POLLOUT;
			else
				ms = (t->next_send_ns - now) / 1000000 + 1;
		}
		ready = poll(&p, 1, ms);
		if (ready < 0)
			fail(t, "poll");
		if (!ready && ms == stall_s * 1000) {
			errno = ETIMEDOUT;
			fail(t, "nothing moves");
		}
		if (p.revents & ~POLLOUT && !t->peer_done)
			pull(t);
		if (p.revents & (POLLOUT | POLLERR) && t->sent < send_limit(t))
			push(t);
	}
	printf("sent %llu received %llu seconds %.6f\n", (unsigned long long)t->sent, (unsigned long long)t->received,
	       (t->end_ns - t->start_ns) / 1e9);
	if (close(t->fd))
		fail(NULL, "close");
}

static socklen_t address(const char *text, int port, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (void *)to;
	struct sockaddr_in *in = (void *)to;

	memset(to, 0, sizeof(*to));
	if (strchr(text, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return inet_pton(AF_INET6, text, &in6->sin6_addr) == 1 ? sizeof(*in6) : 0;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	return inet_pton(AF_INET, text, &in->sin_addr) == 1 ? sizeof(*in) : 0;
}

static int connection(bool serve, const char *text, int port)
{
	struct sockaddr_storage at;
	socklen_t len = address(text, port, &at);
	int fd = socket(at.ss_family, SOCK_STREAM, protocol), conn, on = 1;

	if (fd < 0)
		fail(NULL, "socket");
	if (!serve) {
		if (connect(fd, (void *)&at, len))
			fail(NULL, "connect");
		return fd;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (void *)&at, len) || listen(fd, 1))
		fail(NULL, "listen");
	puts("listening");
	fflush(stdout);
	conn = accept(fd, NULL, NULL);
	if (conn < 0)
		fail(NULL, "accept");
	close(fd);
	return conn;
}

static int content(uint64_t seed, uint64_t octets)
{
	static uint8_t buf[CHUNK];
	uint64_t at = 0;

	while (at < octets) {
		size_t len = octets - at < CHUNK ? octets - at : CHUNK;

		fill(buf, seed, at, len);
		if (fwrite(buf, 1, len, stdout) != len)
			fail(NULL, "content");
		at += len;
	}
	return 0;
}

enum { SEED, HALF, KEEP, WRITE, PAUSE, NODELAY, STALL };
static const struct option options[] = {
	{ "seed", required_argument, NULL, SEED },
	{ "half", no_argument, NULL, HALF },
	{ "keep", required_argument, NULL, KEEP },
	{ "write", required_argument, NULL, WRITE },
	{ "pause", required_argument, NULL, PAUSE },
	{ "nodelay", no_argument, NULL, NODELAY },
	{ "stall", required_argument, NULL, STALL },
	{},
};

int main(int argc, char **argv)
{
	struct transfer t = { .keep = -1, .piece = CHUNK };
	bool serve, nodelay = false;
	int option, on = 1;

	name = argv[1] ? argv[1] : "netem";
	if (argc == 4 && !strcmp(name, "seed"))
		return netem_seed(argv[2], strtoull(argv[3], NULL, 0));
	if (argc == 4 && !strcmp(name, "content"))
		return content(strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0));
	serve = !strcmp(name, "serve");
	if (argc < 6 || (!serve && strcmp(name, "call")))
		return 2;
	t.seed = serve ? 2 : 3;
	t.to_send = strtoull(argv[4], NULL, 0);
	t.to_receive = strtoull(argv[5], NULL, 0);
	optind = 6;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case SEED:
			t.seed = strtoull(optarg, NULL, 0);
			break;
		case HALF:
			t.half = true;
			break;
		case KEEP:
			t.keep = open(optarg, O_WRONLY | O_CREAT | O_TRUNC, 0600);
			if (t.keep < 0)
				fail(NULL, optarg);
			break;
		case WRITE:
			t.piece = atoi(optarg);
			if (t.piece < 1 || t.piece > CHUNK)
				return 2;
			break;
		case PAUSE:
			t.pause_ms = atoi(optarg);
			break;
		case NODELAY:
			nodelay = true;
			break;
		case STALL:
			stall_s = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (getenv("RTCPFSM_PROTO"))
		protocol = atoi(getenv("RTCPFSM_PROTO"));
	t.fd = connection(serve, argv[2], atoi(argv[3]));
	if (nodelay && setsockopt(t.fd, SOL_TCP, TCP_NODELAY, &on, sizeof(on)))
		fail(NULL, "TCP_NODELAY");
	run(&t);
	return 0;
}
