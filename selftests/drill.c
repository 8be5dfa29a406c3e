// SPDX-License-Identifier: GPL-2.0
/*
 * drill: plays one end of a connection from a script, segment by segment, against the sockets of this host.
 *
 *	drill [--netns NAME] [--proto N] [--family 4|6|mapped] [--port N] [--peer-port N] [--peer-address A] [--mtu N] [SCRIPT]
 *
 * drill opens a TUN device in the network namespace. The host (10.77.0.1 or fd77::1) is the kernel under test;
 * the peer (10.77.0.2 or fd77::2, or another one of these networks) is the script: nothing else answers. A script is a list of lines, run in order.
 * The first one that does not hold ends it with exit code 1 and is shown, with what was seen instead; so does a
 * segment from the host that no line expected. `#` begins a comment.
 *
 * Segments. Sequence numbers count from the ISN of whoever sends them: the SYN is 0, the first octet of data 1.
 *
 *	< SA seq 0 ack 1 win 1000 <mss 1460,ts 5>	the peer sends this
 *	> A seq 1 ack 1 len 100				the host must send exactly this, next
 *	> nothing 200					for 200 ms the host must send nothing
 *
 *   Flags are letters: F S R P A U E C (E, C: the two ECN bits), or - for none. With `<`, seq left out means the
 *   next one, ack left out: all that `>` lines have seen, win left out: 65535. With `>`, fields left out are not
 *   compared, but the flags, the length (0 if left out), the checksum and the octets are. `len N` is data: both
 *   streams repeat the alphabet, so every octet is checked. Numbers are decimal, 0x.. or negative.
 *   Options stand in order, as on the wire: <mss N,wscale N,sackOK,ts VAL ECR,sack LEFT RIGHT ..,nop,eol,hex 0102..>;
 *   * for a value that does not matter; ECR left out: the host's last one; <> for no options at all.
 *   urg N is the urgent pointer, 0 if left out.
 *   tos N is the traffic class of the IP header, ttl N its time to live.
 *   Only with `>`:  junk N		N octets that need not be those of the stream
 *		     within A..B	it comes A to B ms after the last event (a segment, or a call that sends)
 *		     within A..B after N	likewise, after the event that `mark N` marked
 *   Only with `<`:  badsum		the checksum is wrong
 *		     trunc N		only N octets of the segment arrive
 *		     doff N		the data offset field says N words
 *		     from A, to A	other IP addresses
 *	< icmp TYPE CODE [seq N] [mtu N] [cut N] [options 1] [ttl N]
 *				an ICMP error that quotes the host's segment with that number, N octets of its header (20), with
 *				options or an extension header in its IP header
 *
 * Calls. Sockets have names and never block; drill waits. `= ERROR` at the end of a line: the call must fail so.
 *
 *	socket S			of the protocol under test
 *	bind S [ADDRESS]		to the host's port
 *	listen S [BACKLOG]		binds first if need be
 *	connect S			to the peer; must say EINPROGRESS, unless told otherwise
 *	accept S NEW			waits for a connection
 *	send S N			N octets, all of them
 *	recv S N | recv S eof		waits for exactly that; checks each octet
 *	shutdown S rd|wr|rdwr		close S		linger S SECONDS	disconnect S
 *	abort S				close with linger 0
 *	more S N, urgent S N		send with MSG_MORE, with MSG_OOB
 *	oob S N | oob S = ERROR		recv with MSG_OOB: must give the stream's octet N (the first is 1)
 *	option S NAME N			NAME as in drill_sock.c: reuseaddr, rcvbuf, nodelay, keepidle, tos, ..
 *	filter S N			of each segment for it N octets pass (SO_ATTACH_FILTER), 0: it does not; -1: no filter
 *	errqueue S ERROR		recvmsg() with MSG_ERRQUEUE gives this error, from ICMP; 0: nothing
 *	poll S in,out,hup,rdhup,err	waits until poll() tells exactly these (-: none)
 *	sockerr S ERROR			SO_ERROR, 0 if none
 *	rto S A..B			the retransmission timeout (TCP_INFO) is A to B ms
 *	buffer S rcvbuf|sndbuf|rmem A..B	SO_RCVBUF, SO_SNDBUF, or the memory that what arrived takes
 *	rcvbuf S N			SO_RCVBUF: of that what has arrived takes one Nth
 *	inq S N, outq S N		waits until SIOCINQ or SIOCOUTQ tell N
 *
 * Times (of within, nothing, sleep, since) are milliseconds; with `rto` at the end, thousandths of the timeout that
 * `rto S A..B` has read: 2000..2300rto.
 *
 * What /proc shows.
 *
 *	state STATE			waits until /proc/net/rtcpfsm shows it for this connection; LISTEN: the listener;
 *					CLOSED: no line
 *	column NAME VALUE|A..B		waits until that column of its line is so
 *	count KIND NAME +N|+A..B	waits until the counter of /proc/net/rtcpfsm_stat has moved so since the start
 *
 * The rest.
 *
 *	peer N				the following lines speak of connection N (0 to 7; each has a port of its own)
 *	isn N				the peer's ISN (before its SYN)
 *	renumber N			a new connection between the same ports begins: its peer's ISN is the old one + N
 *	mark [N], since A..B		the time between the last event before mark and that before since is A to B ms; mark N
 *					(1 to 99) is for within
 *	sleep TIME			and keep reading the wire
 *	repeat N LINE			N times the same
 *	sysctl NAME VALUE		net.rtcpfsm.NAME until the script ends
 *	patience MS			how long to wait for what should come (10,000; slow machines need it)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drill.h"

struct drill drill = {
	.proto = 253,
	.family = AF_INET,
	.port = 7000,
	.mtu = 1500,
	.patience = 10000 * MS,
};

static const char *script_name = "script";
static int line_number;
static char line_text[512];
static uint64_t marks[100];	/* when the event was that each marked */

/* What the script leaves behind goes at once, so that nothing of it meets the next one. */
static void finish(void)
{
	struct pattern rst = { .flags = RST };

	sockets_abort();
	proc_finish();
	for (int i = 0; i < NPEERS && drill.ready; i++) {
		drill.peer = &drill.peers[i];
		if (drill.peer->known)
			inject(&rst);
	}
}

void fail(const char *fmt, ...)
{
	static bool failing;
	va_list args;

	if (failing)
		exit(1);
	failing = true;

	fprintf(stderr, "%s:%d: %s: ", script_name, line_number, line_text);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	finish();
	exit(1);
}

long long number(const char *word)
{
	char *end;
	long long n;

	if (!word)
		fail("a number is missing");
	errno = 0;
	n = strtoll(word, &end, 0);
	if (end == word || *end || errno)
		fail("'%s' is not a number", word);
	return n;
}

/* Cuts `rto` off the end of a time: what is left counts in thousandths of the timeout that was read, else in milliseconds. */
static uint64_t time_unit(char *word)
{
	char *unit = word ? strstr(word, "rto") : NULL;

	if (!unit)
		return MS;
	if (!drill.rto)
		fail("the timeout was not read: rto S A..B");
	*unit = 0;
	return drill.rto / 1000;
}

static uint64_t parse_time(char *word)
{
	uint64_t unit = time_unit(word);

	return number(word) * unit;
}

/* "A..B" */
static void parse_range(char *word, uint64_t *from, uint64_t *to)
{
	uint64_t unit = time_unit(word);
	char *dots = word ? strstr(word, "..") : NULL;

	if (!dots)
		fail("a range A..B is missing");
	*dots = 0;
	*from = number(word) * unit;
	*to = number(dots + 2) * unit;
}

/* Splits LINE at its blanks; the option list, between < and >, is one word and loses these. */
static int split(char *line, char **word)
{
	int words = 0;
	char *p = line;

	for (;;) {
		p += strspn(p, " \t");
		if (!*p)
			break;
		if (words == MAX_WORDS - 1)
			fail("the line has too many words");
		if (*p == '<' && words) {
			word[words++] = p++;
			p = strchr(p, '>');
			if (!p)
				fail("the option list does not end");
			*p++ = 0;
			continue;
		}
		word[words++] = p;
		p += strcspn(p, " \t");
		if (*p)
			*p++ = 0;
	}
	word[words] = NULL;
	return words;
}

/* The mark of that number. */
static uint64_t *mark(long long n)
{
	if (n < 0 || n >= (long long)(sizeof(marks) / sizeof(*marks)))
		fail("there is no mark %lld", n);
	return &marks[n];
}

static void parse_pattern(struct pattern *p, char **word, int words)
{
	memset(p, 0, sizeof(*p));
	if (!words)
		fail("the flags are missing");
	p->flags = parse_flags(word[0]);
	for (int i = 1; i < words; i++) {
		const char *key = word[i];
		char *value = word[i + 1];

		if (key[0] == '<') {
			p->has_opt = true;
			p->opt = key + 1;
			continue;
		}
		if (!strcmp(key, "badsum")) {
			p->bad_checksum = true;
			continue;
		}
		i++;
		if (!strcmp(key, "seq")) {
			p->has_seq = true;
			p->seq = number(value);
		} else if (!strcmp(key, "ack")) {
			p->has_ack = true;
			p->ack = number(value);
		} else if (!strcmp(key, "win")) {
			p->has_win = true;
			p->win = number(value);
		} else if (!strcmp(key, "urg")) {
			p->urg = number(value);
		} else if (!strcmp(key, "len")) {
			p->len = number(value);
		} else if (!strcmp(key, "junk")) {
			p->junk = true;
			p->len = number(value);
		} else if (!strcmp(key, "tos")) {
			p->tos = number(value);
			p->has_tos = true;
		} else if (!strcmp(key, "ttl")) {
			p->ttl = number(value);
			p->has_ttl = true;
		} else if (!strcmp(key, "trunc")) {
			p->has_trunc = true;
			p->trunc = number(value);
		} else if (!strcmp(key, "doff")) {
			p->has_doff = true;
			p->doff = number(value);
		} else if (!strcmp(key, "from")) {
			p->from = value;
		} else if (!strcmp(key, "to")) {
			p->to = value;
		} else if (!strcmp(key, "within")) {
			p->has_time = true;
			parse_range(value, &p->earliest, &p->latest);
		} else if (!strcmp(key, "after")) {
			p->start = *mark(number(value));
			if (!p->start)
				fail("nothing was marked");
		} else {
			fail("what is '%s'?", key);
		}
	}
}

static void sleep_for(uint64_t us)
{
	uint64_t deadline = now_us() + us;

	while (now_us() < deadline)
		pump(deadline, -1, 0);
}

static void run(char **word, int words)
{
	const char *what = word[0], *result = NULL;
	struct pattern p;
	uint64_t from, to;

	if (words >= 3 && !strcmp(word[words - 2], "=")) {
		result = word[words - 1];
		words -= 2;
	}
	if (!strcmp(what, "<") && words > 1 && !strcmp(word[1], "icmp")) {
		inject_icmp(word + 2, words - 2);
	} else if (!strcmp(what, "<")) {
		parse_pattern(&p, word + 1, words - 1);
		inject(&p);
	} else if (!strcmp(what, ">") && words == 3 && !strcmp(word[1], "nothing")) {
		expect_nothing(parse_time(word[2]));
	} else if (!strcmp(what, ">")) {
		parse_pattern(&p, word + 1, words - 1);
		expect(&p);
	} else if (!strcmp(what, "state") && words == 2) {
		expect_state(word[1]);
	} else if (!strcmp(what, "column") && words == 3) {
		expect_column(word[1], word[2]);
	} else if (!strcmp(what, "count") && words == 4) {
		expect_count(word[1], word[2], word[3]);
	} else if (!strcmp(what, "sysctl") && words == 3) {
		set_sysctl(word[1], word[2]);
	} else if (!strcmp(what, "peer") && words == 2) {
		if (number(word[1]) < 0 || number(word[1]) >= NPEERS)
			fail("peers are 0 to %d", NPEERS - 1);
		drill.peer = &drill.peers[number(word[1])];
	} else if (!strcmp(what, "isn") && words == 2) {
		renumber(drill.peer, number(word[1]));
	} else if (!strcmp(what, "renumber") && words == 2) {
		renumber(drill.peer, drill.peer->isn + number(word[1]));
	} else if (!strcmp(what, "mark") && words <= 2) {
		*mark(words == 2 ? number(word[1]) : 0) = drill.event;
	} else if (!strcmp(what, "since") && words == 2) {
		parse_range(word[1], &from, &to);
		if (drill.event - *mark(0) < from || drill.event - *mark(0) > to)
			fail("%llu ms passed", (unsigned long long)(drill.event - *mark(0)) / MS);
	} else if (!strcmp(what, "sleep") && words == 2) {
		sleep_for(parse_time(word[1]));
	} else if (!strcmp(what, "patience") && words == 2) {
		drill.patience = number(word[1]) * MS;
	} else if (!socket_command(word, words, result)) {
		fail("this is not a line of the language");
	}
}

static void run_line(const char *text)
{
	char copy[sizeof(line_text)], *word[MAX_WORDS], *from = copy;
	long long times = 1;
	int words, skip = 0;

	strcpy(copy, text);
	if (sscanf(copy, " repeat %lld%n", &times, &skip) == 1)
		from += skip;
	while (times-- > 0) {
		char again[sizeof(copy)];

		strcpy(again, from);
		words = split(again, word);
		if (words)
			run(word, words);
	}
}

static void run_script(FILE *f)
{
	while (fgets(line_text, sizeof(line_text), f)) {
		line_number++;
		if (!strchr(line_text, '\n') && !feof(f))
			fail("the line is too long");
		line_text[strcspn(line_text, "#\n")] = 0;
		run_line(line_text);
	}
	strcpy(line_text, "end of the script");
	pump(now_us(), -1, 0);
	for (int i = 0; i < NPEERS; i++) {
		drill.peer = &drill.peers[i];
		if (leftover())
			fail("the host also sent %s", leftover());
	}
}

static void enter_netns(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(path, sizeof(path), "/var/run/netns/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		fail("%s: %s", path, strerror(errno));
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "netns", 1, NULL, 'n' }, { "proto", 1, NULL, 'p' }, { "family", 1, NULL, 'f' },
		{ "port", 1, NULL, 'l' }, { "peer-port", 1, NULL, 'r' }, { "mtu", 1, NULL, 'm' },
		{ "peer-address", 1, NULL, 'a' }, { }
	};
	uint16_t peer_port = 20000;
	FILE *f = stdin;
	int c;

	strcpy(line_text, "set-up");
	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			enter_netns(optarg);
			break;
		case 'p':
			drill.proto = number(optarg);
			break;
		case 'f':
			drill.family = strcmp(optarg, "6") ? AF_INET : AF_INET6;
			drill.mapped = !strcmp(optarg, "mapped");
			break;
		case 'l':
			drill.port = number(optarg);
			break;
		case 'r':
			peer_port = number(optarg);
			break;
		case 'a':
			drill.peer_addr = optarg;
			break;
		case 'm':
			drill.mtu = number(optarg);
			break;
		default:
			return 2;
		}
	}
	drill.host_addr = drill.family == AF_INET ? "10.77.0.1" : "fd77::1";
	if (!drill.peer_addr)
		drill.peer_addr = drill.family == AF_INET ? "10.77.0.2" : "fd77::2";
	for (int i = 0; i < NPEERS; i++) {
		drill.peers[i].port = peer_port + i;
		drill.peers[i].last = &drill.peers[i].first;
		renumber(&drill.peers[i], 1000000 * (i + 1));
	}
	drill.peer = &drill.peers[0];
	if (optind < argc) {
		script_name = argv[optind];
		f = fopen(script_name, "re");
		if (!f)
			fail("%s", strerror(errno));
	}
	tun_open();
	drill.ready = true;
	proc_start();
	run_script(f);
	finish();
	return 0;
}
