// SPDX-License-Identifier: GPL-2.0
/* The kernel's inline functions and macros of the socket and packet layers, callable from Rust. No logic lives here. */
#include "helpers_net.h"
#include <linux/filter.h>
#include <linux/jhash.h>
#include <linux/wait.h>
#include <net/addrconf.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/gso.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/transp_v6.h>
#include <net/xfrm.h>

/* ---- sock ---- */
struct net *rtcpfsm_sock_net(const struct sock *sk) { return sock_net(sk); }
void rtcpfsm_lock_sock(struct sock *sk) { lock_sock(sk); }
void rtcpfsm_bh_lock_sock(struct sock *sk) { bh_lock_sock(sk); }
void rtcpfsm_bh_lock_sock_nested(struct sock *sk) { bh_lock_sock_nested(sk); }
void rtcpfsm_bh_unlock_sock(struct sock *sk) { bh_unlock_sock(sk); }
bool rtcpfsm_sock_owned_by_user(const struct sock *sk) { return sock_owned_by_user(sk); }
void rtcpfsm_local_bh_disable(void) { local_bh_disable(); }
void rtcpfsm_local_bh_enable(void) { local_bh_enable(); }
bool rtcpfsm_sock_hold_not_zero(struct sock *sk) { return refcount_inc_not_zero(&sk->sk_refcnt); }
void rtcpfsm_sock_hold(struct sock *sk) { sock_hold(sk); }
void rtcpfsm_sock_put(struct sock *sk) { sock_put(sk); }
int rtcpfsm_sk_add_backlog(struct sock *sk, struct sk_buff *skb, unsigned int limit)
{
	return sk_add_backlog(sk, skb, limit);
}
bool rtcpfsm_sock_flag(const struct sock *sk, int flag) { return sock_flag(sk, flag); }
void rtcpfsm_sock_set_flag(struct sock *sk, int flag) { sock_set_flag(sk, flag); }
void rtcpfsm_sock_reset_flag(struct sock *sk, int flag) { sock_reset_flag(sk, flag); }
void rtcpfsm_sock_orphan(struct sock *sk) { sock_orphan(sk); }
int rtcpfsm_sock_error(struct sock *sk) { return sock_error(sk); }
int rtcpfsm_sk_state_load(const struct sock *sk) { return smp_load_acquire(&sk->sk_state); }
void rtcpfsm_sk_state_store(struct sock *sk, int state) { smp_store_release(&sk->sk_state, state); }
void rtcpfsm_sk_timer_setup(struct sock *sk, void (*function)(struct timer_list *t))
{
	timer_setup(&sk->sk_timer, function, 0);
}
struct timer_list *rtcpfsm_sk_timer(struct sock *sk) { return &sk->sk_timer; }
struct sock *rtcpfsm_sk_of_timer(struct timer_list *t) { return timer_container_of((struct sock *)NULL, t, sk_timer); }
void rtcpfsm_sk_wake_async(const struct sock *sk, int how, int band) { sk_wake_async(sk, how, band); }
int rtcpfsm_sk_wait_event(struct sock *sk, long *timeo, bool (*ready)(struct sock *sk), bool exclusive)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int done;

	if (exclusive)
		add_wait_queue_exclusive(sk_sleep(sk), &wait);
	else
		add_wait_queue(sk_sleep(sk), &wait);
	done = sk_wait_event(sk, timeo, ready(sk), &wait);
	remove_wait_queue(sk_sleep(sk), &wait);
	return done;
}
long rtcpfsm_sock_rcvtimeo(const struct sock *sk, bool noblock) { return sock_rcvtimeo(sk, noblock); }
long rtcpfsm_sock_sndtimeo(const struct sock *sk, bool noblock) { return sock_sndtimeo(sk, noblock); }
int rtcpfsm_sock_rcvlowat(const struct sock *sk, int waitall, int len) { return sock_rcvlowat(sk, waitall, len); }
int rtcpfsm_sock_intr_errno(long timeo) { return sock_intr_errno(timeo); }
bool rtcpfsm_signal_pending(void) { return signal_pending(current); }
bool rtcpfsm_sk_rmem_schedule(struct sock *sk, struct sk_buff *skb, int size) { return sk_rmem_schedule(sk, skb, size); }
int rtcpfsm_sk_rmem_alloc(const struct sock *sk) { return sk_rmem_alloc_get(sk); }
void rtcpfsm_skb_set_owner_r(struct sk_buff *skb, struct sock *sk) { skb_set_owner_r(skb, sk); }
bool rtcpfsm_sk_wmem_schedule(struct sock *sk, int size) { return sk_wmem_schedule(sk, size); }
void rtcpfsm_sk_wmem_queued_add(struct sock *sk, int size) { sk_wmem_queued_add(sk, size); }
void rtcpfsm_sk_mem_charge(struct sock *sk, int size) { sk_mem_charge(sk, size); }
void rtcpfsm_sk_mem_uncharge(struct sock *sk, int size) { sk_mem_uncharge(sk, size); }
void rtcpfsm_sk_mem_reclaim(struct sock *sk) { sk_mem_reclaim(sk); }
void rtcpfsm_sk_mem_reclaim_final(struct sock *sk) { sk_mem_reclaim_final(sk); }
struct page_frag *rtcpfsm_sk_page_frag(struct sock *sk) { return sk_page_frag(sk); }
void rtcpfsm_dst_negative_advice(struct sock *sk) { dst_negative_advice(sk); }
void rtcpfsm_sk_dst_reset(struct sock *sk) { sk_dst_reset(sk); }
/* What the socket's own IP options take of each packet (IP_OPTIONS, IPV6_HOPOPTS and their like). */
static u32 ip_options_len(const struct sock *sk, const struct dst_entry *dst)
{
	const struct ipv6_txoptions *txopt;
	const struct ip_options_rcu *opt;
	u32 len;

	rcu_read_lock();
	if (dst->ops->family == AF_INET6) {
		txopt = rcu_dereference(inet6_sk(sk)->opt);
		len = txopt ? txopt->opt_flen + txopt->opt_nflen : 0;
	} else {
		opt = rcu_dereference(inet_sk(sk)->inet_opt);
		len = opt ? opt->opt.optlen : 0;
	}
	rcu_read_unlock();
	return len;
}
u32 rtcpfsm_sk_dst_mtu(struct sock *sk)
{
	struct dst_entry *dst = __sk_dst_get(sk);
	u32 options, mtu;

	if (!dst)
		return 0;
	options = ip_options_len(sk, dst);
	mtu = dst_mtu(dst);
	/* IPv6 extension headers may be longer than what the path takes; 0 would mean that there is no path. */
	return mtu > options ? mtu - options : 1;
}
bool rtcpfsm_sk_dst_is_loopback(const struct sock *sk)
{
	struct dst_entry *dst = __sk_dst_get(sk);

	return dst && rtcpfsm_dst_is_loopback(dst);
}
void rtcpfsm_ip6_dst_store(struct sock *sk, struct dst_entry *dst) { ip6_dst_store(sk, dst, false, false); }
u32 rtcpfsm_sk_uid_value(const struct sock *sk) { return from_kuid_munged(current_user_ns(), sk_uid(sk)); }
unsigned long rtcpfsm_sk_inode(struct sock *sk) { return sock_i_ino(sk); }
bool rtcpfsm_ipv6_only(const struct sock *sk) { return ipv6_only_sock(sk); }
bool rtcpfsm_sock_nonblocking(const struct socket *sock) { return sock->file->f_flags & O_NONBLOCK; }
void rtcpfsm_sock_poll_wait(struct file *file, struct socket *sock, poll_table *wait) { sock_poll_wait(file, sock, wait); }
void rtcpfsm_sk_set_async_nospace(struct sock *sk)
{
	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	smp_mb__after_atomic();
}
void rtcpfsm_sk_nospace_done(struct sock *sk)
{
	if (sk->sk_socket && test_bit(SOCK_NOSPACE, &sk->sk_socket->flags))
		sk->sk_write_space(sk);
}
bool rtcpfsm_port_needs_privilege(struct net *net, u16 port)
{
	return inet_port_requires_bind_service(net, port) && !ns_capable(net->user_ns, CAP_NET_BIND_SERVICE);
}
void rtcpfsm_xfrm_sk_free_policy(struct sock *sk) { xfrm_sk_free_policy(sk); }
struct ipv6_pinfo *rtcpfsm_inet6_sk(const struct sock *sk) { return inet6_sk(sk); }
void rtcpfsm_inet_id_random(struct sock *sk) { atomic_set(&inet_sk(sk)->inet_id, get_random_u16()); }
bool rtcpfsm_local_port_reserved(struct net *net, u16 port) { return inet_is_local_reserved_port(net, port); }
bool rtcpfsm_same_bind_dev(const struct sock *sk, int dif, int sdif)
{
	return inet_sk_bound_dev_eq(sock_net(sk), READ_ONCE(sk->sk_bound_dev_if), dif, sdif);
}

__be32 rtcpfsm_rcv_saddr(const struct inet_sock *inet) { return inet->inet_rcv_saddr; }
void rtcpfsm_forget_num(struct inet_sock *inet) { inet->inet_num = 0; }
void rtcpfsm_sockets_allocated_inc(struct sock *sk) { sk_sockets_allocated_inc(sk); }
void rtcpfsm_sockets_allocated_dec(struct sock *sk) { sk_sockets_allocated_dec(sk); }
bool rtcpfsm_sk_filter(struct sock *sk, struct sk_buff *skb)
{
	return !rcu_access_pointer(sk->sk_filter) || !sk_filter(sk, skb);
}
u16 rtcpfsm_inet_num(const struct inet_sock *inet) { return inet->inet_num; }
void rtcpfsm_set_ports(struct inet_sock *inet, u16 num, __be16 dport)
{
	inet->inet_num = num;
	inet->inet_sport = htons(num);
	inet->inet_dport = dport;
}
void rtcpfsm_set_addresses(struct sock *sk, const struct in6_addr *local, const struct in6_addr *remote)
{
	struct inet_sock *inet = inet_sk(sk);

	if (ipv6_addr_v4mapped(remote) || ipv6_addr_v4mapped(local)) {
		inet->inet_saddr = local->s6_addr32[3];
		inet->inet_rcv_saddr = local->s6_addr32[3];
		inet->inet_daddr = remote->s6_addr32[3];
	} else {
		inet->inet_saddr = LOOPBACK4_IPV6;
		inet->inet_rcv_saddr = LOOPBACK4_IPV6;
		inet->inet_daddr = LOOPBACK4_IPV6;
	}
	sk->sk_v6_rcv_saddr = *local;
	sk->sk_v6_daddr = *remote;
	if (sk->sk_family == AF_INET6)
		inet6_sk(sk)->saddr = *local;
}

/* ---- skb ---- */
struct sk_buff *rtcpfsm_alloc_skb(unsigned int size, gfp_t gfp) { return alloc_skb(size, gfp); }
void rtcpfsm_skb_reserve(struct sk_buff *skb, int len) { skb_reserve(skb, len); }
void *rtcpfsm_skb_put(struct sk_buff *skb, unsigned int len) { return skb_put(skb, len); }
void *rtcpfsm_skb_push(struct sk_buff *skb, unsigned int len) { return skb_push(skb, len); }
bool rtcpfsm_pskb_may_pull(struct sk_buff *skb, unsigned int len) { return pskb_may_pull(skb, len); }
void *rtcpfsm_skb_pull(struct sk_buff *skb, unsigned int len) { return __skb_pull(skb, len); }
unsigned int rtcpfsm_skb_headlen(const struct sk_buff *skb) { return skb_headlen(skb); }
void rtcpfsm_skb_reset_transport_header(struct sk_buff *skb) { skb_reset_transport_header(skb); }
void *rtcpfsm_skb_network_header(const struct sk_buff *skb) { return skb_network_header(skb); }
void *rtcpfsm_skb_transport_header(const struct sk_buff *skb) { return skb_transport_header(skb); }
bool rtcpfsm_skb_csum_unnecessary(const struct sk_buff *skb) { return skb_csum_unnecessary(skb); }
void rtcpfsm_skb_orphan(struct sk_buff *skb) { skb_orphan(skb); }
void rtcpfsm_skb_dst_drop(struct sk_buff *skb) { skb_dst_drop(skb); }
int rtcpfsm_skb_iif(const struct sk_buff *skb, bool v6) { return v6 ? inet6_iif(skb) : inet_iif(skb); }
int rtcpfsm_skb_sdif(const struct sk_buff *skb, bool v6) { return v6 ? inet6_sdif(skb) : inet_sdif(skb); }
bool rtcpfsm_may_grow_sndbuf(const struct sock *sk)
{
	return !(sk->sk_userlocks & SOCK_SNDBUF_LOCK) && !sk_under_memory_pressure(sk) &&
	       sk_memory_allocated(sk) < sk_prot_mem_limits(sk, 0);
}
void rtcpfsm_ecn_capable(struct sock *sk, bool on) { on ? INET_ECN_xmit(sk) : INET_ECN_dontxmit(sk); }
bool rtcpfsm_skb_to_unicast(const struct sk_buff *skb, bool v6)
{
	return skb->pkt_type == PACKET_HOST &&
	       (v6 ? ipv6_unicast_destination(skb)
		   : !(skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)));
}
void rtcpfsm_skb_queue_tail(struct sk_buff_head *q, struct sk_buff *skb) { __skb_queue_tail(q, skb); }
struct sk_buff *rtcpfsm_skb_dequeue(struct sk_buff_head *q) { return __skb_dequeue(q); }
struct sk_buff *rtcpfsm_skb_peek(const struct sk_buff_head *q) { return skb_peek(q); }
struct sk_buff *rtcpfsm_skb_peek_tail(const struct sk_buff_head *q) { return skb_peek_tail(q); }
struct sk_buff *rtcpfsm_skb_peek_next(struct sk_buff *skb, const struct sk_buff_head *q)
{
	return skb_peek_next(skb, q);
}
struct sk_buff *rtcpfsm_rb_to_skb(struct rb_node *node) { return rb_to_skb(node); }
struct sk_buff *rtcpfsm_skb_rb_first(const struct rb_root *root) { return skb_rb_first(root); }
struct sk_buff *rtcpfsm_skb_rb_last(const struct rb_root *root) { return skb_rb_last(root); }
struct sk_buff *rtcpfsm_skb_rb_next(struct sk_buff *skb) { return skb_rb_next(skb); }
void rtcpfsm_skb_rb_link(struct sk_buff *skb, struct rb_node *parent, struct rb_node **link, struct rb_root *root)
{
	rb_link_node(&skb->rbnode, parent, link);
	rb_insert_color(&skb->rbnode, root);
}
void rtcpfsm_skb_rb_unlink(struct sk_buff *skb, struct rb_root *root)
{
	rb_erase(&skb->rbnode, root);
	skb->dev = NULL;
}
bool rtcpfsm_rcvbuf_is_fixed(const struct sock *sk)
{
	return sk->sk_userlocks & SOCK_RCVBUF_LOCK || sk_under_memory_pressure(sk);
}
bool rtcpfsm_under_memory_pressure(const struct sock *sk) { return sk_under_memory_pressure(sk); }
bool rtcpfsm_memory_is_of_cgroup(const struct sock *sk) { return mem_cgroup_sk_enabled(sk); }
void rtcpfsm_sk_forward_alloc_add(struct sock *sk, int size) { sk_forward_alloc_add(sk, size); }
void rtcpfsm_sk_memory_allocated_add(const struct sock *sk, int pages) { sk_memory_allocated_add(sk, pages); }
struct net *rtcpfsm_init_net(void) { return &init_net; }
void rtcpfsm_sk_rmem_add(struct sock *sk, int size)
{
	atomic_add(size, &sk->sk_rmem_alloc);
	sk_mem_charge(sk, size);
}
int rtcpfsm_pskb_trim(struct sk_buff *skb, unsigned int len) { return pskb_trim(skb, len); }
unsigned int rtcpfsm_skb_nr_frags(const struct sk_buff *skb) { return skb_shinfo(skb)->nr_frags; }
struct page *rtcpfsm_skb_frag_page(const struct sk_buff *skb, unsigned int i)
{
	return skb_frag_page(&skb_shinfo(skb)->frags[i]);
}
unsigned int rtcpfsm_skb_frag_off(const struct sk_buff *skb, unsigned int i)
{
	return skb_frag_off(&skb_shinfo(skb)->frags[i]);
}
unsigned int rtcpfsm_skb_frag_size(const struct sk_buff *skb, unsigned int i)
{
	return skb_frag_size(&skb_shinfo(skb)->frags[i]);
}
bool rtcpfsm_skb_add_frag(struct sk_buff *skb, struct page *page, unsigned int off, unsigned int len)
{
	int i = skb_shinfo(skb)->nr_frags;

	if (skb_can_coalesce(skb, i, page, off)) {
		skb_frag_size_add(&skb_shinfo(skb)->frags[i - 1], len);
	} else {
		if (i >= MAX_SKB_FRAGS)
			return false;
		get_page(page);
		skb_fill_page_desc(skb, i, page, off, len);
	}
	skb_len_add(skb, len);
	return true;
}
void rtcpfsm_skb_mark_shared_frag(struct sk_buff *skb) { skb_shinfo(skb)->flags |= SKBFL_SHARED_FRAG; }
void rtcpfsm_skb_inherit_shared_frag(struct sk_buff *to, const struct sk_buff *from)
{
	skb_shinfo(to)->flags |= skb_shinfo(from)->flags & SKBFL_SHARED_FRAG;
}
void rtcpfsm_skb_needs_no_sum(struct sk_buff *skb) { skb->ip_summed = CHECKSUM_UNNECESSARY; }
/* In one piece, as skb_copy_to_page_nocache(): sk_page_frag_refill() takes no high memory. */
size_t rtcpfsm_copy_to_page_frag(struct page *page, size_t off, size_t len, struct iov_iter *i)
{
	return copy_from_iter(page_address(page) + off, len, i);
}
bool rtcpfsm_skb_checksum_ok_v4(struct sk_buff *skb, u32 len, u8 proto)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (skb_csum_unnecessary(skb) || skb->ip_summed == CHECKSUM_PARTIAL)
		return true;
	return !csum_tcpudp_magic(iph->saddr, iph->daddr, len, proto, skb_checksum(skb, 0, len, 0));
}
bool rtcpfsm_skb_checksum_ok_v6(struct sk_buff *skb, u32 len, u8 proto)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);

	if (skb_csum_unnecessary(skb) || skb->ip_summed == CHECKSUM_PARTIAL)
		return true;
	return !csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, len, proto, skb_checksum(skb, 0, len, 0));
}
static void checksum_finish(struct sk_buff *skb, __sum16 pseudo, bool partial)
{
	struct tcphdr *th = (struct tcphdr *)skb->data;

	if (partial) {
		th->check = ~pseudo;
		skb->ip_summed = CHECKSUM_PARTIAL;
		skb->csum_start = skb_transport_header(skb) - skb->head;
		skb->csum_offset = offsetof(struct tcphdr, check);
	} else {
		th->check = pseudo;
		skb->ip_summed = CHECKSUM_NONE;
	}
}
/* What others may write to is copied first, as by skb_checksum_help(): the sum must fit what is sent. */
static bool checksum_of(struct sk_buff *skb, bool partial, __wsum *sum)
{
	if (!partial && skb_has_shared_frag(skb) && __skb_linearize(skb))
		return false;
	*sum = partial ? 0 : skb_checksum(skb, 0, skb->len, 0);
	return true;
}
bool rtcpfsm_skb_checksum_set_v4(struct sk_buff *skb, __be32 saddr, __be32 daddr, u8 proto, bool partial)
{
	__wsum sum;

	if (!checksum_of(skb, partial, &sum))
		return false;
	checksum_finish(skb, csum_tcpudp_magic(saddr, daddr, skb->len, proto, sum), partial);
	return true;
}
bool rtcpfsm_skb_checksum_set_v6(struct sk_buff *skb, const struct in6_addr *saddr,
				 const struct in6_addr *daddr, u8 proto, bool partial)
{
	__wsum sum;

	if (!checksum_of(skb, partial, &sum))
		return false;
	checksum_finish(skb, csum_ipv6_magic(saddr, daddr, skb->len, proto, sum), partial);
	return true;
}
bool rtcpfsm_xfrm_policy_check(struct sock *sk, struct sk_buff *skb, bool v6)
{
	return v6 ? xfrm6_policy_check(sk, XFRM_POLICY_IN, skb) : xfrm4_policy_check(sk, XFRM_POLICY_IN, skb);
}
void rtcpfsm_nf_reset_ct(struct sk_buff *skb) { nf_reset_ct(skb); }
void rtcpfsm_skb_set_gso(struct sk_buff *skb, u32 type, u16 size, u16 segs)
{
	skb_shinfo(skb)->gso_type = type;
	skb_shinfo(skb)->gso_size = size;
	skb_shinfo(skb)->gso_segs = segs;
}
u32 rtcpfsm_skb_gso_type(const struct sk_buff *skb) { return skb_shinfo(skb)->gso_type; }
u16 rtcpfsm_skb_gso_size(const struct sk_buff *skb) { return skb_shinfo(skb)->gso_size; }
bool rtcpfsm_skb_gso_ok(struct sk_buff *skb, u64 features) { return skb_gso_ok(skb, features); }
void rtcpfsm_skb_segment_checksum(struct sk_buff *skb, __sum16 pseudo)
{
	struct tcphdr *th = tcp_hdr(skb);
	__wsum rest = ~(__force __wsum)pseudo;

	th->check = pseudo;
	if (skb->ip_summed == CHECKSUM_PARTIAL)
		gso_reset_checksum(skb, rest);
	else
		th->check = gso_make_checksum(skb, rest);
}
void rtcpfsm_put_page(struct page *page) { put_page(page); }
u32 rtcpfsm_skb_mark(const struct sk_buff *skb) { return skb->mark; }
struct net *rtcpfsm_skb_net(const struct sk_buff *skb) { return dev_net_rcu(skb->dev); }

/* ---- route and output without a socket ---- */
struct dst_entry *rtcpfsm_route_v4(struct net *net, const struct sock *sk, __be32 saddr, __be32 daddr,
				   int oif, u32 mark, u8 proto)
{
	struct flowi4 fl4;
	struct rtable *rt;

	flowi4_init_output(&fl4, oif, mark, sk ? ip_sock_rt_tos(sk) : 0, RT_SCOPE_UNIVERSE, proto,
			   sk ? inet_sk_flowi_flags(sk) : FLOWI_FLAG_ANYSRC, daddr, saddr, 0, 0,
			   sock_net_uid(net, sk));
	rt = ip_route_output_flow(net, &fl4, sk);
	return IS_ERR(rt) ? ERR_CAST(rt) : &rt->dst;
}
struct dst_entry *rtcpfsm_route_v6(struct net *net, const struct sock *sk, const struct in6_addr *saddr,
				   const struct in6_addr *daddr, int oif, u32 mark, u8 proto)
{
	struct flowi6 fl6 = {
		.flowi6_proto = proto, .flowi6_oif = oif, .flowi6_mark = mark,
		.saddr = *saddr, .daddr = *daddr, .flowi6_uid = sock_net_uid(net, sk),
	};

	return ip6_dst_lookup_flow(net, sk, &fl6, NULL);
}
int rtcpfsm_send_v4(struct net *net, struct sk_buff *skb, struct dst_entry *dst, __be32 saddr,
		    __be32 daddr, u8 tos, int ttl, u8 proto)
{
	struct iphdr *iph = skb_push(skb, sizeof(*iph));

	skb_reset_network_header(skb);
	iph->version = 4;
	iph->ihl = 5;
	iph->tos = tos;
	iph->frag_off = htons(IP_DF);
	iph->ttl = ttl < 0 ? ip4_dst_hoplimit(dst) : ttl;
	iph->protocol = proto;
	iph->saddr = saddr;
	iph->daddr = daddr;
	/* An atomic datagram (RFC 6864 4.1): its ID means nothing. */
	iph->id = 0;
	skb->protocol = htons(ETH_P_IP);
	skb_dst_set(skb, dst);
	return ip_local_out(net, NULL, skb);
}
int rtcpfsm_send_v6(struct net *net, struct sk_buff *skb, struct dst_entry *dst,
		    const struct in6_addr *saddr, const struct in6_addr *daddr, u8 tclass, int hops, u8 proto)
{
	struct ipv6hdr *ip6h = skb_push(skb, sizeof(*ip6h));

	skb_reset_network_header(skb);
	ip6_flow_hdr(ip6h, tclass, 0);
	ip6h->payload_len = htons(skb->len - sizeof(*ip6h));
	ip6h->nexthdr = proto;
	ip6h->hop_limit = hops < 0 ? ip6_dst_hoplimit(dst) : hops;
	ip6h->saddr = *saddr;
	ip6h->daddr = *daddr;
	skb->protocol = htons(ETH_P_IPV6);
	skb_dst_set(skb, dst);
	return ip6_local_out(net, NULL, skb);
}
void rtcpfsm_ip_fields(const struct sock *sk, bool v4, u8 *tclass, int *hops)
{
	*tclass = v4 ? READ_ONCE(inet_sk(sk)->tos) : READ_ONCE(inet6_sk(sk)->tclass);
	*hops = v4 ? READ_ONCE(inet_sk(sk)->uc_ttl) : READ_ONCE(inet6_sk(sk)->hop_limit);
}
u32 rtcpfsm_dst_mtu(const struct dst_entry *dst) { return dst_mtu(dst); }
void rtcpfsm_dst_release(struct dst_entry *dst) { dst_release(dst); }
bool rtcpfsm_dst_is_loopback(const struct dst_entry *dst)
{
	bool loopback;

	rcu_read_lock();
	loopback = dst_dev_rcu(dst)->flags & IFF_LOOPBACK;
	rcu_read_unlock();
	return loopback;
}
struct rtable *rtcpfsm_ip_route_connect(struct sock *sk, __be32 daddr, __be16 dport)
{
	struct inet_sock *inet = inet_sk(sk);

	return ip_route_connect(&inet->cork.fl.u.ip4, daddr, inet->inet_saddr, sk->sk_bound_dev_if,
				sk->sk_protocol, inet->inet_sport, dport, sk);
}
struct rtable *rtcpfsm_ip_route_newports(struct sock *sk, struct rtable *rt, __be16 old_sport)
{
	struct inet_sock *inet = inet_sk(sk);

	return ip_route_newports(&inet->cork.fl.u.ip4, rt, old_sport, inet->inet_dport, inet->inet_sport,
				 inet->inet_dport, sk);
}
bool rtcpfsm_rt_is_unicast(const struct rtable *rt)
{
	return !(rt->rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST));
}
struct dst_entry *rtcpfsm_ip6_route_connect(struct sock *sk, __be16 dport)
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
bool rtcpfsm_source_is_valid_v4(__be32 saddr)
{
	return !ipv4_is_multicast(saddr) && !ipv4_is_lbcast(saddr) && !ipv4_is_zeronet(saddr);
}

void rtcpfsm_flow4_addresses(struct sock *sk, __be32 *saddr, __be32 *daddr)
{
	*saddr = inet_sk(sk)->cork.fl.u.ip4.saddr;
	*daddr = inet_sk(sk)->cork.fl.u.ip4.daddr;
}
void rtcpfsm_flow6_source(struct sock *sk, struct in6_addr *saddr) { *saddr = inet_sk(sk)->cork.fl.u.ip6.saddr; }
bool rtcpfsm_linklocal_scope_ok(struct sock *sk, const struct in6_addr *daddr, u32 scope_id)
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
void rtcpfsm_reset_addresses(struct sock *sk)
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
struct flowi *rtcpfsm_flow(struct sock *sk) { return &inet_sk(sk)->cork.fl; }
int __percpu *rtcpfsm_alloc_percpu_int(void) { return alloc_percpu(int); }
void rtcpfsm_free_percpu_int(int __percpu *p) { free_percpu(p); }
int rtcpfsm_percpu_counter_init(struct percpu_counter *c) { return percpu_counter_init(c, 0, GFP_KERNEL); }
void rtcpfsm_percpu_counter_destroy(struct percpu_counter *c) { percpu_counter_destroy(c); }
void rtcpfsm_child_init(struct sock *child, u16 num, __be16 dport, int device)
{
	struct inet_sock *inet = inet_sk(child);

	rtcpfsm_set_ports(inet, num, dport);
	child->sk_bound_dev_if = device;
	sock_reset_flag(child, SOCK_RCU_FREE);
	inet->mc_list = NULL;
	RCU_INIT_POINTER(inet->inet_opt, NULL);
	inet->ipv6_fl_list = NULL;
	atomic64_set(&child->sk_cookie, 0);
	atomic_set(&inet->inet_id, get_random_u16());
	memset(&inet->cork.fl, 0, sizeof(inet->cork.fl));
	child->sk_frag.page = NULL;
	child->sk_frag.offset = 0;
}
void rtcpfsm_child_init_v6(struct sock *child, const struct sock *listener, struct ipv6_pinfo *np)
{
	struct ipv6_txoptions *opt;

	inet_sk(child)->pinet6 = np;
	*np = *inet6_sk(listener);
	np->ipv6_mc_list = NULL;
	np->ipv6_ac_list = NULL;
	np->pktoptions = NULL;
	np->rxpmtu = NULL;
	RCU_INIT_POINTER(np->opt, NULL);
	opt = rcu_dereference(inet6_sk(listener)->opt);
	if (opt)
		RCU_INIT_POINTER(np->opt, ipv6_dup_options(child, opt));
}

bool rtcpfsm_recverr(const struct sock *sk)
{
	return sk->sk_family == AF_INET6 ? inet6_test_bit(RECVERR6, sk) : inet_test_bit(RECVERR, sk);
}
bool rtcpfsm_has_error(struct sock *sk)
{
	smp_rmb();
	return READ_ONCE(sk->sk_err) || !skb_queue_empty_lockless(&sk->sk_error_queue);
}
bool rtcpfsm_port_is_locked(const struct sock *sk) { return sk->sk_userlocks & SOCK_BINDPORT_LOCK; }
int rtcpfsm_sk_peek_offset(struct sock *sk, int flags) { return sk_peek_offset(sk, flags); }
void rtcpfsm_sk_peek_offset_fwd(struct sock *sk, int val) { sk_peek_offset_fwd(sk, val); }
void rtcpfsm_sk_peek_offset_bwd(struct sock *sk, int val) { sk_peek_offset_bwd(sk, val); }
void rtcpfsm_icmp_quote(const struct sk_buff *skb, u8 *type, u8 *code, u32 *offset)
{
	*type = icmp_hdr(skb)->type;
	*code = icmp_hdr(skb)->code;
	*offset = ((const struct iphdr *)skb->data)->ihl * 4;
}
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
void rtcpfsm_sk_update_pmtu(struct sock *sk, bool v6, u32 mtu)
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
bool rtcpfsm_sk_accepts_pmtu(const struct sock *sk, bool v6)
{
	if (v6)
		return ip6_sk_accept_pmtu(sk);
	return ip_sk_accept_pmtu(sk) && READ_ONCE(inet_sk(sk)->pmtudisc) != IP_PMTUDISC_DONT;
}

int rtcpfsm_int_from_sockptr(int *to, sockptr_t from) { return copy_from_sockptr(to, from, sizeof(*to)); }
int rtcpfsm_copy_from_sockptr(void *to, sockptr_t from, size_t len) { return copy_from_sockptr(to, from, len); }
long rtcpfsm_text_from_sockptr(char *to, sockptr_t from, size_t max) { return strncpy_from_sockptr(to, from, max); }
int rtcpfsm_option_len(int __user *optlen)
{
	int len;

	if (get_user(len, optlen))
		return -EFAULT;
	return len < 0 ? -EINVAL : len;
}
int rtcpfsm_option_to_user(char __user *optval, int __user *optlen, const void *value, size_t len)
{
	if (put_user((int)len, optlen) || copy_to_user(optval, value, len))
		return -EFAULT;
	return 0;
}

/* ---- hashing ---- */
u32 rtcpfsm_hash(const u64 *local, const u64 *remote, u32 ports, u32 seed)
{
	if (!(local[0] | remote[0]))
		return jhash_3words(local[1] >> 32, remote[1] >> 32, ports, seed);
	return jhash_2words(jhash2((const u32 *)local, 4, seed), ports, jhash2((const u32 *)remote, 4, seed));
}

/* ---- small objects ---- */
struct kmem_cache *rtcpfsm_kmem_cache_create(const char *name, unsigned int size)
{
	return kmem_cache_create(name, size, 0, SLAB_TYPESAFE_BY_RCU | SLAB_HWCACHE_ALIGN, NULL);
}
void rtcpfsm_timer_setup(struct timer_list *t, void (*function)(struct timer_list *t)) { timer_setup(t, function, 0); }
void rtcpfsm_refcount_set_release(refcount_t *r, int n) { refcount_set_release(r, n); }
bool rtcpfsm_refcount_inc_not_zero(refcount_t *r) { return refcount_inc_not_zero(r); }
bool rtcpfsm_refcount_dec_and_test(refcount_t *r) { return refcount_dec_and_test(r); }
