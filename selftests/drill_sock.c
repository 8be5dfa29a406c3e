// SPDX-License-Identifier: GPL-2.0
/* drill: the socket calls of a script. Sockets never block: drill waits for them while it reads the wire. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "drill.h"

#define NSOCKETS 16
#define ALL_EVENTS (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

static struct sock {
	char		name[16];
	int		fd;		/* -1: closed */
	bool		bound;
	uint32_t	sent, received;	/* octets: places in the alphabet */
} sockets[NSOCKETS];

static const struct { const char *name; int value; } errors[] = {
	{ "0", 0 }, { "EINPROGRESS", EINPROGRESS }, { "EALREADY", EALREADY }, { "EISCONN", EISCONN },
	{ "ENOTCONN", ENOTCONN }, { "ECONNREFUSED", ECONNREFUSED }, { "ECONNRESET", ECONNRESET },
	{ "ECONNABORTED", ECONNABORTED }, { "ETIMEDOUT", ETIMEDOUT }, { "EPIPE", EPIPE },
	{ "EHOSTUNREACH", EHOSTUNREACH }, { "ENETUNREACH", ENETUNREACH }, { "EAGAIN", EAGAIN },
	{ "EADDRINUSE", EADDRINUSE }, { "EADDRNOTAVAIL", EADDRNOTAVAIL }, { "EINVAL", EINVAL },
	{ "EOPNOTSUPP", EOPNOTSUPP }, { "EPROTO", EPROTO }, { "ENOPROTOOPT", ENOPROTOOPT },
	{ "EMSGSIZE", EMSGSIZE }, { "EACCES", EACCES }, { "ENOBUFS", ENOBUFS }, { "ENOMEM", ENOMEM },
	{ "ECONNABORTED", ECONNABORTED }, { "EHOSTDOWN", EHOSTDOWN }, { "ENETDOWN", ENETDOWN },
}, events[] = {
	{ "in", POLLIN }, { "out", POLLOUT }, { "pri", POLLPRI }, { "err", POLLERR }, { "hup", POLLHUP },
	{ "rdhup", POLLRDHUP },
}, ways[] = {
	{ "rd", SHUT_RD }, { "wr", SHUT_WR }, { "rdwr", SHUT_RDWR },
};

#define LOOKUP(table, name) lookup(table, sizeof(table) / sizeof(*table), name)

static int lookup(const void *table, size_t n, const char *name)
{
	const typeof(*errors) *t = table;

	for (size_t i = 0; i < n; i++)
		if (!strcmp(t[i].name, name))
			return t[i].value;
	fail("unknown word '%s'", name);
}

static const char *error_name(int error)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].value == error)
			return errors[i].name;
	return strerror(error);
}

/* Compares what a call returned, and errno, with the `= RESULT` of its line; without one it must succeed. */
static void check_result(int ret, const char *wanted)
{
	int got = ret < 0 ? errno : 0;

	if (got != (wanted ? LOOKUP(errors, wanted) : 0))
		fail("got %s", error_name(got));
}

static struct sock *find(const char *name)
{
	for (int i = 0; i < NSOCKETS; i++)
		if (!strcmp(sockets[i].name, name))
			return &sockets[i];
	fail("there is no socket %s", name);
}

static struct sock *named(const char *name, int fd)
{
	for (int i = 0; i < NSOCKETS; i++) {
		struct sock *s = &sockets[i];

		if (s->name[0] && (strcmp(s->name, name) || s->fd >= 0))
			continue;
		if (strlen(name) >= sizeof(s->name))
			fail("the name %s is too long", name);
		memset(s, 0, sizeof(*s));
		strcpy(s->name, name);
		s->fd = fd;
		return s;
	}
	fail("too many sockets, or %s is in use", name);
}

static socklen_t fill_address(struct sockaddr_storage *ss, const char *addr, uint16_t port)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ss;
	char mapped[64];

	memset(ss, 0, sizeof(*ss));
	if (drill.family == AF_INET && !drill.mapped) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		if (inet_pton(AF_INET, addr, &sin->sin_addr) != 1)
			fail("bad address %s", addr);
		return sizeof(*sin);
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	if (!strchr(addr, ':')) {
		snprintf(mapped, sizeof(mapped), "::ffff:%s", addr);
		addr = mapped;
	}
	if (inet_pton(AF_INET6, addr, &sin6->sin6_addr) != 1)
		fail("bad address %s", addr);
	return sizeof(*sin6);
}

static void bind_to(struct sock *s, const char *addr, const char *result)
{
	struct sockaddr_storage ss;
	socklen_t len = fill_address(&ss, addr, drill.port);

	check_result(bind(s->fd, (struct sockaddr *)&ss, len), result);
	s->bound = true;
}

static void do_connect(struct sock *s, const char *result)
{
	struct sockaddr_storage ss;
	socklen_t len = fill_address(&ss, drill.peer_addr, drill.peer->port);

	if (!s->bound)
		bind_to(s, drill.host_addr, NULL);
	drill.event = now_us();
	check_result(connect(s->fd, (struct sockaddr *)&ss, len), result ? result : "EINPROGRESS");
}

static void do_accept(struct sock *s, const char *name, const char *result)
{
	uint64_t deadline = now_us() + drill.patience;
	int fd, error;

	do {
		fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		error = errno;
	} while (fd < 0 && error == EAGAIN && !(result && !strcmp(result, "EAGAIN")) &&
		 (pump(deadline, s->fd, POLLIN) || now_us() < deadline));
	errno = error;
	check_result(fd, result);
	if (fd >= 0)
		named(name, fd)->bound = true;
}

static void do_send(struct sock *s, int len, int flags, const char *result)
{
	char *data = malloc(len);
	ssize_t n;

	for (int i = 0; i < len; i++)
		data[i] = stream_octet(s->sent + i);
	drill.event = now_us();
	n = send(s->fd, data, len, MSG_NOSIGNAL | flags);
	check_result(n, result);
	free(data);
	if (n >= 0 && n != len)
		fail("only %zd octets were taken", n);
	if (n > 0)
		s->sent += n;
}

/* `recv S N`, `recv S eof`, `recv S N = ERROR`: waits until it is so; the octets must be the right ones. */
static void do_recv(struct sock *s, const char *what, const char *result)
{
	int want = strcmp(what, "eof") ? number(what) : 0, got = 0, error = 0;
	bool now = result && !strcmp(result, "EAGAIN");
	uint64_t deadline = now_us() + drill.patience;
	char data[MAX_PACKET];
	ssize_t n;

	drill.event = now_us();
	do {
		size_t size = want - got < (int)sizeof(data) ? want - got : (int)sizeof(data);

		n = recv(s->fd, data, want ? size : sizeof(data), 0);
		error = n < 0 ? errno : 0;
		for (ssize_t i = 0; i < n; i++)
			if (data[i] != stream_octet(s->received++))
				fail("octet %u of the stream is a wrong one", s->received - 1);
		if (n > 0)
			got += n;
		if (n == 0 || got > want || (n > 0 && got == want))
			break;
	} while ((n > 0 || (error == EAGAIN && !now)) && (n > 0 || pump(deadline, s->fd, POLLIN) ||
							 now_us() < deadline));
	errno = error;
	if (n < 0)
		check_result(-1, result);
	else if (result)
		fail("got %d octets and no error", got);
	else if (got != want)
		fail("got %d octets%s", got, n ? "" : " and the end of the stream");
}

static const char *event_names(int revents)
{
	static char text[64];

	text[0] = 0;
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (revents & events[i].value) {
			strcat(text, text[0] ? "," : "");
			strcat(text, events[i].name);
		}
	return text;
}

static void do_poll(struct sock *s, char *list)
{
	uint64_t deadline = now_us() + drill.patience;
	struct pollfd p = { s->fd, ALL_EVENTS, 0 };
	int want = 0;

	if (strcmp(list, "-"))
		for (char *e = strtok(list, ","); e; e = strtok(NULL, ","))
			want |= LOOKUP(events, e);
	for (;;) {
		poll(&p, 1, 0);
		if (p.revents == want)
			return;
		if (now_us() >= deadline)
			fail("got %s", event_names(p.revents));
		pump(now_us() + 5 * MS, -1, 0);
	}
}

static const struct {
	const char *name;
	int level, option;
} options[] = {
	{ "reuseaddr", SOL_SOCKET, SO_REUSEADDR },
	{ "sndbuf", SOL_SOCKET, SO_SNDBUF },
	{ "rcvbuf", SOL_SOCKET, SO_RCVBUF },
	{ "keepalive", SOL_SOCKET, SO_KEEPALIVE },
	{ "nodelay", IPPROTO_TCP, TCP_NODELAY },
	{ "cork", IPPROTO_TCP, TCP_CORK },
	{ "maxseg", IPPROTO_TCP, TCP_MAXSEG },
	{ "keepidle", IPPROTO_TCP, TCP_KEEPIDLE },
	{ "keepintvl", IPPROTO_TCP, TCP_KEEPINTVL },
	{ "keepcnt", IPPROTO_TCP, TCP_KEEPCNT },
	{ "syncnt", IPPROTO_TCP, TCP_SYNCNT },
	{ "linger2", IPPROTO_TCP, TCP_LINGER2 },
	{ "deferaccept", IPPROTO_TCP, TCP_DEFER_ACCEPT },
	{ "clamp", IPPROTO_TCP, TCP_WINDOW_CLAMP },
	{ "quickack", IPPROTO_TCP, TCP_QUICKACK },
	{ "usertimeout", IPPROTO_TCP, TCP_USER_TIMEOUT },
};

static void set_option(struct sock *s, char **word, int words, const char *result)
{
	int level = -1, name = 0, value = number(word[words - 1]);
	bool v6 = drill.family == AF_INET6;

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (!strcmp(word[0], options[i].name))
			level = options[i].level, name = options[i].option;
	if (!strcmp(word[0], "recverr"))
		level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, name = v6 ? IPV6_RECVERR : IP_RECVERR;
	else if (!strcmp(word[0], "tos"))
		level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, name = v6 ? IPV6_TCLASS : IP_TOS;
	else if (!strcmp(word[0], "ttl"))
		level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, name = v6 ? IPV6_UNICAST_HOPS : IP_TTL;
	else if (!strcmp(word[0], "minttl"))
		level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, name = v6 ? IPV6_MINHOPCOUNT : IP_MINTTL;
	else if (!strcmp(word[0], "mtudisc"))
		level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, name = v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER;
	if (level < 0)
		fail("unknown socket option '%s'", word[0]);
	drill.event = now_us();
	check_result(setsockopt(s->fd, level, name, &value, sizeof(value)), result);
}

static void set_filter(struct sock *s, int octets)
{
	struct sock_filter pass = BPF_STMT(BPF_RET | BPF_K, octets);
	struct sock_fprog filter = { 1, &pass };

	if (octets < 0)
		check_result(setsockopt(s->fd, SOL_SOCKET, SO_DETACH_FILTER, &octets, sizeof(octets)), NULL);
	else
		check_result(setsockopt(s->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)), NULL);
}

/* `errqueue S ERROR`: what stands in the error queue. */
static void expect_queued_error(struct sock *s, const char *error)
{
	union {
		char octets[256];
		struct cmsghdr align;
	} control;
	struct msghdr m = { .msg_control = control.octets, .msg_controllen = sizeof(control) };
	struct sock_extended_err *e = NULL;

	if (recvmsg(s->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
		if (errno != EAGAIN)
			fail("MSG_ERRQUEUE: %s", strerror(errno));
		check_result(0, error);
		return;
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_type == (c->cmsg_level == IPPROTO_IP ? IP_RECVERR : IPV6_RECVERR))
			e = (void *)CMSG_DATA(c);
	if (!e || e->ee_origin != (drill.family == AF_INET ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6))
		fail("not from ICMP");
	errno = e->ee_errno;
	check_result(-1, error);
}

static void set_linger(struct sock *s, int seconds)
{
	struct linger l = { seconds >= 0, seconds };

	check_result(setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), NULL);
}

static void do_close(struct sock *s)
{
	drill.event = now_us();
	close(s->fd);
	s->fd = -1;
}

/* `buffer S rcvbuf|sndbuf|rmem A..B`: SO_RCVBUF, SO_SNDBUF, or the memory that what arrived takes (SO_MEMINFO). */
static void expect_buffer(struct sock *s, const char *what, const char *range)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(memory);
	uint32_t least, most;
	int name = SO_MEMINFO;

	if (!strcmp(what, "rcvbuf"))
		name = SO_RCVBUF;
	else if (!strcmp(what, "sndbuf"))
		name = SO_SNDBUF;
	else if (strcmp(what, "rmem"))
		fail("buffer is rcvbuf, sndbuf or rmem");
	if (sscanf(range, "%u..%u", &least, &most) != 2)
		fail("buffer wants A..B");
	check_result(getsockopt(s->fd, SOL_SOCKET, name, memory, &len), NULL);
	if (memory[SK_MEMINFO_RMEM_ALLOC] < least || memory[SK_MEMINFO_RMEM_ALLOC] > most)
		fail("got %u", memory[SK_MEMINFO_RMEM_ALLOC]);
}

/* `rcvbuf S N`: SO_RCVBUF, so that what has arrived takes one Nth of it. */
static void fit_buffer(struct sock *s, int times)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(memory);
	int size;

	check_result(getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, memory, &len), NULL);
	/* The kernel doubles it. */
	size = memory[SK_MEMINFO_RMEM_ALLOC] * times / 2;
	check_result(setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), NULL);
}

/* `rto S A..B`: the timeout, backoff included. */
static void expect_rto(struct sock *s, const char *range)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	unsigned int least, most;

	if (sscanf(range, "%u..%u", &least, &most) != 2)
		fail("rto wants A..B");
	check_result(getsockopt(s->fd, SOL_TCP, TCP_INFO, &info, &len), NULL);
	if (info.tcpi_rto < least * MS || info.tcpi_rto > most * MS)
		fail("got %u us", info.tcpi_rto);
	drill.rto = info.tcpi_rto;
}

static void expect_queue(struct sock *s, unsigned long request, int want)
{
	uint64_t deadline = now_us() + drill.patience;
	int got;

	for (;;) {
		if (ioctl(s->fd, request, &got))
			fail("%s", strerror(errno));
		if (got == want)
			return;
		if (now_us() >= deadline)
			fail("got %d", got);
		pump(now_us() + 5 * MS, -1, 0);
	}
}

/* Runs a line that is a socket call; false if it is none. */
bool socket_command(char **word, int words, const char *result)
{
	const char *what = word[0];
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	socklen_t len = sizeof(int);
	struct sock *s;
	int value = 0;
	char octet;

	if (!strcmp(what, "socket") && words == 2) {
		value = socket(drill.family == AF_INET && !drill.mapped ? AF_INET : AF_INET6,
			       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, drill.proto);
		check_result(value, result);
		named(word[1], value);
		return true;
	}
	if (words < 2)
		return false;
	if (!strcmp(what, "bind") && words <= 3) {
		bind_to(find(word[1]), words == 3 ? word[2] : drill.host_addr, result);
	} else if (!strcmp(what, "listen") && words <= 3) {
		s = find(word[1]);
		if (!s->bound)
			bind_to(s, drill.host_addr, NULL);
		check_result(listen(s->fd, words == 3 ? number(word[2]) : 8), result);
	} else if (!strcmp(what, "connect") && words == 2) {
		do_connect(find(word[1]), result);
	} else if (!strcmp(what, "disconnect") && words == 2) {
		drill.event = now_us();
		check_result(connect(find(word[1])->fd, &unspec, sizeof(unspec)), result);
	} else if (!strcmp(what, "accept") && words == 3) {
		do_accept(find(word[1]), word[2], result);
	} else if (!strcmp(what, "send") && words == 3) {
		do_send(find(word[1]), number(word[2]), 0, result);
	} else if (!strcmp(what, "more") && words == 3) {
		do_send(find(word[1]), number(word[2]), MSG_MORE, result);
	} else if (!strcmp(what, "urgent") && words == 3) {
		do_send(find(word[1]), number(word[2]), MSG_OOB, result);
	} else if (!strcmp(what, "oob") && words == (result ? 2 : 3)) {
		check_result(recv(find(word[1])->fd, &octet, 1, MSG_OOB), result);
		if (!result && octet != stream_octet(number(word[2]) - 1))
			fail("got '%c'", octet);
	} else if (!strcmp(what, "recv") && words == 3) {
		do_recv(find(word[1]), word[2], result);
	} else if (!strcmp(what, "shutdown") && words == 3) {
		drill.event = now_us();
		check_result(shutdown(find(word[1])->fd, LOOKUP(ways, word[2])), result);
	} else if (!strcmp(what, "close") && words == 2) {
		do_close(find(word[1]));
	} else if (!strcmp(what, "abort") && words == 2) {
		set_linger(find(word[1]), 0);
		do_close(find(word[1]));
	} else if (!strcmp(what, "linger") && words == 3) {
		set_linger(find(word[1]), number(word[2]));
	} else if (!strcmp(what, "option") && words == 4) {
		set_option(find(word[1]), word + 2, words - 2, result);
	} else if (!strcmp(what, "filter") && words == 3) {
		set_filter(find(word[1]), number(word[2]));
	} else if (!strcmp(what, "errqueue") && words == 3) {
		expect_queued_error(find(word[1]), word[2]);
	} else if (!strcmp(what, "poll") && words == 3) {
		do_poll(find(word[1]), word[2]);
	} else if (!strcmp(what, "sockerr") && words == 3) {
		check_result(getsockopt(find(word[1])->fd, SOL_SOCKET, SO_ERROR, &value, &len), NULL);
		errno = value;
		check_result(value ? -1 : 0, word[2]);
	} else if (!strcmp(what, "buffer") && words == 4) {
		expect_buffer(find(word[1]), word[2], word[3]);
	} else if (!strcmp(what, "rcvbuf") && words == 3) {
		fit_buffer(find(word[1]), number(word[2]));
	} else if (!strcmp(what, "rto") && words == 3) {
		expect_rto(find(word[1]), word[2]);
	} else if (!strcmp(what, "inq") && words == 3) {
		expect_queue(find(word[1]), SIOCINQ, number(word[2]));
	} else if (!strcmp(what, "outq") && words == 3) {
		expect_queue(find(word[1]), SIOCOUTQ, number(word[2]));
	} else {
		return false;
	}
	return true;
}

/* What a script left open goes at once and silently, so that nothing of it meets the next one. */
void sockets_abort(void)
{
	struct linger l = { 1, 0 };

	for (int i = 0; i < NSOCKETS; i++) {
		if (!sockets[i].name[0] || sockets[i].fd < 0)
			continue;
		setsockopt(sockets[i].fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
		close(sockets[i].fd);
		sockets[i].fd = -1;
	}
}
