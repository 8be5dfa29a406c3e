/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the sockets_*.c programs share: one fixture with the three ways to speak IP (AF_INET, AF_INET6,
 * and AF_INET6 with IPv4-mapped addresses), and helpers to open, watch and fill connections.
 *
 * The same tests run over Linux's own TCP as variants tcp_*: what they expect is what Linux does.
 *
 * Environment, all optional; the default is loopback in the namespace the program was started in:
 *   SOCKETS_REFERENCE   unset: the module alone; "too": also the tcp_ variants; "only": nothing else
 *   RTCPFSM_PROTO    the module's protocol number (253)
 *   SOCKETS_{SERVER,CLIENT}_NS     files of the network namespaces of the two sides
 *   SOCKETS_{SERVER,CLIENT,OTHER}{4,6}  addresses; OTHER is a second one of the server's side
 *   SOCKETS_VOID{4,6}   addresses that swallow what the client sends them
 */
#ifndef SOCKETS_H
#define SOCKETS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

/* How long a test waits for an event before it fails, in milliseconds; an emulated machine is slow. */
#define PATIENCE_MS 15000

#define EV_IN (POLLIN | POLLRDNORM)
#define EV_OUT (POLLOUT | POLLWRNORM)
#define EV_ALL (EV_IN | EV_OUT | POLLPRI | POLLRDBAND | POLLWRBAND | POLLRDHUP | POLLHUP | POLLERR)

/* No page is ever mapped here. */
#define BAD_POINTER ((void *)8)

FIXTURE(ip)
{
	int unused;
};

FIXTURE_VARIANT(ip)
{
	int domain;
	bool mapped;
	bool tcp;
};

FIXTURE_VARIANT_ADD(ip, v4) { .domain = AF_INET };
FIXTURE_VARIANT_ADD(ip, v6) { .domain = AF_INET6 };
FIXTURE_VARIANT_ADD(ip, mapped) { .domain = AF_INET6, .mapped = true };
FIXTURE_VARIANT_ADD(ip, tcp_v4) { .domain = AF_INET, .tcp = true };
FIXTURE_VARIANT_ADD(ip, tcp_v6) { .domain = AF_INET6, .tcp = true };
FIXTURE_VARIANT_ADD(ip, tcp_mapped) { .domain = AF_INET6, .mapped = true, .tcp = true };

typedef const FIXTURE_VARIANT(ip) variant_t;

enum side { SERVER, CLIENT, OTHER, VOID, ANY };

/* A socket address with its length. */
struct end {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage storage;
	};
	socklen_t len;
};

/* An open connection: the listener, the side that called connect() and the side that accept() gave. */
struct pair {
	int listener, client, server;
	struct end at;
};

static int side_ns[2] = { -1, -1 };

static inline int protocol_of(variant_t *v)
{
	const char *text = getenv("RTCPFSM_PROTO");

	return v->tcp ? IPPROTO_TCP : text ? atoi(text) : 253;
}

static inline void side_enter(enum side side)
{
	static int now = -1;
	int ns = side_ns[side == CLIENT || side == VOID];

	if (ns < 0 || ns == now)
		return;
	if (setns(ns, CLONE_NEWNET))
		perror("setns");
	now = ns;
}

/* The address of a side as text for inet_pton(), or NULL when this run has none. */
static inline const char *side_text(variant_t *v, enum side side)
{
	static const char *const names[] = { "SERVER", "CLIENT", "OTHER", "VOID" };
	static const char *const loopback[] = { "127.0.0.1", "127.0.0.1", "127.0.0.2", NULL };
	bool v6 = v->domain == AF_INET6 && !v->mapped;
	char name[32];
	const char *text;

	if (side == ANY)
		return v->domain == AF_INET6 ? "::" : "0.0.0.0";
	snprintf(name, sizeof(name), "SOCKETS_%s%d", names[side], v6 ? 6 : 4);
	text = getenv(name);
	if (text)
		return text;
	return !v6 ? loopback[side] : side == SERVER || side == CLIENT ? "::1" : NULL;
}

static inline struct end end_of(variant_t *v, const char *text, int port)
{
	struct end end = { .len = 0 };

	if (v->domain == AF_INET) {
		end.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		if (inet_pton(AF_INET, text, &end.in.sin_addr) == 1)
			end.len = sizeof(end.in);
	} else {
		char buf[64];

		snprintf(buf, sizeof(buf), "%s%s", v->mapped && strcmp(text, "::") ? "::ffff:" : "", text);
		end.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
		if (inet_pton(AF_INET6, buf, &end.in6.sin6_addr) == 1)
			end.len = sizeof(end.in6);
	}
	return end;
}

static inline struct end end_at(variant_t *v, enum side side, int port)
{
	return end_of(v, side_text(v, side), port);
}

static inline int end_port(const struct end *end)
{
	return ntohs(end->sa.sa_family == AF_INET ? end->in.sin_port : end->in6.sin6_port);
}

static inline bool end_same_host(const struct end *a, const struct end *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr));
}

static inline bool end_same(const struct end *a, const struct end *b)
{
	return end_same_host(a, b) && end_port(a) == end_port(b);
}

static inline struct end end_local(int fd)
{
	struct end end = { .len = sizeof(end.storage) };

	if (getsockname(fd, &end.sa, &end.len))
		end.len = 0;
	return end;
}

static inline struct end end_remote(int fd)
{
	struct end end = { .len = sizeof(end.storage) };

	if (getpeername(fd, &end.sa, &end.len))
		end.len = 0;
	return end;
}

static inline int sock_open(variant_t *v, enum side side, int flags)
{
	side_enter(side);
	return socket(v->domain, SOCK_STREAM | flags, protocol_of(v));
}

static inline int sock_bound(variant_t *v, enum side side, int port)
{
	struct end end = end_at(v, side, port);
	int fd = sock_open(v, side, 0);

	if (fd >= 0 && bind(fd, &end.sa, end.len)) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* A listener of the server's side at a free port, told in `at`. */
static inline int sock_listening(variant_t *v, int backlog, struct end *at)
{
	int fd = sock_bound(v, SERVER, 0);

	if (fd < 0 || listen(fd, backlog))
		return -1;
	*at = end_local(fd);
	return fd;
}

static inline int sock_connected(variant_t *v, const struct end *to)
{
	int fd = sock_open(v, CLIENT, 0);

	if (fd < 0 || connect(fd, &to->sa, to->len)) {
		int saved = errno;

		if (fd >= 0)
			close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static inline int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static inline int get_int(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) ? -errno : value;
}

static inline int error_of(int fd)
{
	return get_int(fd, SOL_SOCKET, SO_ERROR);
}

/* Buffers of so many bytes (Linux doubles them) for the listener and so for what it accepts, and for the client. */
static inline int pair_open_with(variant_t *v, struct pair *p, int sndbuf, int rcvbuf)
{
	p->client = p->server = -1;
	p->listener = sock_listening(v, 8, &p->at);
	if (p->listener < 0)
		return -1;
	p->client = sock_open(v, CLIENT, 0);
	for (int i = 0; i < 2; i++) {
		int fd = i ? p->client : p->listener;

		if (sndbuf && set_int(fd, SOL_SOCKET, SO_SNDBUF, sndbuf))
			return -1;
		if (rcvbuf && set_int(fd, SOL_SOCKET, SO_RCVBUF, rcvbuf))
			return -1;
	}
	if (connect(p->client, &p->at.sa, p->at.len))
		return -1;
	p->server = accept(p->listener, NULL, NULL);
	return p->server < 0 ? -1 : 0;
}

static inline int pair_open(variant_t *v, struct pair *p)
{
	return pair_open_with(v, p, 0, 0);
}

static inline void pair_close(struct pair *p)
{
	close(p->client);
	close(p->server);
	close(p->listener);
}

static inline void set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

static inline void set_timeout(int fd, int name, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv));
}

/* close() that sends RST. */
static inline void close_hard(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static inline long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static inline void nap_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static inline int events_now(int fd)
{
	struct pollfd p = { .fd = fd, .events = EV_ALL };

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

/* Waits until all of `want` are there; what is there at the end. */
static inline int events_wait(int fd, int want)
{
	long end = now_ms() + PATIENCE_MS;
	int seen = events_now(fd);

	while ((seen & want) != want && now_ms() < end) {
		struct pollfd p = { .fd = fd, .events = want & ~seen };

		/* Events that are reported unasked must not make this a busy loop. */
		if (poll(&p, 1, 100) > 0 && !(p.revents & want & ~seen))
			nap_ms(2);
		seen = events_now(fd);
	}
	return seen;
}

/* Waits until exactly `want` is there; what is there at the end. */
static inline int events_settle(int fd, int want)
{
	long end = now_ms() + PATIENCE_MS;
	int seen = events_wait(fd, want);

	while (seen != want && now_ms() < end) {
		nap_ms(2);
		seen = events_now(fd);
	}
	return seen;
}

/* Waits until ioctl `request` (SIOCINQ, SIOCOUTQ) tells `want`; what it tells at the end. */
static inline int queue_settle(int fd, unsigned long request, int want)
{
	long end = now_ms() + PATIENCE_MS;
	int value = -1;

	while (!ioctl(fd, request, &value) && value != want && now_ms() < end)
		nap_ms(2);
	return value;
}

/* Octet number `offset` of test stream `seed`; neighbouring offsets and seeds differ. */
static inline unsigned char octet(size_t offset, unsigned int seed)
{
	unsigned int x = (unsigned int)offset * 2654435761u + seed * 40503u;

	return (x >> 24) ^ (x >> 9);
}

static inline void octets(unsigned char *buf, size_t len, size_t offset, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = octet(offset + i, seed);
}

static inline bool octets_are(const unsigned char *buf, size_t len, size_t offset, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != octet(offset + i, seed))
			return false;
	return true;
}

static volatile sig_atomic_t signals_seen;

static inline void count_signal(int signal)
{
	(void)signal;
	signals_seen++;
}

/* Counts a signal in signals_seen from now on; system calls are not restarted after it. */
static inline void catch_signal(int signal)
{
	struct sigaction sa = { .sa_handler = count_signal };

	signals_seen = 0;
	sigaction(signal, &sa, NULL);
}

/* A SIGALRM every `ms`, so that none is lost between two instructions; 0 ends it. */
static inline void alarm_every(int ms)
{
	struct itimerval it = { .it_interval.tv_usec = ms * 1000, .it_value.tv_usec = ms * 1000 };

	setitimer(ITIMER_REAL, &it, NULL);
}

/* Waits until process `pid` sleeps in the kernel: true if it does. */
static inline bool wait_asleep(pid_t pid)
{
	long end = now_ms() + PATIENCE_MS;
	char path[64], text[256], *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (now_ms() < end) {
		int fd = open(path, O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		close(fd);
		if (n > 0) {
			text[n] = 0;
			state = strrchr(text, ')');
			if (state && state[2] == 'S')
				return true;
		}
		nap_ms(5);
	}
	return false;
}

/* What a child that ended itself returned, or -1. */
static inline int child_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

FIXTURE_SETUP(ip)
{
	signal(SIGPIPE, SIG_IGN);
}

FIXTURE_TEARDOWN(ip)
{
}

/* Each program's main(): the harness, with the variants that the environment asks for. */
static inline int sockets_main(int argc, char **argv)
{
	static char *const mine[] = { "v4", "v6", "mapped" }, *const tcp[] = { "tcp_v4", "tcp_v6", "tcp_mapped" };
	static char *args[64];
	const char *reference = getenv("SOCKETS_REFERENCE");
	const char *ns[2] = { getenv("SOCKETS_SERVER_NS"), getenv("SOCKETS_CLIENT_NS") };
	int n = 0;

	args[n++] = argv[0];
	for (int i = 0; i < 3; i++) {
		if (reference && !strcmp(reference, "too"))
			break;
		args[n++] = "-V";
		args[n++] = reference && !strcmp(reference, "only") ? mine[i] : tcp[i];
	}
	for (int i = 1; i < argc && n < 62; i++)
		args[n++] = argv[i];
	for (int i = 0; i < 2; i++) {
		if (!ns[i])
			continue;
		if (i && ns[0] && !strcmp(ns[0], ns[1]))
			side_ns[1] = side_ns[0];
		else
			side_ns[i] = open(ns[i], O_RDONLY | O_CLOEXEC);
	}
	return test_harness_run(n, args);
}

#endif
