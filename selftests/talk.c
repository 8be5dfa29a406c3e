// SPDX-License-Identifier: GPL-2.0
/*
 * A program that has sockets and does what it is told, one command a line on standard input, each answered by
 * one line, "ok .." or "error ..", on standard output: so that a script can stop at any moment of a connection's life.
 *
 *   listen NAME ADDRESS PORT [BACKLOG]   a listener; the answer names its port
 *   connect NAME ADDRESS PORT            waits until the connection is open; the answer names the local port
 *   open NAME ADDRESS PORT [FROM]        starts to connect (from that local port), and does not wait
 *   opened NAME                          waits until that is done, or tells its error
 *   accept NAME LISTENER
 *   send NAME COUNT, recv NAME COUNT     so many octets, waits for them
 *   eof NAME                             waits for the end of what the peer sends
 *   error NAME                           waits for an error, and tells it
 *   shutdown NAME, close NAME, reset NAME
 *   many COUNT ADDRESS PORT              connections named many.0, many.1 ..
 *   accept-many COUNT LISTENER           their other ends, accepted.0 ..
 *   close-all PREFIX                     every socket whose name starts so
 *   device NAME                          sockets that are made from now on are bound to it; "none": to none
 *   owned DEVICE                         from now on nothing leaves by it that is not of a socket of user 0's
 *   mark N, priority N                   theirs (SO_MARK, SO_PRIORITY)
 *
 * RTCPFSM_PROTO names the protocol, 253 if unset. An address with a colon is IPv6.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_SOCKETS 8192
#define PATIENCE_MS 30000

static struct {
	char name[32];
	int fd;
} sockets[MAX_SOCKETS];
static int count;
static int protocol = 253;
static char device[16];
static int mark, priority;

static void answer(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void fail(const char *what)
{
	answer("error %s: %s", what, strerror(errno));
}

/* The index of a socket, -1 if there is none of that name. */
static int find(const char *name)
{
	for (int i = count - 1; i >= 0; i--)
		if (sockets[i].fd >= 0 && !strcmp(sockets[i].name, name))
			return i;
	errno = EBADF;
	return -1;
}

static bool keep(const char *name, int fd)
{
	if (fd < 0)
		return false;
	if (count == MAX_SOCKETS) {
		close(fd);
		errno = EMFILE;
		return false;
	}
	snprintf(sockets[count].name, sizeof(sockets[count].name), "%s", name);
	sockets[count++].fd = fd;
	return true;
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

static int port_of(int fd)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	if (getsockname(fd, (void *)&at, &len))
		return -1;
	return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port : ((struct sockaddr_in *)&at)->sin_port);
}

static int new_socket(int family, int flags)
{
	int fd = socket(family, SOCK_STREAM | flags, protocol);

	if (fd >= 0 && ((device[0] && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device))) ||
			(mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark))) ||
			(priority && setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority))))) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int listener(const char *text, int port, int backlog)
{
	struct sockaddr_storage at;
	socklen_t len = address(text, port, &at);
	int fd = new_socket(at.ss_family, 0), on = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (void *)&at, len) || listen(fd, backlog)) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int connection(const char *text, int port, int from, bool wait)
{
	struct sockaddr_storage to, local = {};
	socklen_t len = address(text, port, &to);
	int fd = new_socket(to.ss_family, wait ? 0 : SOCK_NONBLOCK);

	if (fd < 0)
		return -1;
	local.ss_family = to.ss_family;
	((struct sockaddr_in *)&local)->sin_port = htons(from);
	if ((from && bind(fd, (void *)&local, len)) || (connect(fd, (void *)&to, len) && errno != EINPROGRESS)) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	if (!wait)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

static bool wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (poll(&p, 1, PATIENCE_MS) == 1)
		return true;
	errno = ETIMEDOUT;
	return false;
}

/* What SO_ERROR tells, which it then forgets. */
static int error_of(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error;
}

static void transfer(int fd, long octets, bool out)
{
	static char buf[65536];
	long left = octets;

	memset(buf, 't', sizeof(buf));
	while (left > 0) {
		size_t piece = left < (long)sizeof(buf) ? (size_t)left : sizeof(buf);
		ssize_t n;

		if (!out && !wait_for(fd, POLLIN))
			return fail("recv");
		n = out ? send(fd, buf, piece, MSG_NOSIGNAL) : recv(fd, buf, piece, 0);
		if (n == 0 && !out)
			return answer("error recv: the end after %ld octets", octets - left);
		if (n < 0)
			return fail(out ? "send" : "recv");
		left -= n;
	}
	answer("ok %ld", octets);
}

/* A command about a socket that there is. */
static void act(const char *command, int index, const char *argument)
{
	struct linger hard = { .l_onoff = 1 };
	int fd = sockets[index].fd, error;
	char c;

	if (!strcmp(command, "send") || !strcmp(command, "recv")) {
		transfer(fd, atol(argument), command[0] == 's');
	} else if (!strcmp(command, "opened")) {
		if (!wait_for(fd, POLLOUT))
			return fail(command);
		errno = error_of(fd);
		if (errno)
			return fail(command);
		answer("ok %d", port_of(fd));
	} else if (!strcmp(command, "eof")) {
		if (!wait_for(fd, POLLIN) || recv(fd, &c, 1, 0) < 0)
			return fail(command);
		answer("ok");
	} else if (!strcmp(command, "error")) {
		/* Nothing is asked for, so that it wakes up for an error or a hang-up alone. */
		if (!wait_for(fd, 0))
			return fail(command);
		error = error_of(fd);
		answer("ok %s", error ? strerror(error) : "none");
	} else if (!strcmp(command, "shutdown")) {
		if (shutdown(fd, SHUT_WR))
			return fail(command);
		answer("ok");
	} else if (!strcmp(command, "close") || !strcmp(command, "reset")) {
		if (command[0] == 'r')
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		sockets[index].fd = -1;
		if (close(fd))
			return fail(command);
		answer("ok");
	} else {
		answer("error unknown command: %s", command);
	}
}

/* A program at the way out of the device that drops what has no socket, or another user's. */
static int only_owned(const char *name)
{
	struct bpf_insn code[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_socket_uid },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = 1 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 2 /* TCX_DROP */ },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {}, link = {};

	load.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	load.insns = (uintptr_t)code;
	load.insn_cnt = sizeof(code) / sizeof(code[0]);
	load.license = (uintptr_t)"GPL";
	link.link_create.prog_fd = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	link.link_create.target_ifindex = if_nametoindex(name);
	link.link_create.attach_type = 47; /* BPF_TCX_EGRESS, which old headers lack */
	return syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link));
}

static void obey(char *line)
{
	char command[16] = "", a[64] = "", b[64] = "", c[16] = "", d[16] = "", name[48];
	int words = sscanf(line, "%15s %63s %63s %15s %15s", command, a, b, c, d), index, i, fd;

	if (!strcmp(command, "listen") && words >= 4) {
		fd = listener(b, atoi(c), words > 4 ? atoi(d) : 128);
		if (!keep(a, fd))
			return fail(command);
		answer("ok %d", port_of(fd));
	} else if ((!strcmp(command, "connect") || !strcmp(command, "open")) && words >= 4) {
		fd = connection(b, atoi(c), atoi(d), command[0] == 'c');
		if (!keep(a, fd))
			return fail(command);
		answer("ok %d", port_of(fd));
	} else if (!strcmp(command, "accept") && words == 3) {
		index = find(b);
		if (index < 0 || !wait_for(sockets[index].fd, POLLIN) || !keep(a, accept(sockets[index].fd, NULL, NULL)))
			return fail(command);
		answer("ok");
	} else if (!strcmp(command, "many") && words == 4) {
		for (i = 0; i < atoi(a); i++) {
			snprintf(name, sizeof(name), "many.%d", i);
			if (!keep(name, connection(b, atoi(c), 0, true)))
				return fail(name);
		}
		answer("ok %d", i);
	} else if (!strcmp(command, "accept-many") && words == 3) {
		index = find(b);
		for (i = 0; i < atoi(a); i++) {
			snprintf(name, sizeof(name), "accepted.%d", i);
			if (index < 0 || !wait_for(sockets[index].fd, POLLIN) ||
			    !keep(name, accept(sockets[index].fd, NULL, NULL)))
				return fail(name);
		}
		answer("ok %d", i);
	} else if (!strcmp(command, "close-all") && words == 2) {
		for (i = words = 0; i < count; i++) {
			if (sockets[i].fd < 0 || strncmp(sockets[i].name, a, strlen(a)))
				continue;
			words += !close(sockets[i].fd);
			sockets[i].fd = -1;
		}
		while (count && sockets[count - 1].fd < 0)
			count--;
		answer("ok %d", words);
	} else if (!strcmp(command, "device") && words == 2) {
		snprintf(device, sizeof(device), "%s", strcmp(a, "none") ? a : "");
		answer("ok");
	} else if (!strcmp(command, "owned") && words == 2) {
		if (only_owned(a) < 0)
			return fail(command);
		answer("ok");
	} else if ((!strcmp(command, "mark") || !strcmp(command, "priority")) && words == 2) {
		*(command[0] == 'm' ? &mark : &priority) = atoi(a);
		answer("ok");
	} else if (words >= 2) {
		index = find(a);
		if (index < 0)
			return fail(a);
		act(command, index, b);
	} else if (words > 0) {
		answer("error unknown command: %s", command);
	}
}

int main(void)
{
	struct rlimit files = { .rlim_cur = MAX_SOCKETS + 16, .rlim_max = MAX_SOCKETS + 16 };
	char line[256];

	if (getenv("RTCPFSM_PROTO"))
		protocol = atoi(getenv("RTCPFSM_PROTO"));
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	return 0;
}
