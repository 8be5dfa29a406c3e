// SPDX-License-Identifier: GPL-2.0
/*
 * The peers of bench that are only packets: what they send is written to the TUN device `wire`, which bench.sh has made, so that a
 * packet costs the host what arrives and next to nothing for its sender.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Octets of the largest packet here. */
#define LARGEST 256
/* Floods come from addresses whose answers the host sends to nowhere; single peers from those whose answers come here. */
#define FLOOD_NET 0x0a800000
#define PEER_NET 0x0a400000
/* So many ports has each peer's address. */
#define PEER_PORTS 16
#define UDP_SENDERS 50000
/* Milliseconds: time to send the SYN-ACK again. */
#define ANSWER_WAIT 5000

static int wire = -1;

static void wire_open(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	if (wire >= 0)
		return;
	wire = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	strcpy(ifr.ifr_name, "wire");
	need(wire >= 0 && !ioctl(wire, TUNSETIFF, &ifr), "TUN device wire");
}

/*
 * The checksum as wire.h has it, but two words at a time, which it takes as well, in the order of memory: what the sender costs is
 * measured, too. What does not fill the last is zero.
 */
static uint64_t add(uint64_t sum, const void *data, size_t octets)
{
	uint32_t words;

	for (size_t i = 0; i < octets; i += sizeof(words)) {
		memcpy(&words, (const char *)data + i, sizeof(words));
		sum += words;
	}
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* A packet from this address to the server; what it carries stands behind IP's header, its checksum `check` octets from there. */
static void wire_send(char *packet, int protocol, uint32_t from, size_t payload, size_t check)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tot_len = htons(sizeof(ip) + payload),
		.ttl = 64,
		.protocol = protocol,
		.saddr = htonl(from),
		.daddr = job.server.sin_addr.s_addr,
	};
	uint16_t sum;

	ip.check = fold(add(0, &ip, sizeof(ip)));
	memcpy(packet, &ip, sizeof(ip));
	/* The pseudo header: both addresses, the protocol and the length. */
	sum = fold(add(add(htons(protocol) + htons(payload), &ip.saddr, 8), packet + sizeof(ip), payload));
	memcpy(packet + sizeof(ip) + check, &sum, sizeof(sum));
	need(write(wire, packet, sizeof(ip) + payload) > 0, "wire");
}

/* A segment with its numbers; of a SYN with the option MSS. */
static void wire_segment(uint32_t from, uint16_t source, uint16_t destination, uint32_t seq, uint32_t ack, uint8_t flags)
{
	static const uint8_t mss[4] = { TCPOPT_MAXSEG, TCPOLEN_MAXSEG, 1460 >> 8, 1460 & 0xff };
	size_t options = flags & TH_SYN ? sizeof(mss) : 0;
	char packet[LARGEST] = { 0 };
	struct tcphdr tcp = {
		.th_sport = htons(source),
		.th_dport = htons(destination),
		.th_seq = htonl(seq),
		.th_ack = htonl(ack),
		.th_off = (sizeof(tcp) + options) / 4,
		.th_flags = flags,
		.th_win = htons(65535),
	};

	memcpy(packet + sizeof(struct iphdr), &tcp, sizeof(tcp));
	memcpy(packet + sizeof(struct iphdr) + sizeof(tcp), mss, options);
	wire_send(packet, job.protocol, from, sizeof(tcp) + options, offsetof(struct tcphdr, th_sum));
}

/* The next segment that the host sends to peers, within so many milliseconds; false: there is none. */
static bool wire_receive(struct tcphdr *tcp, int wait)
{
	struct pollfd readable = { wire, POLLIN, 0 };
	char packet[LARGEST];
	struct iphdr ip;
	ssize_t got;

	for (;;) {
		got = read(wire, packet, sizeof(packet));
		if (got < 0) {
			need(errno == EAGAIN, "wire");
			if (poll(&readable, 1, wait) == 0)
				return false;
			continue;
		}
		if (got < (ssize_t)(sizeof(ip) + sizeof(*tcp)))
			continue;
		memcpy(&ip, packet, sizeof(ip));
		/* The kernel itself asks for IPv6 routers there. */
		if (ip.version != 4 || ip.protocol != job.protocol)
			continue;
		memcpy(tcp, packet + ip.ihl * 4, sizeof(*tcp));
		return true;
	}
}

void forge_syns(uint32_t first, long count)
{
	wire_open();
	for (long i = 0; i < count; i++)
		wire_segment(FLOOD_NET + (first + i) % 0x800000, 1024 + (first + i) % 50000, ntohs(job.server.sin_port),
			     (first + i) * 64, 0, TH_SYN);
}

uint32_t peer_connects(uint32_t peer, uint16_t port)
{
	uint32_t address = PEER_NET + peer / PEER_PORTS, seq = peer * 64;
	uint16_t source = 1024 + peer % PEER_PORTS;
	struct tcphdr answer;

	wire_open();
	wire_segment(address, source, port, seq, 0, TH_SYN);
	do {
		if (!wire_receive(&answer, ANSWER_WAIT))
			errx(1, "no SYN-ACK for peer %u", peer);
	} while (answer.th_flags != (TH_SYN | TH_ACK) || answer.th_sport != htons(port) || answer.th_dport != htons(source));
	peer_acknowledges(peer, port, ntohl(answer.th_seq) + 1);
	return ntohl(answer.th_seq) + 1;
}

void peer_acknowledges(uint32_t peer, uint16_t port, uint32_t ack)
{
	wire_segment(PEER_NET + peer / PEER_PORTS, 1024 + peer % PEER_PORTS, port, peer * 64 + 1, ack, TH_ACK);
}

bool peers_were_answered(void)
{
	struct tcphdr answer;

	return wire_receive(&answer, 0);
}

/* The floor of what is but packets for a connection: such datagrams, for a socket whose filter takes none. */
void wire_floor(void)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { 1, &nothing };
	int to = socket(AF_INET, SOCK_DGRAM, 0);
	size_t payload = job.size - sizeof(struct iphdr);

	need(to >= 0 && !setsockopt(to, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)), "UDP socket");
	need(!bind(to, (struct sockaddr *)&job.server, sizeof(job.server)), "bind");
	if (job.size < (long)(sizeof(struct iphdr) + sizeof(struct udphdr)) || job.size > LARGEST)
		errx(2, "a packet of %ld octets", job.size);
	wire_open();
	for (long i = -64; i < job.count; i++) {
		struct udphdr udp = {
			.uh_sport = htons(1024 + (uint32_t)i % UDP_SENDERS),
			.uh_dport = job.server.sin_port,
			.uh_ulen = htons(payload),
		};
		char packet[LARGEST] = { 0 };

		if (i == 0)
			measure_begin();
		memcpy(packet + sizeof(struct iphdr), &udp, sizeof(udp));
		wire_send(packet, IPPROTO_UDP, PEER_NET + 1, payload, offsetof(struct udphdr, uh_sum));
	}
	measure_end();
}
