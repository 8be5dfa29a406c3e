// SPDX-License-Identifier: GPL-2.0
/* The kernel's inline functions and macros of packets, callable from Rust. No logic lives here. */
#include "helpers_net.h"
#include <net/addrconf.h>
#include <net/checksum.h>
#include <net/gso.h>
#include <net/ip6_checksum.h>
#include <net/xfrm.h>

__rust_helper struct sk_buff *rtcpfsm_alloc_skb(unsigned int size, gfp_t gfp) { return alloc_skb(size, gfp); }
/* A packet of a send queue, with room for the headers before its octets. What leaves are clones of it, which may write there. */
__rust_helper struct sk_buff *rtcpfsm_alloc_queue_skb(unsigned int headroom, gfp_t gfp)
{
	struct sk_buff *skb = alloc_skb_fclone(headroom, gfp);

	if (skb) {
		skb_reserve(skb, headroom);
		__skb_header_release(skb);
	}
	return skb;
}
__rust_helper bool rtcpfsm_skb_cloned(const struct sk_buff *skb) { return skb_cloned(skb); }
__rust_helper struct sk_buff *rtcpfsm_skb_clone(struct sk_buff *skb, gfp_t gfp) { return skb_clone(skb, gfp); }
__rust_helper void rtcpfsm_skb_reserve(struct sk_buff *skb, int len) { skb_reserve(skb, len); }
__rust_helper void *rtcpfsm_skb_put(struct sk_buff *skb, unsigned int len) { return skb_put(skb, len); }
__rust_helper void *rtcpfsm_skb_push(struct sk_buff *skb, unsigned int len) { return skb_push(skb, len); }
__rust_helper bool rtcpfsm_pskb_may_pull(struct sk_buff *skb, unsigned int len) { return pskb_may_pull(skb, len); }
__rust_helper void rtcpfsm_skb_reset_transport_header(struct sk_buff *skb) { skb_reset_transport_header(skb); }
__rust_helper void rtcpfsm_skb_way_drop(struct sk_buff *skb)
{
	skb_dst_drop(skb);
	secpath_reset(skb);
}
__rust_helper int rtcpfsm_skb_iif(const struct sk_buff *skb, bool v6) { return v6 ? inet6_iif(skb) : inet_iif(skb); }
__rust_helper bool rtcpfsm_skb_to_unicast(const struct sk_buff *skb, bool v6)
{
	return skb->pkt_type == PACKET_HOST &&
	       (v6 ? ipv6_unicast_destination(skb)
		   : !(skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)));
}
__rust_helper struct sk_buff *rtcpfsm_rb_to_skb(struct rb_node *node) { return rb_to_skb(node); }
__rust_helper struct sk_buff *rtcpfsm_skb_rb_first(const struct rb_root *root) { return skb_rb_first(root); }
__rust_helper struct sk_buff *rtcpfsm_skb_rb_last(const struct rb_root *root) { return skb_rb_last(root); }
__rust_helper struct sk_buff *rtcpfsm_skb_rb_next(struct sk_buff *skb) { return skb_rb_next(skb); }
__rust_helper void rtcpfsm_skb_rb_link(struct sk_buff *skb, struct rb_node *parent, struct rb_node **link, struct rb_root *root)
{
	rb_link_node(&skb->rbnode, parent, link);
	rb_insert_color(&skb->rbnode, root);
}
__rust_helper void rtcpfsm_skb_rb_unlink(struct sk_buff *skb, struct rb_root *root)
{
	rb_erase(&skb->rbnode, root);
	skb->dev = NULL;
}
__rust_helper int rtcpfsm_pskb_trim(struct sk_buff *skb, unsigned int len) { return pskb_trim(skb, len); }
__rust_helper bool rtcpfsm_skb_add_frag(struct sk_buff *skb, struct page *page, unsigned int off, unsigned int len)
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
__rust_helper bool rtcpfsm_skb_add_part(struct sk_buff *skb, const struct sk_buff *from, unsigned int i, unsigned int skip,
			  unsigned int len)
{
	const skb_frag_t *frag = &skb_shinfo(from)->frags[i];

	return rtcpfsm_skb_add_frag(skb, skb_frag_page(frag), skb_frag_off(frag) + skip, len);
}
__rust_helper void rtcpfsm_skb_mark_shared_frag(struct sk_buff *skb) { skb_shinfo(skb)->flags |= SKBFL_SHARED_FRAG; }
__rust_helper void rtcpfsm_skb_inherit_shared_frag(struct sk_buff *to, const struct sk_buff *from)
{
	skb_shinfo(to)->flags |= skb_shinfo(from)->flags & SKBFL_SHARED_FRAG;
}
__rust_helper void rtcpfsm_skb_needs_no_sum(struct sk_buff *skb) { skb->ip_summed = CHECKSUM_UNNECESSARY; }
/* In one piece, as skb_copy_to_page_nocache(): sk_page_frag_refill() takes no high memory. */
__rust_helper size_t rtcpfsm_copy_to_page_frag(struct page *page, size_t off, size_t len, struct iov_iter *i)
{
	return copy_from_iter(page_address(page) + off, len, i);
}
__rust_helper bool rtcpfsm_skb_checksum_ok_v4(struct sk_buff *skb, u32 len, u8 proto)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (skb_csum_unnecessary(skb) || skb->ip_summed == CHECKSUM_PARTIAL)
		return true;
	return !csum_tcpudp_magic(iph->saddr, iph->daddr, len, proto, skb_checksum(skb, 0, len, 0));
}
__rust_helper bool rtcpfsm_skb_checksum_ok_v6(struct sk_buff *skb, u32 len, u8 proto)
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
__rust_helper bool rtcpfsm_skb_checksum_set_v4(struct sk_buff *skb, __be32 saddr, __be32 daddr, u8 proto, bool partial)
{
	__wsum sum;

	if (!checksum_of(skb, partial, &sum))
		return false;
	checksum_finish(skb, csum_tcpudp_magic(saddr, daddr, skb->len, proto, sum), partial);
	return true;
}
__rust_helper bool rtcpfsm_skb_checksum_set_v6(struct sk_buff *skb, const struct in6_addr *saddr,
				 const struct in6_addr *daddr, u8 proto, bool partial)
{
	__wsum sum;

	if (!checksum_of(skb, partial, &sum))
		return false;
	checksum_finish(skb, csum_ipv6_magic(saddr, daddr, skb->len, proto, sum), partial);
	return true;
}
__rust_helper bool rtcpfsm_xfrm_policy_check(struct sock *sk, struct sk_buff *skb, bool v6)
{
	return v6 ? xfrm6_policy_check(sk, XFRM_POLICY_IN, skb) : xfrm4_policy_check(sk, XFRM_POLICY_IN, skb);
}
__rust_helper void rtcpfsm_nf_reset_ct(struct sk_buff *skb) { nf_reset_ct(skb); }
__rust_helper void rtcpfsm_skb_set_gso(struct sk_buff *skb, u32 type, u16 size, u16 segs)
{
	skb_shinfo(skb)->gso_type = type;
	skb_shinfo(skb)->gso_size = size;
	skb_shinfo(skb)->gso_segs = segs;
}
__rust_helper u32 rtcpfsm_skb_gso_type(const struct sk_buff *skb) { return skb_shinfo(skb)->gso_type; }
__rust_helper bool rtcpfsm_skb_gso_ok(struct sk_buff *skb, u64 features) { return skb_gso_ok(skb, features); }
__rust_helper struct sk_buff *rtcpfsm_skb_segment(struct sk_buff *skb, netdev_features_t features)
{
	struct sock *sk = skb->destructor == sock_wfree ? skb->sk : NULL;
	struct sk_buff *segments, *segment;

	if (!sk)
		return skb_segment(skb, features);
	/* It would give the memory of all to the last: each segment is charged for its own, and the whole until it is freed. */
	skb->destructor = NULL;
	skb->sk = NULL;
	segments = skb_segment(skb, features);
	skb->sk = sk;
	skb->destructor = sock_wfree;
	if (IS_ERR(segments))
		return segments;
	for (segment = segments; segment; segment = segment->next) {
		segment->sk = sk;
		segment->destructor = sock_wfree;
		refcount_add(segment->truesize, &sk->sk_wmem_alloc);
	}
	return segments;
}
__rust_helper void rtcpfsm_skb_segment_checksum(struct sk_buff *skb, __sum16 pseudo)
{
	struct tcphdr *th = tcp_hdr(skb);
	__wsum rest = ~(__force __wsum)pseudo;

	th->check = pseudo;
	if (skb->ip_summed == CHECKSUM_PARTIAL)
		gso_reset_checksum(skb, rest);
	else
		th->check = gso_make_checksum(skb, rest);
}
__rust_helper void rtcpfsm_put_page(struct page *page) { put_page(page); }
__rust_helper struct net *rtcpfsm_skb_net(const struct sk_buff *skb) { return dev_net_rcu(skb->dev); }
__rust_helper void rtcpfsm_icmp_quote(const struct sk_buff *skb, u8 *type, u8 *code, u32 *offset)
{
	*type = icmp_hdr(skb)->type;
	*code = icmp_hdr(skb)->code;
	*offset = ((const struct iphdr *)skb->data)->ihl * 4;
}
__rust_helper void rtcpfsm_queue_icmp_error(struct sock *sk, struct sk_buff *skb, bool v6, int error, __be16 port, u32 info,
					    u32 offset)
{
	if (v6)
		ipv6_icmp_error(sk, skb, error, port, info, skb->data + offset);
	else
		ip_icmp_error(sk, skb, error, port, info, skb->data + offset);
}
__rust_helper void rtcpfsm_redirect(struct sock *sk, struct sk_buff *skb, bool v6)
{
	struct dst_entry *dst = __sk_dst_check(sk, v6 ? inet6_sk(sk)->dst_cookie : 0);

	if (dst)
		dst->ops->redirect(dst, sk, skb);
}
