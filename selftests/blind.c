// SPDX-License-Identifier: GPL-2.0
/*
 * blind: an attacker who sees nothing of a connection and guesses, and peers by the thousand that mean no good.
 *
 *	blind [--proto N] [--family 4|6] [--port N] COMMAND [NUMBER..]
 *
 * It has both sides: sockets of the host (10.77.0.1 or fd77::1) and, behind a TUN device in the same namespace, all peers.
 * Each command says on one line what was done and what came of it; one that does not hold ends with exit code 1.
 *
 * Against one established connection, whose peer is honest and silent meanwhile (RFC 5961, RFC 5927). GUESSES are spread
 * evenly over all 2^32 numbers, and none is the number that an attacker needs.
 *	rst GUESSES		none ends it; challenge ACKs, for those in the window, are limited; the exact one does
 *	syn GUESSES		none ends it; challenge ACKs are limited
 *	data GUESSES		octets with any sequence number, and acknowledgments that no true peer would send: not taken
 *	ack GUESSES		acknowledgments of what is not in flight: nothing is freed, nothing sent anew
 *	icmp GUESSES		hard errors about segments that are not in flight: ignored; about one that is: it lives
 *	mtu GUESSES		"too big" likewise: ignored; one that is in flight and absurd: segments do not become tiny
 * By the thousand:
 *	time-wait PEERS		so many connections that the host closes first
 *	accept PEERS BACKLOG	so many that nobody accepts
 *	windows PEERS		so many that offer a window of 0 or 1, or never acknowledge, while the host has much to send; then it
 *				closes them all
 *	unread PEERS KIND	so many that send more than they may while the program reads nothing. KIND: segments (large ones),
 *				octets (a segment for each), holes (each second octet)
 *	sacks PEERS		so many that tell of single octets all over what is under way: the scoreboard stays small
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "blind.h"

/* A connection's limit of challenge ACKs is one in so long (RFC 5961 section 7). */
#define CHALLENGE_INTERVAL	(500 * MS)
/* Its window is as large as the module's scale allows, 8 MiB: few guesses meet it. */
#define LARGE_BUFFER		(16 << 20)
/* The device's queue holds 500 packets. */
#define READ_EVERY		64

struct drill drill = {
	.proto = 253,
	.family = AF_INET,
	.port = 7000,
	.mtu = 1500,
	.patience = 10000 * MS,
};

int listener = -1;

void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	exit(1);
}

/* The counter of /proc/net/rtcpfsm_stat. */
long counter(const char *kind, const char *name)
{
	FILE *f = fopen("/proc/net/rtcpfsm_stat", "re");
	char line[256], k[16], n[64];
	long value, found = -1;

	if (!f)
		fail("/proc/net/rtcpfsm_stat: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%15s %63s %ld", k, n, &value) == 3 && !strcmp(k, kind) && !strcmp(n, name))
			found = value;
	fclose(f);
	if (found < 0)
		fail("/proc/net/rtcpfsm_stat has no %s %s", kind, name);
	return found;
}

/* A listener that never blocks. The buffer is that of its connections, 0 for what the namespace has. */
int new_listener(int backlog, int rcvbuf)
{
	struct sockaddr_storage at = {};
	struct sockaddr_in6 *in6 = (void *)&at;
	struct sockaddr_in *in = (void *)&at;
	int fd = socket(drill.family, SOCK_STREAM | SOCK_NONBLOCK, drill.proto);

	at.ss_family = drill.family;
	if (drill.family == AF_INET) {
		in->sin_port = htons(drill.port);
		inet_pton(AF_INET, drill.host_addr, &in->sin_addr);
	} else {
		in6->sin6_port = htons(drill.port);
		inet_pton(AF_INET6, drill.host_addr, &in6->sin6_addr);
	}
	if (fd < 0 || (rcvbuf && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf))) ||
	    bind(fd, (void *)&at, drill.family == AF_INET ? sizeof(*in) : sizeof(*in6)) || listen(fd, backlog))
		fail("listener: %s", strerror(errno));
	return fd;
}

/* The handshake of one peer, which offers that window from then on. */
void connected(struct end *e, uint16_t window)
{
	uint64_t deadline = now_us() + drill.patience;

	e->isn = 1000000u * (1 + (uint32_t)(e - ends));
	e->nxt = e->isn + 1;
	say(e, &(struct out){ SYN, e->isn, 0, 65535, 0 });
	while (!e->answered)
		if (!pump(deadline, -1, 0))
			fail("peer %d: no SYN-ACK came", (int)(e - ends));
	say(e, &(struct out){ ACK, e->nxt, e->host_nxt, window, 0 });
}

int accepted(void)
{
	uint64_t deadline = now_us() + drill.patience;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0) {
		if (errno != EAGAIN || now_us() > deadline)
			fail("accept: %s", strerror(errno));
		pump(now_us() + MS, listener, 1);
	}
	return fd;
}

/* The one connection of a sweep. */
static struct end *e;
static int fd;

static void receive(int octets)
{
	uint64_t deadline = now_us() + drill.patience;
	char buf[65536];
	ssize_t n;

	while (octets) {
		n = recv(fd, buf, octets, 0);
		if (n > 0)
			octets -= n;
		else if (!n || errno != EAGAIN || now_us() > deadline)
			fail("the host receives nothing: %s", n ? strerror(errno) : "the end");
		else
			pump(now_us() + MS, -1, 0);
	}
}

static void say_ack(void)
{
	say(e, &(struct out){ ACK, e->nxt, e->host_nxt, 65535, 0 });
}

/* The host sends so much and waits for its acknowledgment. */
static void send_unacknowledged(int octets)
{
	uint32_t until = e->host_nxt + octets;
	uint64_t deadline = now_us() + drill.patience;
	char *data = calloc(1, octets);

	if (send(fd, data, octets, MSG_NOSIGNAL) != octets)
		fail("send: %s", strerror(errno));
	free(data);
	while (e->host_nxt != until)
		if (!pump(deadline, -1, 0))
			fail("what the host sends does not come");
}

/* The host sends so much, and each segment is acknowledged: whatever the congestion window has come to, all of it comes. */
static void send_acknowledged(int octets)
{
	uint32_t until = e->host_nxt + octets, seen = e->host_nxt;
	uint64_t deadline = now_us() + drill.patience;
	char *data = calloc(1, octets);

	if (send(fd, data, octets, MSG_NOSIGNAL) != octets)
		fail("send: %s", strerror(errno));
	free(data);
	while (e->host_nxt != until) {
		if (!pump(deadline, -1, 0))
			fail("what the host sends does not come");
		if (e->host_nxt != seen)
			say_ack();
		seen = e->host_nxt;
	}
	say_ack();
}

/* The connection goes on as if nothing had been: octets both ways. */
static void must_live(void)
{
	say(e, &(struct out){ ACK | PSH, e->nxt, e->host_nxt, 65535, 10 });
	e->nxt += 10;
	receive(10);
	send_unacknowledged(10);
	say_ack();
	listen_to_wire(50 * MS);
	if (e->resets)
		fail("the host has reset the connection");
}

static void new_connection(void)
{
	wire_open(1);
	listener = new_listener(1, LARGE_BUFFER);
	e = &ends[0];
	connected(e, 65535);
	fd = accepted();
	must_live();
}

static struct {
	long		guesses, inside, answers, segments;
	uint64_t	start;
} sweep;

static void begin_sweep(void)
{
	/* What came before may have drawn a challenge ACK. */
	listen_to_wire(CHALLENGE_INTERVAL + 100 * MS);
	memset(&sweep, 0, sizeof(sweep));
	sweep.segments = e->segments;
	sweep.start = now_us();
}

static void guessed(bool inside)
{
	sweep.inside += inside;
	if (++sweep.guesses % READ_EVERY == 0)
		listen_to_wire(0);
}

static void end_sweep(void)
{
	uint64_t took = now_us() - sweep.start;

	listen_to_wire(50 * MS);
	sweep.answers = e->segments - sweep.segments;
	printf("%ld guesses in %llu ms, %ld of them in the window of %u octets, %ld answers; ", sweep.guesses,
	       (unsigned long long)(took / MS), sweep.inside, e->window, sweep.answers);
}

/* So many challenge ACKs, and no more, since the sweep began. */
static void answers_are_limited(long others)
{
	long most = 2 + (now_us() - sweep.start) / CHALLENGE_INTERVAL;

	if (sweep.answers - others > most)
		fail("that is more than the limit of %ld", most);
	if (!sweep.answers)
		fail("no challenge ACK at all");
}

/* A number of the I-th of N guesses: all over the numbers, from BASE on but never BASE itself. */
static uint32_t guess(uint32_t base, long i, long n)
{
	return base + 1 + (uint32_t)(((uint64_t)i << 32) / n);
}

static bool in_window(uint32_t seq)
{
	return seq - e->nxt < e->window;
}

static void sweep_rst(long n)
{
	begin_sweep();
	for (long i = 0; i < n; i++) {
		uint32_t seq = guess(e->nxt, i, n);

		/* Half of them claim to acknowledge something. */
		say(e, &(struct out){ i % 2 ? RST | ACK : RST, seq, i % 2 ? seq * 7 : 0, 0, 0 });
		guessed(in_window(seq));
	}
	end_sweep();
	if (!sweep.inside)
		fail("none was in the window");
	answers_are_limited(0);
	if (sweep.answers > sweep.inside)
		fail("a guess out of the window was answered");
	must_live();
	say(e, &(struct out){ RST, e->nxt, 0, 0, 0 });
	listen_to_wire(50 * MS);
	if (recv(fd, &(char){ 0 }, 1, 0) >= 0 || errno != ECONNRESET)
		fail("the exact RST does not end it");
	puts("the exact one ended it");
}

static void sweep_syn(long n)
{
	begin_sweep();
	for (long i = 0; i < n; i++) {
		uint32_t seq = guess(e->nxt - 1, i, n);

		say(e, &(struct out){ i % 2 ? SYN | ACK : SYN, seq, i % 2 ? e->host_nxt : 0, 65535, 0 });
		guessed(in_window(seq));
	}
	end_sweep();
	answers_are_limited(0);
	must_live();
	puts("it lives");
}

/* Is ACK one of those that RFC 5961 section 5.2 takes, from SND.UNA less the largest window of ours to SND.NXT? */
static bool acceptable(uint32_t ack, uint32_t una)
{
	return (int32_t)(ack - (una - 65535)) >= 0 && (int32_t)(ack - e->host_nxt) <= 0;
}

static void sweep_data(long n)
{
	long outside = 0;
	int unread;

	begin_sweep();
	for (long i = 0; i < n; i++) {
		/* The sequence number is everywhere, or the very one; the acknowledgment is everywhere but where it would do. */
		uint32_t seq = i % 2 ? e->nxt : guess(e->nxt, i, n), ack = guess(e->host_nxt, n - i, n);

		if (acceptable(ack, e->host_nxt))
			continue;
		outside += !in_window(seq);
		say(e, &(struct out){ ACK | PSH, seq, ack, 65535, 8 });
		guessed(in_window(seq));
	}
	end_sweep();
	/* RFC 9293 3.10.7.4, first: data that is not in the window is answered each time. */
	answers_are_limited(outside);
	if (ioctl(fd, SIOCINQ, &unread) || unread)
		fail("%d octets were taken", unread);
	must_live();
	puts("no octet was taken");
}

static void sweep_ack(long n)
{
	uint32_t una = e->host_nxt;
	int octets = 1000, left;

	send_unacknowledged(octets);
	begin_sweep();
	for (long i = 0; i < n; i++) {
		uint32_t ack = guess(e->host_nxt, i, n);
		/* An acceptable one with a sequence number that is not; or the other way round. */
		bool right_ack = i % 4 == 0;
		uint32_t seq = right_ack ? guess(e->nxt + e->window, i, n + n / 64) : e->nxt;

		if (right_ack ? in_window(seq) || seq == e->nxt + e->window : acceptable(ack, una))
			continue;
		say(e, &(struct out){ ACK, seq, right_ack ? e->host_nxt : ack, i % 3 ? 65535 : 0, 0 });
		guessed(in_window(seq));
	}
	end_sweep();
	/* The host repeats its segment meanwhile: less than once in 200 ms, the least timeout. */
	answers_are_limited((now_us() - sweep.start) / (200 * MS) + 1);
	if (ioctl(fd, SIOCOUTQ, &left) || left != octets)
		fail("%d octets of %d are left in flight", left, octets);
	say_ack();
	must_live();
	puts("nothing was freed");
}

static bool is_v4(void)
{
	return drill.family == AF_INET;
}

static void sweep_icmp(long n)
{
	long before = counter("drop", "icmp-not-in-flight"), ignored;
	uint32_t una = e->host_nxt;

	send_unacknowledged(1000);
	begin_sweep();
	for (long i = 0; i < n; i++) {
		/* Hard errors: unreachable, by all their codes. */
		say_icmp(e, is_v4() ? 3 : 1, i % (is_v4() ? 4 : 5), 0, guess(e->host_nxt, i, n + 1));
		guessed(false);
	}
	ignored = counter("drop", "icmp-not-in-flight") - before;
	end_sweep();
	if (ignored != n)
		fail("%ld were ignored", ignored);
	for (int code = 0; code < 16; code++) {
		if (is_v4() && code == 4)
			continue; /* too big: another command */
		say_icmp(e, is_v4() ? 3 : 1, code, 0, una);
		say_icmp(e, is_v4() ? 11 : 3, code % 2, 0, una);
		say_icmp(e, is_v4() ? 12 : 4, code % 3, 0, una);
		listen_to_wire(0);
	}
	say_ack();
	must_live();
	puts("48 about what was in flight did not end it either");
}

static void sweep_mtu(long n)
{
	/* Of a path MTU of 552, the kernel's least, and of 1280, that of IPv6. */
	int least = is_v4() ? 512 : 1220, full = is_v4() ? 1460 : 1440;
	uint32_t una;

	send_unacknowledged(full);
	begin_sweep();
	for (long i = 0; i < n; i++) {
		say_icmp(e, is_v4() ? 3 : 2, is_v4() ? 4 : 0, is_v4() ? 600 : 1280, guess(e->host_nxt, i, n + 1));
		guessed(false);
	}
	end_sweep();
	say_ack();
	e->largest = 0;
	send_acknowledged(4 * full);
	if (e->largest != full)
		fail("segments shrank to %d octets", e->largest);
	una = e->host_nxt;
	send_unacknowledged(full);
	for (int mtu = 0; mtu < 552; mtu += 17) {
		say_icmp(e, is_v4() ? 3 : 2, is_v4() ? 4 : 0, mtu, una);
		listen_to_wire(0);
	}
	say_ack();
	listen_to_wire(50 * MS);
	say_ack();
	e->largest = 0;
	send_acknowledged(4 * full);
	if (e->largest < least)
		fail("segments shrank to %d octets", e->largest);
	must_live();
	printf("no segment shrank; of an absurd MTU in flight, to %d octets\n", e->largest);
}

static const struct {
	const char	*name;
	void		(*run)(long guesses);
} sweeps[] = {
	{ "rst", sweep_rst }, { "syn", sweep_syn }, { "data", sweep_data }, { "ack", sweep_ack }, { "icmp", sweep_icmp },
	{ "mtu", sweep_mtu },
};

int main(int argc, char **argv)
{
	static const struct option options[] = { { "proto", 1, NULL, 'p' }, { "family", 1, NULL, 'f' },
		{ "port", 1, NULL, 'l' }, { } };
	struct rlimit files = { 200000, 200000 };
	const char *command;
	long n;
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 'p')
			drill.proto = atoi(optarg);
		else if (c == 'f')
			drill.family = strcmp(optarg, "6") ? AF_INET : AF_INET6;
		else if (c == 'l')
			drill.port = atoi(optarg);
		else
			return 2;
	}
	if (argc - optind < 2)
		return 2;
	command = argv[optind];
	n = atol(argv[optind + 1]);
	drill.host_addr = drill.family == AF_INET ? "10.77.0.1" : "fd77::1";
	setrlimit(RLIMIT_NOFILE, &files);
	for (size_t i = 0; i < sizeof(sweeps) / sizeof(*sweeps); i++) {
		if (!strcmp(command, sweeps[i].name)) {
			new_connection();
			sweeps[i].run(n);
			return 0;
		}
	}
	wire_open(n + 1);
	if (!strcmp(command, "time-wait"))
		attack_time_wait(n);
	else if (!strcmp(command, "accept") && argc - optind == 3)
		attack_accept_queue(n, atoi(argv[optind + 2]));
	else if (!strcmp(command, "windows"))
		attack_windows(n);
	else if (!strcmp(command, "unread") && argc - optind == 3)
		attack_unread(n, argv[optind + 2]);
	else if (!strcmp(command, "sacks"))
		attack_sacks(n);
	else
		return 2;
	return 0;
}
