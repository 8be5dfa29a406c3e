// SPDX-License-Identifier: GPL-2.0
/* drill: segments to and from the wire, and the comparison of what came with what was expected. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drill.h"
#include "wire.h"

static const char flag_letters[] = "FSRPAUEC";

/* An option and four blocks of two numbers. */
#define OPTION_WORDS 9

/* Both streams carry the alphabet over and over, so that every octet tells its place. */
char stream_octet(uint32_t offset)
{
	return 'a' + offset % 26;
}

void renumber(struct peer *peer, uint32_t isn)
{
	peer->isn = isn;
	peer->nxt = isn;
	peer->known = false;
	peer->host_isn = 0;
	peer->host_nxt = 0;
	peer->tsval = 0;
}

/* The checksum over the pseudo-header of PACKET's addresses and the DATA; 0 if the right one is in DATA. */
static uint16_t checksum(const uint8_t *packet, int proto, const uint8_t *data, int len)
{
	uint32_t s = proto + len;

	s = packet[0] >> 4 == 4 ? sum(s, packet + 12, 8) : sum(s, packet + 8, 32);
	return fold(sum(s, data, len));
}

/* Writes the IP header of a packet with LEN octets of payload; returns its length. */
static int ip_header(uint8_t *packet, int proto, int len, const char *from, const char *to)
{
	int header = drill.family == AF_INET ? 20 : 40;

	memset(packet, 0, header);
	if (drill.family == AF_INET) {
		packet[0] = 0x45;
		put16(packet + 2, header + len);
		packet[8] = 64;
		packet[9] = proto;
		if (inet_pton(AF_INET, from, packet + 12) != 1 || inet_pton(AF_INET, to, packet + 16) != 1)
			fail("bad address: %s or %s", from, to);
		put16(packet + 10, fold(sum(0, packet, header)));
	} else {
		packet[0] = 0x60;
		put16(packet + 4, len);
		packet[6] = proto;
		packet[7] = 64;
		if (inet_pton(AF_INET6, from, packet + 8) != 1 || inet_pton(AF_INET6, to, packet + 24) != 1)
			fail("bad address: %s or %s", from, to);
	}
	return header;
}

/* An IPv4 header was changed. */
static void sum_header(uint8_t *packet)
{
	put16(packet + 10, 0);
	put16(packet + 10, fold(sum(0, packet, 20)));
}

static void set_ttl(uint8_t *packet, int ttl)
{
	if (packet[0] >> 4 == 4) {
		packet[8] = ttl;
		sum_header(packet);
	} else {
		packet[7] = ttl;
	}
}

static void set_tos(uint8_t *packet, int tos)
{
	if (packet[0] >> 4 == 4) {
		packet[1] = tos;
		sum_header(packet);
	} else {
		packet[0] |= tos >> 4;
		packet[1] |= tos << 4;
	}
}

uint8_t parse_flags(const char *word)
{
	uint8_t flags = 0;
	const char *at;

	if (!strcmp(word, "-"))
		return 0;
	for (; *word; word++) {
		at = strchr(flag_letters, *word);
		if (!at)
			fail("'%c' is none of the flags %s", *word, flag_letters);
		flags |= 1 << (at - flag_letters);
	}
	return flags;
}

/*
 * The option list TEXT as octets. ANY gets a 1 for each octet that is not to be compared ('*'). Timestamps
 * without a second number echo the last one that came from the host. The numbers of sack count from ISN.
 */
static int parse_options(const char *text, uint32_t isn, uint8_t *out, uint8_t *any)
{
	char copy[256], *save, *item, *word[OPTION_WORDS];
	int len = 0, words, i;

	memset(any, 0, 40);
	if (strlen(text) >= sizeof(copy))
		fail("the option list is too long");
	strcpy(copy, text);
	for (item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		char *inner;

		words = 0;
		for (char *w = strtok_r(item, " ", &inner); w && words < OPTION_WORDS; w = strtok_r(NULL, " ", &inner))
			word[words++] = w;
		if (!words)
			continue;
		if (len + 10 > 40 && strcmp(word[0], "nop") && strcmp(word[0], "hex"))
			fail("the options do not fit into 40 octets");
#define VALUE(n, at, size) (words > (n) && !strcmp(word[n], "*") ? \
			    (memset(any + (at), 1, size), 0) : words > (n) ? number(word[n]) : 0)
		if (!strcmp(word[0], "mss")) {
			out[len] = 2;
			out[len + 1] = 4;
			put16(out + len + 2, VALUE(1, len + 2, 2));
			len += 4;
		} else if (!strcmp(word[0], "wscale")) {
			out[len] = 3;
			out[len + 1] = 3;
			out[len + 2] = VALUE(1, len + 2, 1);
			len += 3;
		} else if (!strcmp(word[0], "sackOK")) {
			out[len++] = 4;
			out[len++] = 2;
		} else if (!strcmp(word[0], "sack")) {
			if (!(words & 1) || len + 2 + 4 * (words - 1) > 40)
				fail("sack wants pairs of numbers that fit");
			out[len] = 5;
			out[len + 1] = 2 + 4 * (words - 1);
			for (i = 1; i < words; i++)
				put32(out + len - 2 + 4 * i, isn + (uint32_t)number(word[i]));
			len += out[len + 1];
		} else if (!strcmp(word[0], "ts")) {
			out[len] = 8;
			out[len + 1] = 10;
			put32(out + len + 2, VALUE(1, len + 2, 4));
			put32(out + len + 6, words > 2 ? VALUE(2, len + 6, 4) : drill.peer->tsval);
			len += 10;
		} else if (!strcmp(word[0], "nop")) {
			out[len++] = 1;
		} else if (!strcmp(word[0], "eol")) {
			out[len++] = 0;
		} else if (!strcmp(word[0], "hex") && words == 2) {
			for (i = 0; word[1][i] && word[1][i + 1]; i += 2) {
				char pair[3] = { word[1][i], word[1][i + 1] };

				if (len >= 40)
					fail("the options do not fit into 40 octets");
				out[len++] = strtoul(pair, NULL, 16);
			}
		} else {
			fail("unknown option '%s'", word[0]);
		}
	}
	return len;
}

static void describe(char *out, size_t size, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t win,
		     int len, const uint8_t *opt, int optlen)
{
	char letters[9] = "", hex[81] = "";
	int i, n = 0;

	for (i = 0; i < 8; i++)
		if (flags & 1 << i)
			letters[n++] = flag_letters[i];
	for (i = 0; i < optlen; i++)
		sprintf(hex + 2 * i, "%02x", opt[i]);
	snprintf(out, size, "%s seq %u ack %u win %u len %d <hex %s>", n ? letters : "-",
		 seq, ack, win, len, hex);
}

static const char *describe_segment(const struct peer *peer, const struct segment *s)
{
	static char text[256];

	describe(text, sizeof(text), s->flags, s->seq - peer->host_isn,
		 s->flags & ACK ? s->ack - peer->isn : s->ack, s->win, s->len, s->opt, s->optlen);
	return text;
}

/* Takes in a packet that came from the host. What is not a segment to one of the peers is not ours. */
void parse_packet(const uint8_t *packet, int len)
{
	int header = 20, total, offset, proto, i;
	const uint8_t *tcp;
	struct segment *s;
	struct peer *peer = NULL;

	if (len >= 20 && packet[0] >> 4 == 4 && drill.family == AF_INET) {
		header = (packet[0] & 15) * 4;
		total = get16(packet + 2);
		proto = packet[9];
	} else if (len >= 40 && packet[0] >> 4 == 6 && drill.family == AF_INET6) {
		header = 40;
		total = 40 + get16(packet + 4);
		proto = packet[6];
	} else {
		return;
	}
	if (proto != drill.proto || total > len || total < header + 20)
		return;
	tcp = packet + header;
	if (get16(tcp) != drill.port)
		return;
	for (i = 0; i < NPEERS; i++)
		if (drill.peers[i].port == get16(tcp + 2))
			peer = &drill.peers[i];
	offset = (tcp[12] >> 4) * 4;
	if (!peer || offset < 20 || header + offset > total)
		return;
	s = malloc(sizeof(*s) + total - header - offset);
	if (!s)
		fail("no memory");
	s->next = NULL;
	s->at = now_us();
	s->tos = header == 40 ? packet[0] << 4 | packet[1] >> 4 : packet[1];
	s->ttl = packet[header == 40 ? 7 : 8];
	s->seq = get32(tcp + 4);
	s->ack = get32(tcp + 8);
	s->flags = tcp[13];
	s->win = get16(tcp + 14);
	s->urg = get16(tcp + 18);
	s->bad_checksum = checksum(packet, drill.proto, tcp, total - header) != 0;
	s->optlen = offset - 20;
	memcpy(s->opt, tcp + 20, s->optlen);
	s->len = total - header - offset;
	memcpy(s->payload, tcp + offset, s->len);
	*peer->last = s;
	peer->last = &s->next;
}

void inject(struct pattern *p)
{
	uint8_t packet[MAX_PACKET], any[40], *tcp;
	const char *from = p->from ? p->from : drill.peer_addr, *to = p->to ? p->to : drill.host_addr;
	struct peer *peer = drill.peer;
	int header = drill.family == AF_INET ? 20 : 40, optlen = 0, len, i;
	uint32_t seq, ack;

	if (p->len < 0 || p->len > drill.mtu)
		fail("a segment of %d octets is not possible here", p->len);
	seq = p->has_seq ? peer->isn + (uint32_t)p->seq : peer->nxt;
	ack = p->has_ack ? peer->host_isn + (uint32_t)p->ack : p->flags & ACK ? peer->host_nxt : 0;
	tcp = packet + header;
	memset(tcp, 0, 60);
	if (p->has_opt)
		optlen = (parse_options(p->opt, peer->host_isn, tcp + 20, any) + 3) & ~3;
	put16(tcp, peer->port);
	put16(tcp + 2, drill.port);
	put32(tcp + 4, seq);
	put32(tcp + 8, ack);
	tcp[12] = (p->has_doff ? p->doff : (20 + optlen) / 4) << 4;
	tcp[13] = p->flags;
	put16(tcp + 14, p->has_win ? p->win : 65535);
	put16(tcp + 18, p->urg);
	for (i = 0; i < p->len; i++)
		tcp[20 + optlen + i] = stream_octet(seq - peer->isn - !(p->flags & SYN) + i);
	len = 20 + optlen + p->len;
	if (p->has_trunc && p->trunc < len)
		len = p->trunc;
	ip_header(packet, drill.proto, len, from, to);
	if (p->tos)
		set_tos(packet, p->tos);
	if (p->has_ttl)
		set_ttl(packet, p->ttl);
	if (len >= 18)
		put16(tcp + 16, checksum(packet, drill.proto, tcp, len) ^ (p->bad_checksum ? 0x5a5a : 0));
	if (seq == peer->nxt && !(p->flags & RST) && !p->bad_checksum && !p->has_trunc && !p->has_doff &&
	    !p->from && !p->to)
		peer->nxt += p->len + !!(p->flags & SYN) + !!(p->flags & FIN);
	drill.event = now_us();
	tun_send(packet, header + len);
}

/* Makes room of 4 or 8 octets at the end of a quoted IP header for options, or an extension header, that say nothing; returns it. */
static int quoted_options(uint8_t *quote)
{
	static const uint8_t padding[] = { 1, 4, 0, 0, 0, 0 };

	if (drill.family == AF_INET) {
		quote[0]++;
		memset(quote + 20, 1, 4);
		return 4;
	}
	quote[40] = quote[6];
	quote[6] = IPPROTO_HOPOPTS;
	quote[41] = 0;
	memcpy(quote + 42, padding, sizeof(padding));
	return 8;
}

/* `< icmp TYPE CODE [seq N] [mtu N] [cut N] [options 1] [ttl N]`: an error that quotes the host's segment with that number. */
void inject_icmp(char **word, int words)
{
	uint8_t packet[MAX_PACKET], *icmp, *quote;
	int header = drill.family == AF_INET ? 20 : 40, proto = drill.family == AF_INET ? 1 : 58, len, i;
	int quoted = 20, options = 0, ttl = 64;
	struct peer *peer = drill.peer;
	uint32_t seq = peer->host_isn;

	if (words < 2)
		fail("icmp wants a type and a code");
	icmp = packet + header;
	memset(icmp, 0, 8);
	icmp[0] = number(word[0]);
	icmp[1] = number(word[1]);
	for (i = 2; i + 1 < words; i += 2) {
		if (!strcmp(word[i], "seq"))
			seq = peer->host_isn + (uint32_t)number(word[i + 1]);
		else if (!strcmp(word[i], "mtu"))
			put32(icmp + 4, number(word[i + 1]));
		else if (!strcmp(word[i], "cut"))
			quoted = number(word[i + 1]);
		else if (!strcmp(word[i], "options"))
			options = number(word[i + 1]);
		else if (!strcmp(word[i], "ttl"))
			ttl = number(word[i + 1]);
		else
			fail("icmp: what is '%s'?", word[i]);
	}
	quote = icmp + 8;
	if (quoted < 0 || quoted > 20)
		fail("icmp: the header has 20 octets");
	ip_header(quote, drill.proto, 20, drill.host_addr, drill.peer_addr);
	options = options ? quoted_options(quote) : 0;
	quote += header + options;
	memset(quote, 0, 20);
	put16(quote, drill.port);
	put16(quote + 2, peer->port);
	put32(quote + 4, seq);
	quote[12] = 5 << 4;
	len = 8 + header + options + quoted;
	ip_header(packet, proto, len, drill.peer_addr, drill.host_addr);
	set_ttl(packet, ttl);
	put16(icmp + 2, drill.family == AF_INET ? fold(sum(0, icmp, len)) : checksum(packet, proto, icmp, len));
	drill.event = now_us();
	tun_send(packet, header + len);
}

/* NULL if S is what P wants, else the name of the field that differs. */
static const char *differs(const struct peer *peer, const struct segment *s, const struct pattern *p)
{
	uint8_t opt[40], any[40];
	int optlen, i;

	if (s->bad_checksum)
		return "checksum";
	/* The RSTs of the host's own TCP carry ACK where RFC 9293 has none. */
	if (s->flags != p->flags &&
	    !(drill.proto == IPPROTO_TCP && p->flags == RST && s->flags == (RST | ACK)))
		return "flags";
	if (p->has_seq && s->seq - peer->host_isn != (uint32_t)p->seq)
		return "seq";
	if (p->has_ack && s->ack - (s->flags & ACK ? peer->isn : 0) != (uint32_t)p->ack)
		return "ack";
	if (p->has_win && s->win != p->win)
		return "win";
	if (s->len != p->len)
		return "len";
	if (s->urg != p->urg)
		return "urgent pointer";
	if (p->has_tos && s->tos != p->tos)
		return "tos";
	if (p->has_ttl && s->ttl != p->ttl)
		return "ttl";
	for (i = 0; i < s->len && !p->junk; i++)
		if (s->payload[i] != stream_octet(s->seq - peer->host_isn - 1 + i))
			return "payload";
	if (!p->has_opt)
		return NULL;
	optlen = parse_options(p->opt, peer->isn, opt, any);
	if (optlen != s->optlen)
		return "options";
	for (i = 0; i < optlen; i++)
		if (!any[i] && opt[i] != s->opt[i])
			return "options";
	return NULL;
}

/* The timestamp that a later segment of ours should echo. */
static void learn_timestamp(struct peer *peer, const struct segment *s)
{
	int i = 0, len;

	while (i < s->optlen && s->opt[i]) {
		len = s->opt[i] == 1 ? 1 : i + 1 < s->optlen ? s->opt[i + 1] : 0;
		if (!len)
			return;
		if (s->opt[i] == 8 && len == 10 && i + 10 <= s->optlen)
			peer->tsval = get32(s->opt + i + 2);
		i += len;
	}
}

void expect(struct pattern *p)
{
	struct peer *peer = drill.peer;
	uint64_t deadline = now_us() + drill.patience, start = p->start ? p->start : drill.event, after;
	struct segment *s;
	const char *field;

	if (p->has_time && start + p->latest + drill.patience > deadline)
		deadline = start + p->latest + drill.patience;
	while (!peer->first)
		if (!pump(deadline, -1, 0) && !peer->first)
			fail("no segment came within %llu ms", (unsigned long long)(drill.patience / MS));
	s = peer->first;
	if (s->flags & SYN && !peer->known) {
		peer->known = true;
		peer->host_isn = s->seq;
		peer->host_nxt = s->seq;
	}
	field = differs(peer, s, p);
	if (field)
		fail("%s differs, got %s", field, describe_segment(peer, s));
	after = s->at > start ? s->at - start : 0;
	if (p->has_time && (after < p->earliest || after > p->latest))
		fail("it came after %llu.%03llu ms", (unsigned long long)(after / MS), (unsigned long long)(after % MS));
	after = s->seq + s->len + !!(s->flags & SYN) + !!(s->flags & FIN);
	if (!(s->flags & RST) && (int32_t)((uint32_t)after - peer->host_nxt) > 0)
		peer->host_nxt = after;
	learn_timestamp(peer, s);
	drill.event = s->at;
	peer->first = s->next;
	if (!peer->first)
		peer->last = &peer->first;
	free(s);
}

void expect_nothing(uint64_t us)
{
	uint64_t deadline = now_us() + us;
	const char *got;

	while (!(got = leftover()))
		if (!pump(deadline, -1, 0))
			break;
	got = leftover();
	if (got)
		fail("got %s", got);
}

/* The first segment of the present peer that no line expected, or NULL. */
const char *leftover(void)
{
	return drill.peer->first ? describe_segment(drill.peer, drill.peer->first) : NULL;
}
