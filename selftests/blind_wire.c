// SPDX-License-Identifier: GPL-2.0
/* blind: segments of any number of peers, to the host and from it. The TUN device is drill's. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "blind.h"
#include "wire.h"

#define FIRST_PORT	20000
#define PORTS		1000	/* of each address */

struct end *ends;
int nends;
bool offer_sack;

static uint8_t host_address[16];

static int address_len(void)
{
	return drill.family == AF_INET ? 4 : 16;
}

static int header_len(void)
{
	return drill.family == AF_INET ? 20 : 40;
}

/* The host's address with a last octet of 2 on: a thousand peers each. */
static void peer_address(int peer, uint8_t *out)
{
	memcpy(out, host_address, address_len());
	out[address_len() - 1] = 2 + peer / PORTS;
}

void wire_open(int peers)
{
	if (peers > 250 * PORTS)
		fail("so many peers have no addresses");
	inet_pton(drill.family, drill.host_addr, host_address);
	nends = peers;
	ends = calloc(peers, sizeof(*ends));
	if (!ends)
		fail("no memory");
	tun_open();
}

/* Writes the IP header of a packet with LEN octets of payload, from a peer to the host, or as the host's own. */
static int ip_header(uint8_t *packet, int proto, int len, int peer, bool from_host)
{
	int header = header_len(), at = drill.family == AF_INET ? 12 : 8;

	memset(packet, 0, header);
	memcpy(packet + at + (from_host ? 0 : address_len()), host_address, address_len());
	peer_address(peer, packet + at + (from_host ? address_len() : 0));
	if (drill.family == AF_INET) {
		packet[0] = 0x45;
		put16(packet + 2, header + len);
		packet[8] = 64;
		packet[9] = proto;
		put16(packet + 10, fold(sum(0, packet, header)));
	} else {
		packet[0] = 0x60;
		put16(packet + 4, len);
		packet[6] = proto;
		packet[7] = 64;
	}
	return header;
}

static uint16_t checksum(const uint8_t *packet, int proto, const uint8_t *data, int len)
{
	int at = drill.family == AF_INET ? 12 : 8;

	return fold(sum(sum(proto + len, packet + at, 2 * address_len()), data, len));
}

/* Writes the options, and returns how many octets they take. */
static int put_options(uint8_t *option, const struct out *what)
{
	/* An MSS, and a window scale of 0 so that the host may use its own; SACK is permitted. */
	static const uint8_t of_syn[12] = { 2, 4, 1460 >> 8, 1460 & 0xff, 3, 3, 0, 1, 4, 2, 1, 1 };
	static const uint8_t of_sack[4] = { 1, 1, 5, 10 };

	if (what->flags & SYN) {
		memcpy(option, of_syn, sizeof(of_syn));
		return offer_sack ? 12 : 8;
	}
	if (what->sack_left == what->sack_right)
		return 0;
	memcpy(option, of_sack, sizeof(of_sack));
	put32(option + 4, what->sack_left);
	put32(option + 8, what->sack_right);
	return 12;
}

void say(struct end *e, const struct out *what)
{
	uint8_t packet[MAX_PACKET] = {}, *tcp = packet + header_len();
	int peer = e - ends, opt = put_options(tcp + 20, what), len = 20 + opt + what->len;

	put16(tcp, FIRST_PORT + peer % PORTS);
	put16(tcp + 2, drill.port);
	put32(tcp + 4, what->seq);
	put32(tcp + 8, what->ack);
	tcp[12] = (20 + opt) / 4 << 4;
	tcp[13] = what->flags;
	put16(tcp + 14, what->window);
	memset(tcp + 20 + opt, 'x', what->len);
	ip_header(packet, drill.proto, len, peer, false);
	put16(tcp + 16, checksum(packet, drill.proto, tcp, len));
	tun_send(packet, header_len() + len);
}

/* An ICMP error about the host's segment with that number. */
void say_icmp(struct end *e, uint8_t type, uint8_t code, uint32_t mtu, uint32_t quoted_seq)
{
	int peer = e - ends, header = header_len(), proto = drill.family == AF_INET ? 1 : 58;
	int len = 8 + header + 20;
	uint8_t packet[MAX_PACKET] = {}, *icmp = packet + header, *quote;

	icmp[0] = type;
	icmp[1] = code;
	put32(icmp + 4, mtu);
	quote = icmp + 8 + ip_header(icmp + 8, drill.proto, 1480, peer, true);
	put16(quote, drill.port);
	put16(quote + 2, FIRST_PORT + peer % PORTS);
	put32(quote + 4, quoted_seq);
	quote[12] = 5 << 4;
	ip_header(packet, proto, len, peer, false);
	put16(icmp + 2, drill.family == AF_INET ? fold(sum(0, icmp, len)) : checksum(packet, proto, icmp, len));
	tun_send(packet, header + len);
}

/* The scale that a SYN's options name. */
static uint8_t scale_of(const uint8_t *option, int len)
{
	int i = 0;

	while (i < len && option[i]) {
		if (option[i] == 3 && i + 2 < len)
			return option[i + 2];
		if (option[i] != 1 && (i + 1 >= len || option[i + 1] < 2))
			break;
		i += option[i] == 1 ? 1 : option[i + 1];
	}
	return 0;
}

/* drill_tun.c hands over each packet that the host sent. */
void parse_packet(const uint8_t *packet, int len)
{
	int header = header_len(), at = drill.family == AF_INET ? 16 : 24, offset, peer;
	const uint8_t *tcp = packet + header;
	struct end *e;
	uint32_t seq;

	if (len < header + 20 || packet[0] >> 4 != (drill.family == AF_INET ? 4 : 6) ||
	    packet[drill.family == AF_INET ? 9 : 6] != drill.proto || get16(tcp) != drill.port)
		return;
	peer = (packet[at + address_len() - 1] - 2) * PORTS + get16(tcp + 2) - FIRST_PORT;
	offset = (tcp[12] >> 4) * 4;
	if (peer < 0 || peer >= nends || offset < 20 || header + offset > len)
		return;
	e = &ends[peer];
	e->segments++;
	if (tcp[13] & RST) {
		e->resets++;
		return;
	}
	seq = get32(tcp + 4);
	if (tcp[13] & SYN) {
		if (!e->answered)
			e->host_nxt = seq;
		e->host_isn = seq;
		e->answered = true;
		e->scale = scale_of(tcp + 20, offset - 20);
	}
	len -= header + offset;
	if (len > e->largest)
		e->largest = len;
	seq += len + !!(tcp[13] & SYN) + !!(tcp[13] & FIN);
	if ((int32_t)(seq - e->host_nxt) > 0)
		e->host_nxt = seq;
	e->host_ack = get32(tcp + 8);
	e->window = (uint32_t)get16(tcp + 14) << (tcp[13] & SYN ? 0 : e->scale);
}

void listen_to_wire(uint64_t us)
{
	uint64_t deadline = now_us() + us;

	do
		pump(deadline, -1, 0);
	while (now_us() < deadline);
}
