// SPDX-License-Identifier: GPL-2.0
/*
 * Reads what tcpdump saw of one connection at one of its ends, and says what that end should not have sent. tcpdump
 * itself does not know protocol 253 as TCP.
 *
 *   wire_sanity FILE LOCAL PROTOCOL [CHECK..]     FILE as of tcpdump -w, LOCAL the address of the end in question
 *
 *   acked      nothing is sent again that was acknowledged before
 *   sacked     nothing is sent again that was selectively acknowledged before
 *   mss        options and data together are no longer than the peer's MSS option allows (RFC 9293 3.7.1)
 *   nagle      no small segment while an earlier small one is not acknowledged (RFC 9293 3.7.4)
 *   ratio      about one ACK for two segments received (RFC 9293 3.8.6.3)
 *   prompt     what is received in order is acknowledged within 40 ms
 *   window     the right edge of the window never moves to the left (RFC 9293 3.8.6), but by what scaling rounds off
 *              (RFC 7323 2.4)
 *   ackback    the acknowledgment number never goes back
 *
 * Prints the numbers, and the first violations of each CHECK; status 1 if there was one.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

/* An ACK on its way from the device to the machine, behind which a segment is just being sent. */
#define SLACK_NS 1000000ll
/* The longest delay of an ACK, and a few ticks of the clock. */
#define PROMPT_NS 45000000ll
/* Octets of a connection that are remembered one by one. */
#define MOST (1u << 27)
/* So many violations of a kind are shown. */
#define SHOWN 3

enum check { ACKED, SACKED, MSS, NAGLE, RATIO, PROMPT, WINDOW, ACKBACK, CHECKS };
static const char *const names[CHECKS] = { "acked", "sacked", "mss", "nagle", "ratio", "prompt", "window", "ackback" };
static bool wanted[CHECKS];
static unsigned int violations[CHECKS];

struct segment {
	long long ns;
	bool out;
	uint32_t seq, ack, window, len, options_len;
	uint8_t flags;
	uint16_t mss;
	int scale;
	bool stamped;
	uint32_t stamp;
	int blocks;
	uint32_t block[4][2];
};

/* One direction's sequence space, as offsets from its SYN. */
struct side {
	bool known;
	uint32_t isn;
	int scale;
	uint16_t mss;
};
static struct side local, remote;

/* What the peer acknowledged, in the order of arrival; [from, to) of our octets. */
struct news {
	long long ns;
	uint32_t from, to;
};
static struct news *news;
static size_t news_count, news_room, news_seen;

static unsigned long long data_out, data_in, octets_out, octets_again, pure_acks;

static void violation(enum check check, const struct segment *s, const char *what, long long number)
{
	if (wanted[check] && violations[check] < SHOWN)
		printf("%s: at %lld.%06lld s: seq %u len %u ack %u: %s %lld\n", names[check], s->ns / 1000000000,
		       s->ns / 1000 % 1000000, s->seq - local.isn, s->len, s->ack - remote.isn, what, number);
	violations[check]++;
}

static void learn(long long ns, uint32_t from, uint32_t to)
{
	if (news_count == news_room) {
		news_room = news_room ? 2 * news_room : 1024;
		news = realloc(news, news_room * sizeof(*news));
		if (!news)
			exit(2);
	}
	news[news_count++] = (struct news){ ns, from, to };
}

static uint16_t be16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static void options(struct segment *s, const uint8_t *p, const uint8_t *end)
{
	while (p + 1 < end && *p) {
		if (*p == 1) {
			p++;
			continue;
		}
		if (p[1] < 2 || p + p[1] > end)
			return;
		if (p[0] == 2 && p[1] == 4)
			s->mss = be16(p + 2);
		else if (p[0] == 3 && p[1] == 3)
			s->scale = p[2];
		else if (p[0] == 8 && p[1] == 10) {
			s->stamped = true;
			s->stamp = be32(p + 2);
		} else if (p[0] == 5)
			for (int i = 2; i + 8 <= p[1] && s->blocks < 4; i += 8, s->blocks++) {
				s->block[s->blocks][0] = be32(p + i);
				s->block[s->blocks][1] = be32(p + i + 4);
			}
		p += p[1];
	}
}

/* An Ethernet frame of which `have` octets were kept: is it a segment of that protocol? */
static bool parse(struct segment *s, const uint8_t *p, uint32_t have, int protocol, const uint8_t *address, int family)
{
	uint32_t total, header, payload;
	const uint8_t *segment;

	if (have < 14 + 20 + 20)
		return false;
	if (family == AF_INET && be16(p + 12) == 0x0800 && p[23] == protocol) {
		header = (p[14] & 15) * 4;
		total = be16(p + 16);
		s->out = !memcmp(p + 26, address, 4);
	} else if (family == AF_INET6 && be16(p + 12) == 0x86dd && p[20] == protocol && have >= 14 + 40 + 20) {
		header = 40;
		total = 40 + be16(p + 18);
		s->out = !memcmp(p + 22, address, 16);
	} else {
		return false;
	}
	segment = p + 14 + header;
	if (have < 14 + header + 20)
		return false;
	payload = header + (segment[12] >> 4) * 4;
	if (payload > total || have < 14 + payload)
		return false;
	s->seq = be32(segment + 4);
	s->ack = be32(segment + 8);
	s->flags = segment[13];
	s->window = be16(segment + 14);
	s->options_len = payload - header - 20;
	s->len = total - payload;
	s->scale = -1;
	options(s, segment + 20, segment + 20 + s->options_len);
	return true;
}

static void sent(const struct segment *s)
{
	static uint32_t una = 1, next = 1, highest_ack, edge, small_end;
	static bool any_edge;
	static uint8_t *sacked;
	uint32_t seq = s->seq - local.isn, end = seq + s->len, limit, i;
	uint32_t full = remote.mss - s->options_len, right;

	if (!sacked)
		sacked = calloc(MOST, 1);
	if (!sacked)
		exit(2);
	for (; news_seen < news_count && news[news_seen].ns + SLACK_NS <= s->ns; news_seen++) {
		const struct news *n = &news[news_seen];

		if (!n->from && n->to > una)
			una = n->to;
		for (i = n->from; n->from && i < n->to && i < MOST; i++)
			sacked[i] = 1;
	}
	if (s->flags & (SYN | RST)) {
		if (s->flags & SYN && s->flags & ACK) {
			edge = s->ack + s->window;
			highest_ack = s->ack;
			any_edge = true;
		}
		return;
	}
	if (s->len) {
		data_out++;
		octets_out += s->len;
		if (s->len + s->options_len > remote.mss)
			violation(MSS, s, "options and data are longer than", remote.mss);
		if (seq < una)
			violation(ACKED, s, "acknowledged up to", una);
		limit = end < next ? end : next;
		if (seq < limit) {
			octets_again += limit - seq;
			for (i = seq; i < limit && i < MOST && sacked[i]; i++)
				;
			if (i == limit && seq >= una)
				violation(SACKED, s, "selectively acknowledged up to", limit);
		} else if (s->len < full && !(s->flags & FIN)) {
			/* Without slack: what came meanwhile, the machine may know. */
			uint32_t known = una;

			for (size_t k = news_seen; k < news_count; k++)
				if (!news[k].from && news[k].to > known)
					known = news[k].to;
			if (small_end > known)
				violation(NAGLE, s, "there is a small one before it, up to", small_end);
			small_end = end;
		}
		if (end > next)
			next = end;
	} else if (!(s->flags & FIN)) {
		pure_acks++;
	}
	right = s->ack + (s->window << local.scale);
	if (any_edge && (int32_t)(s->ack - highest_ack) < 0)
		violation(ACKBACK, s, "there was an ACK of", highest_ack - remote.isn);
	else
		highest_ack = s->ack;
	if (any_edge && (int32_t)(edge - right) >= 1 << local.scale)
		violation(WINDOW, s, "octets that the window shrank:", edge - right);
	/* The furthest one: what is rounded off does not add up. */
	if (!any_edge || (int32_t)(right - edge) > 0)
		edge = right;
	any_edge = true;
}

/* prompt: the oldest octet that came in order and is not acknowledged. */
static uint32_t arrived = 1, acknowledged = 1;
static long long waiting_since;

static void prompt_in(const struct segment *s)
{
	uint32_t seq = s->seq - remote.isn;

	if (!s->len || seq > arrived || seq + s->len <= arrived)
		return;
	if (arrived == acknowledged)
		waiting_since = s->ns;
	arrived = seq + s->len;
}

static void prompt_out(const struct segment *s)
{
	uint32_t ack = s->ack - remote.isn;

	if (s->flags & SYN)
		return;
	if (arrived > acknowledged && s->ns - waiting_since > PROMPT_NS)
		violation(PROMPT, s, "the ACK came after microseconds:", (s->ns - waiting_since) / 1000);
	if (ack > acknowledged) {
		acknowledged = ack;
		if (acknowledged > arrived)
			arrived = acknowledged;
		waiting_since = s->ns;
	}
}

/*
 * Is it dropped, its ACK unread? So is one that is old as a whole (RFC 9293 3.10.7.4), and one whose timestamp is older than
 * that of a segment from before the last ACK sent (RFC 7323 5.3): an ACK that another has overtaken.
 */
static bool is_old(const struct segment *s)
{
	static uint32_t recent;
	static bool any_recent;
	uint32_t seq = s->seq - remote.isn;

	if (!(s->flags & SYN)) {
		if (s->stamped && any_recent && (int32_t)(s->stamp - recent) < 0)
			return true;
		if (s->len ? seq + s->len <= arrived : seq < arrived)
			return true;
	}
	if (s->stamped && seq <= acknowledged) {
		recent = s->stamp;
		any_recent = true;
	}
	return false;
}

static void received(const struct segment *s)
{
	if (s->flags & ACK && local.known && !is_old(s)) {
		learn(s->ns, 0, s->ack - local.isn);
		for (int i = 0; i < s->blocks; i++)
			learn(s->ns, s->block[i][0] - local.isn, s->block[i][1] - local.isn);
	}
	data_in += s->len > 0;
}

static void both(const struct segment *s)
{
	struct side *from = s->out ? &local : &remote;

	if (s->flags & SYN) {
		from->known = true;
		from->isn = s->seq;
		from->scale = s->scale < 0 ? 0 : s->scale;
		from->mss = s->mss ? s->mss : 536;
		/* Scaling is on only when both offer it. */
		if (s->flags & ACK && (s->scale < 0 || !local.known || !remote.known))
			local.scale = remote.scale = 0;
	}
	if (s->out) {
		prompt_out(s);
		sent(s);
	} else {
		received(s);
		prompt_in(s);
	}
}

int main(int argc, char **argv)
{
	struct { uint32_t magic; uint16_t major, minor; uint32_t zone, figures, snap, link; } file;
	struct { uint32_t seconds, fraction, have, len; } packet;
	static uint8_t frame[262144], address[16];
	int family, nano, status = 0;
	FILE *f = argc > 3 ? fopen(argv[1], "rb") : NULL;

	if (!f)
		return fputs("usage: wire_sanity FILE LOCAL PROTOCOL [CHECK..]\n", stderr), 2;
	family = strchr(argv[2], ':') ? AF_INET6 : AF_INET;
	inet_pton(family, argv[2], address);
	for (int i = 4, c; i < argc; i++) {
		for (c = 0; c < CHECKS && strcmp(argv[i], names[c]); c++)
			;
		if (c == CHECKS)
			return fprintf(stderr, "no check is called %s\n", argv[i]), 2;
		wanted[c] = true;
	}
	if (fread(&file, sizeof(file), 1, f) != 1 || (file.magic != 0xa1b2c3d4 && file.magic != 0xa1b23c4d) || file.link != 1)
		return fputs("no pcap file of Ethernet\n", stderr), 2;
	nano = file.magic == 0xa1b23c4d;
	while (fread(&packet, sizeof(packet), 1, f) == 1) {
		struct segment s = { .ns = packet.seconds * 1000000000ll + packet.fraction * (nano ? 1 : 1000ll) };

		if (packet.have > sizeof(frame) || fread(frame, 1, packet.have, f) != packet.have)
			return fputs("the file is cut\n", stderr), 2;
		if (parse(&s, frame, packet.have, atoi(argv[3]), address, family))
			both(&s);
	}
	printf("data segments sent %llu (octets %llu, again %llu), received %llu, pure ACKs sent %llu\n", data_out, octets_out,
	       octets_again, data_in, pure_acks);
	if (!local.known || !remote.known || !(data_out + data_in))
		return puts("no whole connection with data"), 1;
	if (wanted[RATIO] && (data_in < 2 * pure_acks * 3 / 4 || data_in > 2 * pure_acks * 3 / 2)) {
		printf("ratio: %llu ACKs of %llu segments\n", pure_acks, data_in);
		violations[RATIO]++;
	}
	for (int c = 0; c < CHECKS; c++) {
		if (!wanted[c] || !violations[c])
			continue;
		printf("%s: %u violations\n", names[c], violations[c]);
		status = 1;
	}
	return status;
}
