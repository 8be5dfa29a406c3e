/* SPDX-License-Identifier: GPL-2.0 */
/* blind: what its parts share. Its commands are told in blind.c. */
#ifndef BLIND_H
#define BLIND_H

#include "drill.h"

/* A peer of the host: one end of a connection that exists on the wire alone. What the host last said is noted in it. */
struct end {
	uint32_t	isn, nxt;	/* of this end: its first number, and the next one */
	uint32_t	host_isn;	/* of the host's SYN */
	uint32_t	host_nxt;	/* everything before it was sent by the host */
	uint32_t	host_ack;	/* the last acknowledgment */
	uint32_t	window;		/* on offer from there on, octets */
	uint8_t		scale;		/* of the host's windows */
	bool		answered;	/* the host's SYN is here */
	long		segments, resets;	/* so many came */
	int		largest;	/* payload of the largest one, octets */
};

/* What a segment to the host says. */
struct out {
	uint8_t		flags;
	uint32_t	seq, ack;
	uint16_t	window;
	int		len;		/* octets of payload */
	uint32_t	sack_left, sack_right;	/* a block, if they differ */
};

/* blind.c */
extern int listener;
int new_listener(int backlog, int rcvbuf);
void connected(struct end *e, uint16_t window);
int accepted(void);
long counter(const char *kind, const char *name);

/* blind_wire.c */
extern struct end *ends;
extern int nends;
extern bool offer_sack;		/* in the SYNs */
void wire_open(int peers);
void say(struct end *e, const struct out *what);
void say_icmp(struct end *e, uint8_t type, uint8_t code, uint32_t mtu, uint32_t quoted_seq);
void listen_to_wire(uint64_t us);

/* blind_many.c */
void attack_time_wait(int peers);
void attack_accept_queue(int peers, int backlog);
void attack_windows(int peers);
void attack_unread(int peers, const char *kind);
void attack_sacks(int peers);

#endif
