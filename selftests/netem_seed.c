// SPDX-License-Identifier: GPL-2.0
/* Sets the seed of a netem qdisc: iproute2 has `netem seed` since 6.6 only. The qdisc's options are read and given back
 * with the seed added. */
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netem.h"

/* TCA_NETEM_PRNG_SEED of linux/pkt_sched.h, an enum there, since Linux 6.6: older headers lack it. */
#define NETEM_PRNG_SEED 14

struct message {
	struct nlmsghdr header;
	struct tcmsg tc;
	char attributes[4096];
};

static struct rtattr *append(struct message *m, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (void *)((char *)m + NLMSG_ALIGN(m->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

/* The options of the qdisc at the device's root, out of all that the kernel lists; 0 if there is no netem. */
static size_t get_options(int fd, int device, struct tcmsg *tc, void *options, size_t size)
{
	struct message ask = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(ask.tc)), .nlmsg_type = RTM_GETQDISC,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.tc = { .tcm_ifindex = device },
	};
	static char buf[65536];
	size_t found = 0;

	if (send(fd, &ask, ask.header.nlmsg_len, 0) < 0)
		return 0;
	for (;;) {
		int len = recv(fd, buf, sizeof(buf), 0);

		if (len <= 0)
			return 0;
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, (unsigned int)len); h = NLMSG_NEXT(h, len)) {
			struct tcmsg *t = NLMSG_DATA(h);
			struct rtattr *a = TCA_RTA(t), *value = NULL;
			int left = TCA_PAYLOAD(h);
			const char *kind = "";

			if (h->nlmsg_type == NLMSG_DONE)
				return found;
			if (h->nlmsg_type != RTM_NEWQDISC || t->tcm_ifindex != device || t->tcm_parent != TC_H_ROOT)
				continue;
			for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
				if (a->rta_type == TCA_KIND)
					kind = RTA_DATA(a);
				else if (a->rta_type == TCA_OPTIONS)
					value = a;
			}
			if (value && !strcmp(kind, "netem") && RTA_PAYLOAD(value) <= size) {
				found = RTA_PAYLOAD(value);
				memcpy(options, RTA_DATA(value), found);
				*tc = *t;
			}
		}
	}
}

int netem_seed(const char *device, uint64_t seed)
{
	struct message m = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(m.tc)), .nlmsg_type = RTM_NEWQDISC,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
	};
	struct { struct nlmsghdr header; struct nlmsgerr error; char rest[4096]; } reply;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	struct rtattr *nest;
	char options[2048];
	size_t len;

	len = get_options(fd, if_nametoindex(device), &m.tc, options, sizeof(options));
	if (!len) {
		fprintf(stderr, "seed: no netem on %s\n", device);
		return 1;
	}
	append(&m, TCA_KIND, "netem", sizeof("netem"));
	nest = append(&m, TCA_OPTIONS, options, len);
	/* A later attribute of a type stands for an earlier one. */
	append(&m, NETEM_PRNG_SEED, &seed, sizeof(seed));
	nest->rta_len = (char *)&m + m.header.nlmsg_len - (char *)nest;
	if (send(fd, &m, m.header.nlmsg_len, 0) < 0 || recv(fd, &reply, sizeof(reply), 0) < 0 || reply.error.error) {
		fprintf(stderr, "seed: %s: %s\n", device, strerror(-reply.error.error));
		return 1;
	}
	close(fd);
	return 0;
}
