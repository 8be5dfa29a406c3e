/* SPDX-License-Identifier: GPL-2.0 */
/* What helpers_net.c, helpers_skb.c and helpers_route.c offer to Rust: the inline functions and macros of the socket and packet layers. */
#ifndef _RTCPFSM_HELPERS_NET_H
#define _RTCPFSM_HELPERS_NET_H

#include "helpers.h"
#include <net/sock.h>
#include <net/tcp.h>
#include <net/inet_common.h>
#include <net/inet6_connection_sock.h>
#include <net/inet_ecn.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/proto_memory.h>
#include <net/protocol.h>
#include <net/route.h>
#include <linux/icmp.h>
#include <linux/poll.h>
#include <linux/sockptr.h>
#include <linux/sockios.h>
#include <asm/ioctls.h>
#include <linux/icmpv6.h>

/* sock */
struct net *rtcpfsm_sock_net(const struct sock *sk);
void rtcpfsm_lock_sock(struct sock *sk);
void rtcpfsm_bh_lock_sock(struct sock *sk);
void rtcpfsm_bh_lock_sock_nested(struct sock *sk);
void rtcpfsm_bh_unlock_sock(struct sock *sk);
bool rtcpfsm_sock_owned_by_user(const struct sock *sk);
void rtcpfsm_local_bh_disable(void);
void rtcpfsm_local_bh_enable(void);
bool rtcpfsm_sock_hold_not_zero(struct sock *sk);
void rtcpfsm_sock_hold(struct sock *sk);
void rtcpfsm_sock_put(struct sock *sk);
int rtcpfsm_sk_add_backlog(struct sock *sk, struct sk_buff *skb, unsigned int limit);
void rtcpfsm_sock_set_flag(struct sock *sk, int flag);
void rtcpfsm_sock_reset_flag(struct sock *sk, int flag);
void rtcpfsm_sock_orphan(struct sock *sk);
int rtcpfsm_sock_error(struct sock *sk);
int rtcpfsm_sk_state_load(const struct sock *sk);
void rtcpfsm_sk_state_store(struct sock *sk, int state);
void rtcpfsm_sk_timer_setup(struct sock *sk, void (*function)(struct timer_list *t));
struct timer_list *rtcpfsm_sk_timer(struct sock *sk);
struct sock *rtcpfsm_sk_of_timer(struct timer_list *t);
void rtcpfsm_sk_wake_async(const struct sock *sk, int how, int band);
int rtcpfsm_sk_wait_event(struct sock *sk, long *timeo, bool (*ready)(struct sock *sk), bool exclusive);
long rtcpfsm_sock_rcvtimeo(const struct sock *sk, bool noblock);
long rtcpfsm_sock_sndtimeo(const struct sock *sk, bool noblock);
int rtcpfsm_sock_rcvlowat(const struct sock *sk, int waitall, int len);
int rtcpfsm_sock_intr_errno(long timeo);
bool rtcpfsm_signal_pending(void);
bool rtcpfsm_sk_rmem_schedule(struct sock *sk, struct sk_buff *skb, int size);
void rtcpfsm_skb_set_owner_r(struct sk_buff *skb, struct sock *sk);
void rtcpfsm_skb_set_owner_w(struct sk_buff *skb, struct sock *sk);
bool rtcpfsm_sk_wmem_schedule(struct sock *sk, int size);
void rtcpfsm_sk_wmem_queued_add(struct sock *sk, int size);
void rtcpfsm_sk_mem_charge(struct sock *sk, int size);
void rtcpfsm_sk_mem_uncharge(struct sock *sk, int size);
void rtcpfsm_sk_mem_reclaim_final(struct sock *sk);
struct page_frag *rtcpfsm_sk_page_frag(struct sock *sk);
void rtcpfsm_dst_negative_advice(struct sock *sk);
void rtcpfsm_sk_dst_reset(struct sock *sk);
u32 rtcpfsm_sk_dst_mtu(struct sock *sk);
bool rtcpfsm_sk_dst_is_loopback(const struct sock *sk);
void rtcpfsm_ip6_dst_store(struct sock *sk, struct dst_entry *dst);
u32 rtcpfsm_sk_uid_value(const struct sock *sk);
bool rtcpfsm_sk_reuse(const struct sock *sk);
bool rtcpfsm_sk_reuseport(const struct sock *sk);
u32 rtcpfsm_sk_kuid(const struct sock *sk);
unsigned long rtcpfsm_sk_inode(struct sock *sk);
bool rtcpfsm_ipv6_only(const struct sock *sk);
bool rtcpfsm_sock_nonblocking(const struct socket *sock);
void rtcpfsm_sock_poll_wait(struct file *file, struct socket *sock, poll_table *wait);
void rtcpfsm_sk_set_async_nospace(struct sock *sk);
void rtcpfsm_sk_write_space(struct sock *sk);
void rtcpfsm_sk_nospace_done(struct sock *sk);
void rtcpfsm_xfrm_sk_free_policy(struct sock *sk);
void rtcpfsm_inet_id_random(struct sock *sk);
bool rtcpfsm_local_port_reserved(struct net *net, u16 port);
bool rtcpfsm_is_of_vrf(struct net *net, int device);

__be32 rtcpfsm_rcv_saddr(const struct inet_sock *inet);
void rtcpfsm_forget_num(struct inet_sock *inet);
void rtcpfsm_sockets_allocated_inc(struct sock *sk);
void rtcpfsm_sockets_allocated_dec(struct sock *sk);
bool rtcpfsm_ttl_is_enough(const struct sock *sk, const struct sk_buff *skb);
bool rtcpfsm_sk_filter(struct sock *sk, struct sk_buff *skb);
int rtcpfsm_connect_filter(struct sock *sk, struct sockaddr_unsized *address, int len);
u16 rtcpfsm_inet_num(const struct inet_sock *inet);
void rtcpfsm_set_ports(struct inet_sock *inet, u16 num, __be16 dport);
void rtcpfsm_set_addresses(struct sock *sk, const struct in6_addr *local, const struct in6_addr *remote);

/* skb */
struct sk_buff *rtcpfsm_alloc_skb(unsigned int size, gfp_t gfp);
struct sk_buff *rtcpfsm_alloc_queue_skb(unsigned int headroom, gfp_t gfp);
bool rtcpfsm_skb_cloned(const struct sk_buff *skb);
struct sk_buff *rtcpfsm_skb_clone(struct sk_buff *skb, gfp_t gfp);
void rtcpfsm_skb_reserve(struct sk_buff *skb, int len);
void *rtcpfsm_skb_put(struct sk_buff *skb, unsigned int len);
void *rtcpfsm_skb_push(struct sk_buff *skb, unsigned int len);
bool rtcpfsm_pskb_may_pull(struct sk_buff *skb, unsigned int len);
void rtcpfsm_skb_reset_transport_header(struct sk_buff *skb);
void rtcpfsm_skb_way_drop(struct sk_buff *skb);
int rtcpfsm_skb_iif(const struct sk_buff *skb, bool v6);
bool rtcpfsm_may_grow_sndbuf(const struct sock *sk);
void rtcpfsm_ecn_capable(struct sock *sk, bool on);
bool rtcpfsm_skb_to_unicast(const struct sk_buff *skb, bool v6);
struct sk_buff *rtcpfsm_rb_to_skb(struct rb_node *node);
struct sk_buff *rtcpfsm_skb_rb_first(const struct rb_root *root);
struct sk_buff *rtcpfsm_skb_rb_last(const struct rb_root *root);
struct sk_buff *rtcpfsm_skb_rb_next(struct sk_buff *skb);
void rtcpfsm_skb_rb_link(struct sk_buff *skb, struct rb_node *parent, struct rb_node **link, struct rb_root *root);
void rtcpfsm_skb_rb_unlink(struct sk_buff *skb, struct rb_root *root);
bool rtcpfsm_rcvbuf_is_fixed(const struct sock *sk);
bool rtcpfsm_rcvbuf_is_locked(const struct sock *sk);
bool rtcpfsm_out_of_memory(const struct sock *sk);
bool rtcpfsm_under_memory_pressure(const struct sock *sk);
bool rtcpfsm_memory_is_of_cgroup(const struct sock *sk);
void rtcpfsm_sk_forward_alloc_add(struct sock *sk, int size);
void rtcpfsm_sk_memory_allocated_add(const struct sock *sk, int pages);
struct net *rtcpfsm_init_net(void);
void rtcpfsm_sk_rmem_add(struct sock *sk, int size);
int rtcpfsm_pskb_trim(struct sk_buff *skb, unsigned int len);
bool rtcpfsm_skb_add_frag(struct sk_buff *skb, struct page *page, unsigned int off, unsigned int len);
bool rtcpfsm_skb_add_part(struct sk_buff *skb, const struct sk_buff *from, unsigned int i, unsigned int skip,
			  unsigned int len);
void rtcpfsm_skb_mark_shared_frag(struct sk_buff *skb);
void rtcpfsm_skb_inherit_shared_frag(struct sk_buff *to, const struct sk_buff *from);
void rtcpfsm_skb_needs_no_sum(struct sk_buff *skb);
size_t rtcpfsm_copy_to_page_frag(struct page *page, size_t off, size_t len, struct iov_iter *i);
bool rtcpfsm_skb_checksum_ok_v4(struct sk_buff *skb, u32 len, u8 proto);
bool rtcpfsm_skb_checksum_ok_v6(struct sk_buff *skb, u32 len, u8 proto);
bool rtcpfsm_skb_checksum_set_v4(struct sk_buff *skb, __be32 saddr, __be32 daddr, u8 proto, bool partial);
bool rtcpfsm_skb_checksum_set_v6(struct sk_buff *skb, const struct in6_addr *saddr,
				 const struct in6_addr *daddr, u8 proto, bool partial);
bool rtcpfsm_xfrm_policy_check(struct sock *sk, struct sk_buff *skb, bool v6);
void rtcpfsm_nf_reset_ct(struct sk_buff *skb);
void rtcpfsm_skb_set_gso(struct sk_buff *skb, u32 type, u16 size, u16 segs);
u32 rtcpfsm_skb_gso_type(const struct sk_buff *skb);
bool rtcpfsm_skb_gso_ok(struct sk_buff *skb, u64 features);
struct sk_buff *rtcpfsm_skb_segment(struct sk_buff *skb, netdev_features_t features);
void rtcpfsm_skb_segment_checksum(struct sk_buff *skb, __sum16 pseudo);
void rtcpfsm_put_page(struct page *page);
struct net *rtcpfsm_skb_net(const struct sk_buff *skb);

/* route and output without a socket */
struct dst_entry *rtcpfsm_route_v4(struct net *net, const struct sock *sk, __be32 saddr, __be32 daddr,
				   __be16 sport, __be16 dport, int oif, u32 mark, u8 proto);
struct dst_entry *rtcpfsm_route_v6(struct net *net, const struct sock *sk, const struct in6_addr *saddr,
				   const struct in6_addr *daddr, __be16 sport, __be16 dport, int oif, u32 mark, u8 proto);
/* What the packets of a way without a socket say, of the options of the listener, if there is one. */
struct rtcpfsm_fields {
	u8 tclass;
	int hops; /* negative: the route's */
	u32 mark;
	u32 priority;
};
int rtcpfsm_send_v4(struct net *net, struct sock *sk, struct sk_buff *skb, struct dst_entry *dst, __be32 saddr,
		    __be32 daddr, const struct rtcpfsm_fields *fields, u8 proto);
int rtcpfsm_send_v6(struct net *net, struct sock *sk, struct sk_buff *skb, struct dst_entry *dst,
		    const struct in6_addr *saddr, const struct in6_addr *daddr,
		    const struct rtcpfsm_fields *fields, u8 proto);
void rtcpfsm_ip_fields(const struct sock *sk, bool v4, struct rtcpfsm_fields *fields);
u32 rtcpfsm_reply_mark(const struct net *net, bool v4, u32 mark);
u32 rtcpfsm_dst_mtu(const struct dst_entry *dst);
struct dst_entry *rtcpfsm_dst_keep(const struct sock *sk, struct dst_entry *dst);
void rtcpfsm_sk_follow(struct sock *sk, struct dst_entry *dst);
void rtcpfsm_dst_release(struct dst_entry *dst);
bool rtcpfsm_dst_is_loopback(const struct dst_entry *dst);
struct rtable *rtcpfsm_ip_route_connect(struct sock *sk, __be32 daddr, __be16 dport);
struct rtable *rtcpfsm_ip_route_newports(struct sock *sk, struct rtable *rt, __be16 old_sport);
bool rtcpfsm_rt_is_unicast(const struct rtable *rt);
struct dst_entry *rtcpfsm_ip6_route_connect(struct sock *sk, __be16 dport);

void rtcpfsm_flow4_addresses(struct sock *sk, __be32 *saddr, __be32 *daddr);
void rtcpfsm_flow6_source(struct sock *sk, struct in6_addr *saddr);
bool rtcpfsm_linklocal_scope_ok(struct sock *sk, const struct in6_addr *daddr, u32 scope_id);
void rtcpfsm_reset_addresses(struct sock *sk);
struct flowi *rtcpfsm_flow(struct sock *sk);
int __percpu *rtcpfsm_alloc_percpu_int(void);
void rtcpfsm_free_percpu_int(int __percpu *p);
int rtcpfsm_percpu_counter_init(struct percpu_counter *c);
void rtcpfsm_percpu_counter_destroy(struct percpu_counter *c);
void rtcpfsm_child_init(struct sock *child, u16 num, __be16 dport, int device);
void rtcpfsm_child_init_v6(struct sock *child, const struct sock *listener, struct ipv6_pinfo *np);

bool rtcpfsm_recverr(const struct sock *sk);
bool rtcpfsm_has_error(struct sock *sk);
bool rtcpfsm_port_is_locked(const struct sock *sk);
int rtcpfsm_sk_peek_offset(struct sock *sk, int flags);
void rtcpfsm_sk_peek_offset_fwd(struct sock *sk, int val);
void rtcpfsm_sk_peek_offset_bwd(struct sock *sk, int val);
void rtcpfsm_note_error(struct sock *sk, int error);
void rtcpfsm_queue_icmp_error(struct sock *sk, struct sk_buff *skb, bool v6, int error, __be16 port, u32 info, u32 offset);
void rtcpfsm_redirect(struct sock *sk, struct sk_buff *skb, bool v6);
void rtcpfsm_icmp_quote(const struct sk_buff *skb, u8 *type, u8 *code, u32 *offset);
void rtcpfsm_sk_update_pmtu(struct sock *sk, bool v6, u32 mtu);
bool rtcpfsm_sk_accepts_pmtu(const struct sock *sk, bool v6);

int rtcpfsm_int_from_sockptr(int *to, sockptr_t from);
int rtcpfsm_copy_from_sockptr(void *to, sockptr_t from, size_t len);
long rtcpfsm_text_from_sockptr(char *to, sockptr_t from, size_t max);
int rtcpfsm_option_len(int __user *optlen);
int rtcpfsm_option_to_user(char __user *optval, int __user *optlen, const void *value, size_t len);

/* hashing */
u32 rtcpfsm_hash(const u64 *local, const u64 *remote, u32 ports, u32 seed);

/* small objects */
struct kmem_cache *rtcpfsm_kmem_cache_create(const char *name, unsigned int size);
void rtcpfsm_timer_setup(struct timer_list *t, void (*function)(struct timer_list *t));
void rtcpfsm_refcount_set_release(refcount_t *r, int n);
bool rtcpfsm_refcount_inc_not_zero(refcount_t *r);
bool rtcpfsm_refcount_dec_and_test(refcount_t *r);

/* macros as constants */
#define RTCPFSM_CONST(type, name, value) static const type name = value
RTCPFSM_CONST(u32, RTCPFSM_CMSG_HAS_OPT_ID, SOCKCM_FLAG_TS_OPT_ID);
RTCPFSM_CONST(u32, RTCPFSM_MAX_TCP_HEADER, MAX_TCP_HEADER);
RTCPFSM_CONST(gfp_t, RTCPFSM_GFP_ATOMIC, GFP_ATOMIC);
RTCPFSM_CONST(gfp_t, RTCPFSM_GFP_KERNEL, GFP_KERNEL);
RTCPFSM_CONST(slab_flags_t, RTCPFSM_SLAB_TYPESAFE_BY_RCU, SLAB_TYPESAFE_BY_RCU);
RTCPFSM_CONST(u32, RTCPFSM_SIOCATMARK, SIOCATMARK);
RTCPFSM_CONST(u32, RTCPFSM_SIOCINQ, SIOCINQ);
RTCPFSM_CONST(u32, RTCPFSM_SIOCOUTQ, SIOCOUTQ);
RTCPFSM_CONST(u32, RTCPFSM_SIOCOUTQNSD, SIOCOUTQNSD);
RTCPFSM_CONST(u32, RTCPFSM_EPOLLIN, (__force u32)EPOLLIN);
RTCPFSM_CONST(u32, RTCPFSM_EPOLLOUT, (__force u32)EPOLLOUT);
RTCPFSM_CONST(u32, RTCPFSM_EPOLLERR, (__force u32)EPOLLERR);
RTCPFSM_CONST(u32, RTCPFSM_EPOLLHUP, (__force u32)EPOLLHUP);
RTCPFSM_CONST(u32, RTCPFSM_EPOLLPRI, (__force u32)EPOLLPRI);
RTCPFSM_CONST(u32, RTCPFSM_EPOLLRDHUP, (__force u32)EPOLLRDHUP);
RTCPFSM_CONST(u32, RTCPFSM_EPOLLRDNORM, (__force u32)EPOLLRDNORM);
RTCPFSM_CONST(u32, RTCPFSM_EPOLLWRNORM, (__force u32)EPOLLWRNORM);
RTCPFSM_CONST(u32, RTCPFSM_INET6_PROTO_FLAGS, INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL);
RTCPFSM_CONST(u64, RTCPFSM_F_GSO_ROBUST, NETIF_F_GSO_ROBUST);
RTCPFSM_CONST(u64, RTCPFSM_F_GSO_PARTIAL, NETIF_F_GSO_PARTIAL);
RTCPFSM_CONST(u64, RTCPFSM_F_CSUM, NETIF_F_CSUM_MASK);
RTCPFSM_CONST(u32, RTCPFSM_F_GSO_SHIFT, NETIF_F_GSO_SHIFT);
RTCPFSM_CONST(u32, RTCPFSM_SIN6_LEN_RFC2133, SIN6_LEN_RFC2133);
#endif
