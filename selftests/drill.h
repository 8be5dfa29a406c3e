/* SPDX-License-Identifier: GPL-2.0 */
/* drill: what its parts share. The language of its scripts is told in drill.c. */
#ifndef DRILL_H
#define DRILL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define MS		1000ull		/* microseconds */
#define NPEERS		8
#define MAX_WORDS	32
#define MAX_PACKET	4096

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128 };

/* A segment as it was read from the wire; a list of them waits at each peer. */
struct segment {
	struct segment	*next;
	uint64_t	at;		/* when it was read, microseconds */
	uint32_t	seq, ack;	/* as on the wire */
	uint16_t	win, urg;
	uint8_t		flags;
	uint8_t		tos, ttl;	/* of the IP header */
	bool		bad_checksum;
	uint8_t		optlen;
	uint8_t		opt[40];
	int		len;		/* octets of payload */
	uint8_t		payload[];
};

/* One connection as the script's side sees it. */
struct peer {
	uint16_t	port;
	uint32_t	isn;		/* of the script's side */
	uint32_t	nxt;		/* its next sequence number, absolute */
	bool		known;		/* has the host's ISN been seen? */
	uint32_t	host_isn;
	uint32_t	host_nxt;	/* everything before it was seen */
	uint32_t	tsval;		/* the last timestamp that the host sent */
	struct segment	*first, **last;
};

/* A segment of a script line: to be sent, or expected. Fields without their `has` were left out. */
struct pattern {
	uint8_t		flags;
	bool		has_seq, has_ack, has_win, has_opt, has_time, has_tos, has_ttl;
	int64_t		seq, ack;	/* relative to the ISNs */
	uint32_t	win;
	uint16_t	urg;
	int		tos, ttl;	/* of the IP header; tos is 0 if left out */
	bool		junk;		/* its octets are none of the stream's */
	int		len;
	const char	*opt;		/* text between < and > */
	uint64_t	earliest, latest;	/* microseconds after the start */
	uint64_t	start;		/* 0: the last event */
	/* only to be sent */
	bool		bad_checksum, has_trunc, has_doff;
	int		trunc, doff;
	const char	*from, *to;
};

/* drill.c */
extern struct drill {
	int		proto;
	int		family;		/* on the wire */
	bool		mapped;		/* IPv4 by AF_INET6 sockets */
	uint16_t	port;		/* of the host under test */
	const char	*host_addr, *peer_addr;
	int		mtu;
	int		tun;
	bool		ready;		/* the device is there */
	uint64_t	patience;	/* microseconds to wait for what should come */
	uint64_t	event;		/* when the last thing happened */
	uint64_t	rto;		/* microseconds, as `rto` read it */
	struct peer	peers[NPEERS];
	struct peer	*peer;		/* the one that lines speak of */
} drill;
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *fmt, ...);
long long number(const char *word);
uint64_t now_us(void);

/* drill_tun.c */
void tun_open(void);
void tun_send(const void *packet, size_t len);
bool pump(uint64_t deadline, int fd, short events);

/* drill_wire.c */
void parse_packet(const uint8_t *packet, int len);
void inject(struct pattern *p);
void inject_icmp(char **word, int words);
void expect(struct pattern *p);
void expect_nothing(uint64_t us);
uint8_t parse_flags(const char *word);
const char *leftover(void);
char stream_octet(uint32_t offset);
void renumber(struct peer *peer, uint32_t isn);

/* drill_sock.c */
bool socket_command(char **word, int words, const char *result);
void sockets_abort(void);

/* drill_proc.c */
void proc_start(void);
void proc_finish(void);
void expect_state(const char *state);
void expect_column(const char *name, const char *value);
void expect_count(const char *kind, const char *name, const char *change);
void set_sysctl(const char *name, const char *value);

#endif
