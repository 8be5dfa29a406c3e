// SPDX-License-Identifier: GPL-2.0
/* drill: what /proc tells of the connection, and the namespace's sysctls. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drill.h"

#define STATE_POLL (5 * MS)
#define MAX_COLUMNS 32
#define MAX_SYSCTLS 16

static char *stat_at_start;

static struct {
	char path[128], old[64];
} sysctls[MAX_SYSCTLS];
static int nsysctls;

/* The whole of a file of /proc, to be freed; NULL if it cannot be read. */
static char *read_all(const char *path)
{
	size_t size = 65536, len = 0;
	char *text = malloc(size);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (!text)
		fail("no memory");
	if (fd < 0) {
		free(text);
		return NULL;
	}
	while ((n = read(fd, text + len, size - len - 1)) > 0) {
		len += n;
		if (size - len < 4096)
			text = realloc(text, size *= 2);
		if (!text)
			fail("no memory");
	}
	close(fd);
	text[len] = 0;
	return text;
}

/* "a.b.c.d:port" or "[v6]:port", as /proc/net/rtcpfsm writes it. */
static void endpoint(char *out, size_t size, const char *addr, uint16_t port)
{
	if (drill.family == AF_INET6)
		snprintf(out, size, "[%s]:%u", addr, port);
	else if (drill.mapped)
		snprintf(out, size, "[::ffff:%s]:%u", addr, port);
	else
		snprintf(out, size, "%s:%u", addr, port);
}

/* Is LOCAL the host's end? A listener may be bound to any address: there the port decides. */
static bool is_local(const char *local, bool listener)
{
	char wanted[96], port[8];
	const char *colon = strrchr(local, ':');

	endpoint(wanted, sizeof(wanted), drill.host_addr, drill.port);
	snprintf(port, sizeof(port), "%u", drill.port);
	return listener ? colon && !strcmp(colon + 1, port) : !strcmp(local, wanted);
}

/* Splits LINE at its blanks. */
static int columns(char *line, char **word)
{
	char *save;
	int n = 0;

	for (char *w = strtok_r(line, " \t", &save); w && n < MAX_COLUMNS; w = strtok_r(NULL, " \t", &save))
		word[n++] = w;
	return n;
}

/* The state of the connection with the present peer (or of the listener) by /proc/net/tcp, for comparison. */
static void native_state(bool listener, char *out, size_t size)
{
	static const char * const names[] = { "", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1",
		"FIN-WAIT-2", "TIME-WAIT", "CLOSED", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "SYN-RECEIVED" };
	char *text = read_all(drill.family == AF_INET && !drill.mapped ? "/proc/net/tcp" : "/proc/net/tcp6");
	unsigned int local, remote, state;
	char *line, *save;

	snprintf(out, size, "CLOSED");
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (sscanf(line, "%*s %*[0-9A-F]:%x %*[0-9A-F]:%x %x", &local, &remote, &state) == 3 &&
		    local == drill.port && remote == (listener ? 0 : drill.peer->port) && state < 13)
			snprintf(out, size, "%s", names[state]);
	free(text);
}

/* The value of column NAME in the line of the connection or the listener: "CLOSED" where there is no line. */
static void own_column(const char *name, bool listener, char *out, size_t size)
{
	char *text = read_all("/proc/net/rtcpfsm"), *line, *save, *word[MAX_COLUMNS], remote[96];
	int n, column = -1;

	if (!text)
		fail("/proc/net/rtcpfsm cannot be read");
	endpoint(remote, sizeof(remote), drill.peer_addr, drill.peer->port);
	snprintf(out, size, "CLOSED");
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		n = columns(line, word);
		if (column < 0) {
			for (int i = 0; i < n; i++)
				if (!strcmp(word[i], name))
					column = i;
			if (column < 0)
				fail("/proc/net/rtcpfsm has no column %s", name);
			continue;
		}
		if (n <= column || n < 3 || !is_local(word[0], listener) || listener != !strcmp(word[2], "LISTEN"))
			continue;
		if (listener || !strcmp(word[1], remote))
			snprintf(out, size, "%s", word[column]);
	}
	free(text);
}

/* Waits until the connection is shown in STATE (CLOSED: is not shown). */
void expect_state(const char *state)
{
	uint64_t deadline = now_us() + drill.patience;
	bool listener = !strcmp(state, "LISTEN");
	char got[128];

	for (;;) {
		if (drill.proto == IPPROTO_TCP)
			native_state(listener, got, sizeof(got));
		else
			own_column("state", listener, got, sizeof(got));
		if (!strcmp(got, state))
			return;
		if (now_us() >= deadline)
			fail("got %s", got);
		pump(now_us() + STATE_POLL, -1, 0);
	}
}

/* `column NAME VALUE` or `column NAME A..B`; the host's own TCP has no such file and is not asked. */
void expect_column(const char *name, const char *value)
{
	uint64_t deadline = now_us() + drill.patience;
	const char *dots = strstr(value, "..");
	char got[128];
	long long v;

	if (drill.proto == IPPROTO_TCP)
		return;
	for (;;) {
		own_column(name, false, got, sizeof(got));
		if (!strcmp(got, "CLOSED"))
			own_column(name, true, got, sizeof(got));
		v = atoll(got);
		if (dots ? v >= atoll(value) && v <= atoll(dots + 2) : !strcmp(got, value))
			return;
		if (now_us() >= deadline)
			fail("got %s", got);
		pump(now_us() + STATE_POLL, -1, 0);
	}
}

/* The counter in TEXT; -1 if there is none of that name. */
static long long counter(const char *text, const char *kind, const char *name)
{
	char format[128];
	const char *line;
	long long value;

	snprintf(format, sizeof(format), "%s %s %%lld", kind, name);
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, format, &value) == 1)
			return value;
		if (!*line)
			break;
	}
	return -1;
}

/* `count KIND NAME +N` or `+A..B`: how much the counter has moved since the script began. */
void expect_count(const char *kind, const char *name, const char *change)
{
	uint64_t deadline = now_us() + drill.patience;
	long long least, most, before, after;
	char *text;

	if (drill.proto == IPPROTO_TCP)
		return;
	if (sscanf(change, "%lld..%lld", &least, &most) != 2)
		least = most = number(change);
	before = counter(stat_at_start, kind, name);
	if (before < 0)
		fail("/proc/net/rtcpfsm_stat has no line '%s %s'", kind, name);
	for (;;) {
		text = read_all("/proc/net/rtcpfsm_stat");
		after = counter(text, kind, name);
		free(text);
		if (after - before >= least && after - before <= most)
			return;
		if (now_us() >= deadline)
			fail("got %+lld", after - before);
		pump(now_us() + STATE_POLL, -1, 0);
	}
}

static bool write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Sets net.rtcpfsm.NAME for the rest of the script (or TCP's sysctl of that name). */
void set_sysctl(const char *name, const char *value)
{
	char *path = sysctls[nsysctls].path, *old;

	if (drill.proto == IPPROTO_TCP)
		snprintf(path, sizeof(sysctls[0].path), "/proc/sys/net/ipv4/tcp_%s", name);
	else
		snprintf(path, sizeof(sysctls[0].path), "/proc/sys/net/rtcpfsm/%s", name);
	old = read_all(path);
	if (!old)
		fail("%s: %s", path, strerror(errno));
	snprintf(sysctls[nsysctls].old, sizeof(sysctls[0].old), "%s", old);
	free(old);
	if (!write_file(path, value))
		fail("%s does not take %s: %s", path, value, strerror(errno));
	if (++nsysctls == MAX_SYSCTLS)
		fail("too many sysctls");
}

void proc_start(void)
{
	if (drill.proto == IPPROTO_TCP)
		return;
	stat_at_start = read_all("/proc/net/rtcpfsm_stat");
	if (!stat_at_start)
		fail("/proc/net/rtcpfsm_stat cannot be read: is rust_tcpfsm loaded?");
}

void proc_finish(void)
{
	while (nsysctls--)
		write_file(sysctls[nsysctls].path, sysctls[nsysctls].old);
}
