// SPDX-License-Identifier: GPL-2.0
/*
 * Opens, uses and closes a connection over loopback again and again, with another allocation failing each time,
 * until a whole run met no failure. Each call must then succeed or say that there is no memory, a second try must
 * succeed, and what was sent must arrive. Prints how many failures there were.
 *
 *   failslab calls 4|6     the first, second, third .. allocation of the calls' own (/proc/thread-self/fail-nth)
 *   failslab segments 4|6  any allocation that the module takes part in, softirq too: see sweep()
 *   failslab load FILE     the allocations of a module's init function while it is loaded from FILE
 *
 * The fault injection of /sys/kernel/debug/failslab is set up by failslab.sh.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define FAILSLAB "/sys/kernel/debug/failslab/"

static int protocol = 253;
static char trouble[256];

static int write_number(const char *path, long value)
{
	char text[32];
	int fd = open(path, O_WRONLY | O_CLOEXEC), len = snprintf(text, sizeof(text), "%ld", value);
	bool good = fd >= 0 && write(fd, text, len) == len;

	if (!good)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	close(fd);
	return good ? 0 : -1;
}

static long read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 ? atol(text) : -1;
}

static int complain(const char *format, ...)
{
	int saved = errno, n;
	va_list args;

	va_start(args, format);
	n = vsnprintf(trouble, sizeof(trouble), format, args);
	va_end(args);
	snprintf(trouble + n, sizeof(trouble) - n, ": %s", strerror(saved));
	return -1;
}

/* Linux says ENFILE when there is no memory for a socket's inode. */
static bool no_memory(void)
{
	return errno == ENOMEM || errno == ENOBUFS || errno == ENFILE;
}

/* Evaluates a call whose failure is below zero; tries once more when there was no memory. */
#define TWICE(call) ({ long r_ = (call); if (r_ < 0 && no_memory()) r_ = (call); r_; })

static int stream(int family)
{
	struct timeval patience = { .tv_sec = 30 };
	int fd = TWICE(socket(family, SOCK_STREAM, protocol));

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	}
	return fd;
}

static int transfer(int from, int to, size_t len)
{
	static char out[4096], in[4096];
	ssize_t n;

	memset(out, 'f', sizeof(out));
	for (size_t done = 0; done < len; done += n) {
		n = TWICE(send(from, out, len - done, 0));
		if (n <= 0)
			return complain("send");
	}
	for (size_t done = 0; done < len; done += n) {
		n = TWICE(recv(to, in, len - done, 0));
		if (n <= 0)
			return complain("recv after %zu of %zu", done, len);
		if (memcmp(in, out, n))
			return complain("other octets came");
	}
	return 0;
}

/* A connection's whole life; 0, or -1 with `trouble` told. */
static int life(int family)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *at = family == AF_INET6 ? (void *)&in6 : (void *)&in;
	socklen_t len = family == AF_INET6 ? sizeof(in6) : sizeof(in);
	int listener = stream(family), client = stream(family), server = -1, result = -1;
	char c;

	if (listener < 0 || client < 0)
		complain("socket");
	else if (TWICE(bind(listener, at, len)))
		complain("bind");
	else if (TWICE(listen(listener, 4)))
		complain("listen");
	else if (getsockname(listener, at, &len))
		complain("getsockname");
	else if (TWICE(connect(client, at, len)))
		complain("connect");
	else if ((server = TWICE(accept(listener, NULL, NULL))) < 0)
		complain("accept");
	else if (!transfer(client, server, 3000) && !transfer(server, client, 100)) {
		if (shutdown(client, SHUT_WR))
			complain("shutdown");
		else if (recv(server, &c, 1, 0))
			complain("the end, at the server");
		else if (shutdown(server, SHUT_WR))
			complain("shutdown");
		else if (recv(client, &c, 1, 0))
			complain("the end, at the client");
		else
			result = 0;
	}
	close(server);
	close(client);
	close(listener);
	return result;
}

/* The calls' own allocations, one by one. */
static int calls(int family)
{
	const char *path = "/proc/thread-self/fail-nth";

	for (long n = 1; n < 5000; n++) {
		int result;
		long left;

		if (write_number(path, n))
			return 2;
		result = life(family);
		left = read_number(path);
		/* What is left of the count must not hit the calls that take it back. */
		while (left > 0 && write_number(path, 0))
			;
		if (result) {
			printf("with allocation %ld failing: %s\n", n, trouble);
			return 1;
		}
		if (left > 0) {
			printf("%ld\n", n - 1);
			return n < 10;
		}
	}
	return 1;
}

/*
 * Every allocation that failslab's stack filter lets through, whoever makes it. Failslab lets pass `space` octets and
 * then fails once; a growing space thus fails the first allocation, the second and so on. Steps smaller than the
 * smallest object that matters leave none out.
 */
static int sweep(int family)
{
	long failures = 0, last = -1;

	for (long space = 0; space < 4 << 20; space += 64) {
		int result;
		long passed;

		if (write_number(FAILSLAB "space", space) || write_number(FAILSLAB "times", 1) ||
		    write_number(FAILSLAB "probability", 100))
			return 2;
		result = life(family);
		if (write_number(FAILSLAB "probability", 0))
			return 2;
		if (result) {
			printf("with an allocation failing after %ld octets: %s\n", space, trouble);
			return 1;
		}
		if (read_number(FAILSLAB "times")) {
			printf("%ld\n", failures);
			return failures < 5;
		}
		passed = space - read_number(FAILSLAB "space");
		failures += passed != last;
		last = passed;
	}
	return 1;
}

static int load(const char *file)
{
	const char *path = "/proc/thread-self/fail-nth";

	for (long n = 1; n < 5000; n++) {
		int fd = open(file, O_RDONLY | O_CLOEXEC), result, error;
		long left;

		if (fd < 0 || write_number(path, n))
			return 2;
		/* A small table is allocated as a large one is; only to fill it takes, in a kernel with checkers, most of the time of a load. */
		result = syscall(SYS_finit_module, fd, "ehash_entries=256", 0);
		error = errno;
		left = read_number(path);
		while (left > 0 && write_number(path, 0))
			;
		close(fd);
		if (result && error != ENOMEM && error != ENOBUFS) {
			printf("with allocation %ld failing: %s\n", n, strerror(error));
			return 1;
		}
		if (!result && syscall(SYS_delete_module, "rust_tcpfsm", 0)) {
			printf("with allocation %ld failing: unload: %s\n", n, strerror(errno));
			return 1;
		}
		if (left > 0) {
			printf("%ld\n", n - 1);
			return n < 5;
		}
	}
	return 1;
}

int main(int argc, char **argv)
{
	int family = argc == 3 && argv[2][0] == '6' ? AF_INET6 : AF_INET;

	if (getenv("RTCPFSM_PROTO"))
		protocol = atoi(getenv("RTCPFSM_PROTO"));
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "calls"))
		return calls(family);
	if (argc == 3 && !strcmp(argv[1], "segments"))
		return sweep(family);
	if (argc == 3 && !strcmp(argv[1], "load"))
		return load(argv[2]);
	return 2;
}
