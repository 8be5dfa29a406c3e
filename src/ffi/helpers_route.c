// SPDX-License-Identifier: GPL-2.0
/* The kernel's inline functions and macros of routes and of IP's output, callable from Rust. No logic lives here. */
#include "helpers_net.h"
#include <net/dst.h>
#include <net/ip6_route.h>

/* Do rules or security policies choose the way, which may look at the source and the ports? */
static bool way_is_ruled(const struct sock *sk)
{
	const struct net *net = sock_net(sk);

#ifdef CONFIG_IP_MULTIPLE_TABLES
	if (READ_ONCE(net->ipv4.fib_has_custom_rules))
		return true;
#endif
#ifdef CONFIG_XFRM
	if (READ_ONCE(net->xfrm.policy_count[XFRM_POLICY_OUT]) ||
	    rcu_access_pointer(sk->sk_policy[XFRM_POLICY_OUT]))
		return true;
#endif
	return false;
}
/* Does the way of an IPv4 connection depend on its ports? */
static bool way_is_by_ports(const struct sock *sk)
{
#ifdef CONFIG_IP_ROUTE_MULTIPATH
	if (READ_ONCE(sock_net(sk)->ipv4.sysctl_fib_multipath_hash_policy))
		return true;
#endif
	return way_is_ruled(sk);
}
__rust_helper struct dst_entry *rtcpfsm_route_v4(struct net *net, const struct sock *sk, __be32 saddr, __be32 daddr,
				   __be16 sport, __be16 dport, int oif, u32 mark, u8 proto)
{
	struct flowi4 fl4;
	struct rtable *rt;

	flowi4_init_output(&fl4, oif, mark, sk ? ip_sock_rt_tos(sk) : 0, RT_SCOPE_UNIVERSE, proto,
			   sk ? inet_sk_flowi_flags(sk) : FLOWI_FLAG_ANYSRC, daddr, saddr, dport, sport,
			   sock_net_uid(net, sk));
	rt = ip_route_output_flow(net, &fl4, sk);
	return IS_ERR(rt) ? ERR_CAST(rt) : &rt->dst;
}
__rust_helper struct dst_entry *rtcpfsm_route_v6(struct net *net, const struct sock *sk, const struct in6_addr *saddr,
				   const struct in6_addr *daddr, __be16 sport, __be16 dport, int oif, u32 mark, u8 proto)
{
	struct flowi6 fl6 = {
		.flowi6_proto = proto, .flowi6_oif = oif, .flowi6_mark = mark,
		.saddr = *saddr, .daddr = *daddr, .fl6_sport = sport, .fl6_dport = dport, .flowi6_uid = sock_net_uid(net, sk),
	};
	struct dst_entry *dst;
	int error;

	if (!oif)
		return ip6_dst_lookup_flow(net, sk, &fl6, NULL);
	/* Without a socket that is bound to it, that function takes the interface for no more than a wish. */
	dst = ip6_route_output_flags(net, sk, &fl6, RT6_LOOKUP_F_IFACE);
	error = dst->error;
	if (error) {
		dst_release(dst);
		return ERR_PTR(error);
	}
	return xfrm_lookup_route(net, dst, flowi6_to_flowi(&fl6), sk, 0);
}
/* The packet is this socket's for those who look at it on its way; it holds it, but takes none of its memory. */
static struct sock *owner_of(struct sk_buff *skb, struct sock *sk)
{
	return skb_set_owner_sk_safe(skb, sk) ? sk : NULL;
}
__rust_helper int rtcpfsm_send_v4(struct net *net, struct sock *sk, struct sk_buff *skb, struct dst_entry *dst, __be32 saddr,
		    __be32 daddr, const struct rtcpfsm_fields *fields, u8 proto)
{
	struct iphdr *iph = skb_push(skb, sizeof(*iph));

	skb_reset_network_header(skb);
	iph->version = 4;
	iph->ihl = 5;
	iph->tos = fields->tclass;
	iph->frag_off = htons(IP_DF);
	iph->ttl = fields->hops < 0 ? ip4_dst_hoplimit(dst) : fields->hops;
	iph->protocol = proto;
	iph->saddr = saddr;
	iph->daddr = daddr;
	/* An atomic datagram (RFC 6864 4.1): its ID means nothing. */
	iph->id = 0;
	skb->protocol = htons(ETH_P_IP);
	skb->mark = fields->mark;
	skb->priority = fields->priority;
	skb_dst_set(skb, dst);
	return ip_local_out(net, owner_of(skb, sk), skb);
}
__rust_helper int rtcpfsm_send_v6(struct net *net, struct sock *sk, struct sk_buff *skb, struct dst_entry *dst,
		    const struct in6_addr *saddr, const struct in6_addr *daddr, const struct rtcpfsm_fields *fields,
		    u8 proto)
{
	struct ipv6hdr *ip6h = skb_push(skb, sizeof(*ip6h));

	skb_reset_network_header(skb);
	ip6_flow_hdr(ip6h, fields->tclass, 0);
	ip6h->payload_len = htons(skb->len - sizeof(*ip6h));
	ip6h->nexthdr = proto;
	ip6h->hop_limit = fields->hops < 0 ? ip6_dst_hoplimit(dst) : fields->hops;
	ip6h->saddr = *saddr;
	ip6h->daddr = *daddr;
	skb->protocol = htons(ETH_P_IPV6);
	skb->mark = fields->mark;
	skb->priority = fields->priority;
	skb_dst_set(skb, dst);
	return ip6_local_out(net, owner_of(skb, sk), skb);
}
__rust_helper void rtcpfsm_ip_fields(const struct sock *sk, bool v4, struct rtcpfsm_fields *fields)
{
	fields->tclass = v4 ? READ_ONCE(inet_sk(sk)->tos) : READ_ONCE(inet6_sk(sk)->tclass);
	fields->hops = v4 ? READ_ONCE(inet_sk(sk)->uc_ttl) : READ_ONCE(inet6_sk(sk)->hop_limit);
	fields->priority = READ_ONCE(sk->sk_priority);
}
/* The mark of an answer to a packet with this one, 0: that of whoever answers. */
__rust_helper u32 rtcpfsm_reply_mark(const struct net *net, bool v4, u32 mark)
{
	return v4 ? IP4_REPLY_MARK(net, mark) : IP6_REPLY_MARK(net, mark);
}
__rust_helper u32 rtcpfsm_dst_mtu(const struct dst_entry *dst) { return dst_mtu(dst); }
__rust_helper void rtcpfsm_dst_release(struct dst_entry *dst) { dst_release(dst); }
/* A reference of an IPv4 way of a SYN-ACK, for a connection that is to go it; NULL: rules may have come to choose another for it. */
__rust_helper struct dst_entry *rtcpfsm_dst_keep(const struct sock *sk, struct dst_entry *dst)
{
	return way_is_by_ports(sk) ? NULL : dst_clone(dst);
}
/* The connection goes this way, which is given away, if it still is one; else output finds another. */
__rust_helper void rtcpfsm_sk_follow(struct sock *sk, struct dst_entry *dst)
{
	if (!dst_check(dst, 0)) {
		dst_release(dst);
		return;
	}
	inet_sk_init_flowi4(inet_sk(sk), &inet_sk(sk)->cork.fl.u.ip4);
	sk_setup_caps(sk, dst);
}
__rust_helper bool rtcpfsm_dst_is_loopback(const struct dst_entry *dst)
{
	bool loopback;

	rcu_read_lock();
	loopback = dst_dev_rcu(dst)->flags & IFF_LOOPBACK;
	rcu_read_unlock();
	return loopback;
}
/* As ip_route_connect(), which looks for the source and then for the way from there. Without rules that is the way which has just
 * been found, unless it is one of several, chosen by the source, too. */
__rust_helper struct rtable *rtcpfsm_ip_route_connect(struct sock *sk, __be32 daddr, __be16 dport)
{
	struct inet_sock *inet = inet_sk(sk);
	struct flowi4 *fl4 = &inet->cork.fl.u.ip4;

	if (IS_ENABLED(CONFIG_IP_ROUTE_MULTIPATH) || way_is_ruled(sk))
		return ip_route_connect(fl4, daddr, inet->inet_saddr, sk->sk_bound_dev_if, sk->sk_protocol,
					inet->inet_sport, dport, sk);
	ip_route_connect_init(fl4, daddr, inet->inet_saddr, sk->sk_bound_dev_if, sk->sk_protocol, inet->inet_sport,
			      dport, sk);
	security_sk_classify_flow(sk, flowi4_to_flowi_common(fl4));
	return ip_route_output_flow(sock_net(sk), fl4, sk);
}
/* As ip_route_newports(), which looks for the way anew. Without rules ports decide only between several ways, and only if told to. */
__rust_helper struct rtable *rtcpfsm_ip_route_newports(struct sock *sk, struct rtable *rt, __be16 old_sport)
{
	struct inet_sock *inet = inet_sk(sk);
	struct flowi4 *fl4 = &inet->cork.fl.u.ip4;

	if (way_is_by_ports(sk))
		return ip_route_newports(fl4, rt, old_sport, inet->inet_dport, inet->inet_sport, inet->inet_dport, sk);
	fl4->fl4_sport = inet->inet_sport;
	fl4->fl4_dport = inet->inet_dport;
	return rt;
}
__rust_helper bool rtcpfsm_rt_is_unicast(const struct rtable *rt)
{
	return !(rt->rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST));
}
__rust_helper struct dst_entry *rtcpfsm_ip6_route_connect(struct sock *sk, __be16 dport)
{
	struct inet_sock *inet = inet_sk(sk);
	struct ipv6_pinfo *np = inet6_sk(sk);
	struct flowi6 *fl6 = &inet->cork.fl.u.ip6;
	struct in6_addr *final_p;

	memset(fl6, 0, sizeof(*fl6));
	fl6->flowi6_proto = sk->sk_protocol;
	fl6->daddr = sk->sk_v6_daddr;
	fl6->saddr = ipv6_addr_any(&sk->sk_v6_rcv_saddr) ? np->saddr : sk->sk_v6_rcv_saddr;
	fl6->flowlabel = ip6_make_flowinfo(np->tclass, np->flow_label);
	fl6->flowi6_oif = sk->sk_bound_dev_if;
	fl6->flowi6_mark = sk->sk_mark;
	fl6->fl6_dport = dport;
	fl6->fl6_sport = inet->inet_sport;
	fl6->flowi6_uid = sk_uid(sk);
	final_p = fl6_update_dst(fl6, rcu_dereference_protected(np->opt, lockdep_sock_is_held(sk)), &np->final);
	security_sk_classify_flow(sk, flowi6_to_flowi_common(fl6));
	return ip6_dst_lookup_flow(sock_net(sk), sk, fl6, final_p);
}

__rust_helper void rtcpfsm_flow4_addresses(struct sock *sk, __be32 *saddr, __be32 *daddr)
{
	*saddr = inet_sk(sk)->cork.fl.u.ip4.saddr;
	*daddr = inet_sk(sk)->cork.fl.u.ip4.daddr;
}
__rust_helper void rtcpfsm_flow6_source(struct sock *sk, struct in6_addr *saddr) { *saddr = inet_sk(sk)->cork.fl.u.ip6.saddr; }
__rust_helper bool rtcpfsm_linklocal_scope_ok(struct sock *sk, const struct in6_addr *daddr, u32 scope_id)
{
	if (!(ipv6_addr_type(daddr) & IPV6_ADDR_LINKLOCAL))
		return true;
	if (scope_id) {
		if (!sk_dev_equal_l3scope(sk, scope_id))
			return false;
		sk->sk_bound_dev_if = scope_id;
	}
	return sk->sk_bound_dev_if;
}
__rust_helper void rtcpfsm_reset_addresses(struct sock *sk)
{
	struct inet_sock *inet = inet_sk(sk);

	inet->inet_dport = 0;
	inet->inet_daddr = 0;
	sk->sk_v6_daddr = in6addr_any;
	if (sk->sk_userlocks & SOCK_BINDADDR_LOCK)
		return;
	inet->inet_saddr = 0;
	inet->inet_rcv_saddr = 0;
	sk->sk_v6_rcv_saddr = in6addr_any;
	if (sk->sk_family == AF_INET6)
		inet6_sk(sk)->saddr = in6addr_any;
}
__rust_helper struct flowi *rtcpfsm_flow(struct sock *sk) { return &inet_sk(sk)->cork.fl; }
/* The route of a connected socket, found anew where the cached one is stale; as ip_queue_xmit() and inet6_csk_xmit() find it. */
static struct dst_entry *sk_route_v4(struct sock *sk)
{
	struct dst_entry *dst = __sk_dst_check(sk, 0);
	struct flowi4 *fl4 = &inet_sk(sk)->cork.fl.u.ip4;
	struct rtable *rt;

	if (dst)
		return dst;
	inet_sk_init_flowi4(inet_sk(sk), fl4);
	rt = ip_route_output_flow(sock_net(sk), fl4, sk);
	if (IS_ERR(rt))
		return NULL;
	sk_setup_caps(sk, &rt->dst);
	return &rt->dst;
}
static struct dst_entry *sk_route_v6(struct sock *sk)
{
	struct dst_entry *dst = __sk_dst_check(sk, inet6_sk(sk)->dst_cookie);

	if (dst)
		return dst;
	dst = rtcpfsm_ip6_route_connect(sk, inet_sk(sk)->inet_dport);
	if (IS_ERR(dst))
		return NULL;
	ip6_dst_store(sk, dst, false, false);
	inet_sk(sk)->cork.fl.u.ip6.daddr = sk->sk_v6_daddr;
	return dst;
}
__rust_helper void rtcpfsm_sk_update_pmtu(struct sock *sk, bool v6, u32 mtu)
{
	struct dst_entry *dst;

	rcu_read_lock();
	dst = v6 ? sk_route_v6(sk) : sk_route_v4(sk);
	if (dst) {
		dst->ops->update_pmtu(dst, sk, NULL, mtu, true);
		if (v6)
			sk_route_v6(sk);
		else
			sk_route_v4(sk);
	}
	rcu_read_unlock();
}
__rust_helper bool rtcpfsm_sk_accepts_pmtu(const struct sock *sk, bool v6)
{
	if (v6)
		return ip6_sk_accept_pmtu(sk);
	return ip_sk_accept_pmtu(sk) && READ_ONCE(inet_sk(sk)->pmtudisc) != IP_PMTUDISC_DONT;
}
