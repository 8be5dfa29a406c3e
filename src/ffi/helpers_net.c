// SPDX-License-Identifier: GPL-2.0
/* The kernel's inline functions and macros of sockets, callable from Rust. No logic lives here. */
#include "helpers_net.h"
#include <linux/bpf-cgroup.h>
#include <linux/filter.h>
#include <linux/jhash.h>
#include <linux/wait.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/ip6_route.h>
#include <net/l3mdev.h>
#include <net/transp_v6.h>
#include <net/xfrm.h>

__rust_helper struct net *rtcpfsm_sock_net(const struct sock *sk) { return sock_net(sk); }
__rust_helper void rtcpfsm_lock_sock(struct sock *sk) { lock_sock(sk); }
__rust_helper void rtcpfsm_bh_lock_sock(struct sock *sk) { bh_lock_sock(sk); }
__rust_helper void rtcpfsm_bh_lock_sock_nested(struct sock *sk) { bh_lock_sock_nested(sk); }
__rust_helper void rtcpfsm_bh_unlock_sock(struct sock *sk) { bh_unlock_sock(sk); }
__rust_helper bool rtcpfsm_sock_owned_by_user(const struct sock *sk) { return sock_owned_by_user(sk); }
__rust_helper void rtcpfsm_local_bh_disable(void) { local_bh_disable(); }
__rust_helper void rtcpfsm_local_bh_enable(void) { local_bh_enable(); }
__rust_helper bool rtcpfsm_sock_hold_not_zero(struct sock *sk) { return refcount_inc_not_zero_acquire(&sk->sk_refcnt); }
__rust_helper void rtcpfsm_sock_hold(struct sock *sk) { sock_hold(sk); }
__rust_helper void rtcpfsm_sock_put(struct sock *sk) { sock_put(sk); }
__rust_helper int rtcpfsm_sk_add_backlog(struct sock *sk, struct sk_buff *skb, unsigned int limit)
{
	/* Nothing keeps the device until the socket is let go. */
	skb->dev = NULL;
	return sk_add_backlog(sk, skb, limit);
}
__rust_helper void rtcpfsm_sock_set_flag(struct sock *sk, int flag) { sock_set_flag(sk, flag); }
__rust_helper void rtcpfsm_sock_reset_flag(struct sock *sk, int flag) { sock_reset_flag(sk, flag); }
__rust_helper void rtcpfsm_sock_orphan(struct sock *sk) { sock_orphan(sk); }
__rust_helper int rtcpfsm_sock_error(struct sock *sk) { return sock_error(sk); }
__rust_helper int rtcpfsm_sk_state_load(const struct sock *sk) { return smp_load_acquire(&sk->sk_state); }
__rust_helper void rtcpfsm_sk_state_store(struct sock *sk, int state) { smp_store_release(&sk->sk_state, state); }
__rust_helper void rtcpfsm_sk_timer_setup(struct sock *sk, void (*function)(struct timer_list *t))
{
	timer_setup(&sk->sk_timer, function, 0);
}
__rust_helper struct timer_list *rtcpfsm_sk_timer(struct sock *sk) { return &sk->sk_timer; }
__rust_helper struct sock *rtcpfsm_sk_of_timer(struct timer_list *t) { return timer_container_of((struct sock *)NULL, t, sk_timer); }
__rust_helper void rtcpfsm_sk_wake_async(const struct sock *sk, int how, int band) { sk_wake_async(sk, how, band); }
__rust_helper int rtcpfsm_sk_wait_event(struct sock *sk, long *timeo, bool (*ready)(struct sock *sk), bool exclusive)
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
__rust_helper long rtcpfsm_sock_rcvtimeo(const struct sock *sk, bool noblock) { return sock_rcvtimeo(sk, noblock); }
__rust_helper long rtcpfsm_sock_sndtimeo(const struct sock *sk, bool noblock) { return sock_sndtimeo(sk, noblock); }
__rust_helper int rtcpfsm_sock_rcvlowat(const struct sock *sk, int waitall, int len) { return sock_rcvlowat(sk, waitall, len); }
__rust_helper int rtcpfsm_sock_intr_errno(long timeo) { return sock_intr_errno(timeo); }
__rust_helper bool rtcpfsm_signal_pending(void) { return signal_pending(current); }
__rust_helper bool rtcpfsm_sk_rmem_schedule(struct sock *sk, struct sk_buff *skb, int size) { return sk_rmem_schedule(sk, skb, size); }
__rust_helper void rtcpfsm_skb_set_owner_r(struct sk_buff *skb, struct sock *sk) { skb_set_owner_r(skb, sk); }
/* As skb_set_owner_w(), for a packet that nobody owns. */
__rust_helper void rtcpfsm_skb_set_owner_w(struct sk_buff *skb, struct sock *sk)
{
	skb->sk = sk;
	skb->destructor = sock_wfree;
	skb_set_hash_from_sk(skb, sk);
	skb->ooo_okay = !sk_wmem_alloc_get(sk);
	refcount_add(skb->truesize, &sk->sk_wmem_alloc);
}
__rust_helper bool rtcpfsm_sk_wmem_schedule(struct sock *sk, int size) { return sk_wmem_schedule(sk, size); }
__rust_helper void rtcpfsm_sk_wmem_queued_add(struct sock *sk, int size) { sk_wmem_queued_add(sk, size); }
__rust_helper void rtcpfsm_sk_mem_charge(struct sock *sk, int size) { sk_mem_charge(sk, size); }
__rust_helper void rtcpfsm_sk_mem_uncharge(struct sock *sk, int size) { sk_mem_uncharge(sk, size); }
__rust_helper void rtcpfsm_sk_mem_reclaim_final(struct sock *sk) { sk_mem_reclaim_final(sk); }
__rust_helper struct page_frag *rtcpfsm_sk_page_frag(struct sock *sk) { return sk_page_frag(sk); }
__rust_helper void rtcpfsm_dst_negative_advice(struct sock *sk) { dst_negative_advice(sk); }
__rust_helper void rtcpfsm_sk_dst_reset(struct sock *sk) { sk_dst_reset(sk); }
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
__rust_helper u32 rtcpfsm_sk_dst_mtu(struct sock *sk)
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
__rust_helper bool rtcpfsm_sk_dst_is_loopback(const struct sock *sk)
{
	struct dst_entry *dst = __sk_dst_get(sk);

	return dst && rtcpfsm_dst_is_loopback(dst);
}
/* The flow is what packets are labelled by: the port may not have been known when the way was looked for. */
__rust_helper void rtcpfsm_ip6_dst_store(struct sock *sk, struct dst_entry *dst)
{
	inet_sk(sk)->cork.fl.u.ip6.fl6_sport = inet_sk(sk)->inet_sport;
	ip6_dst_store(sk, dst, false, false);
}
__rust_helper u32 rtcpfsm_sk_uid_value(const struct sock *sk) { return from_kuid_munged(current_user_ns(), sk_uid(sk)); }
__rust_helper bool rtcpfsm_sk_reuse(const struct sock *sk) { return sk->sk_reuse; }
__rust_helper bool rtcpfsm_sk_reuseport(const struct sock *sk) { return sk->sk_reuseport; }
__rust_helper u32 rtcpfsm_sk_kuid(const struct sock *sk) { return __kuid_val(sk_uid(sk)); }
__rust_helper unsigned long rtcpfsm_sk_inode(struct sock *sk) { return sock_i_ino(sk); }
__rust_helper bool rtcpfsm_ipv6_only(const struct sock *sk) { return ipv6_only_sock(sk); }
__rust_helper bool rtcpfsm_sock_nonblocking(const struct socket *sock) { return sock->file->f_flags & O_NONBLOCK; }
__rust_helper void rtcpfsm_sock_poll_wait(struct file *file, struct socket *sock, poll_table *wait) { sock_poll_wait(file, sock, wait); }
__rust_helper void rtcpfsm_sk_set_async_nospace(struct sock *sk)
{
	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	smp_mb__after_atomic();
}
/* As sk_stream_write_space(), which is not exported: who asked is told once, and asks again. */
__rust_helper void rtcpfsm_sk_write_space(struct sock *sk)
{
	struct socket *sock = sk->sk_socket;
	struct socket_wq *wq;

	if (!sock || !__sk_stream_is_writeable(sk, 1))
		return;
	clear_bit(SOCK_NOSPACE, &sock->flags);
	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	if (wq && wq->fasync_list && !(sk->sk_shutdown & SEND_SHUTDOWN))
		sock_wake_async(wq, SOCK_WAKE_SPACE, POLL_OUT);
	rcu_read_unlock();
}
__rust_helper void rtcpfsm_sk_nospace_done(struct sock *sk)
{
	/* Pairs with the barrier of rtcpfsm_sk_set_async_nospace(): who asks sees the room, or we see the question. */
	smp_mb();
	if (sk->sk_socket && test_bit(SOCK_NOSPACE, &sk->sk_socket->flags))
		sk->sk_write_space(sk);
}
__rust_helper void rtcpfsm_xfrm_sk_free_policy(struct sock *sk) { xfrm_sk_free_policy(sk); }
__rust_helper void rtcpfsm_inet_id_random(struct sock *sk) { atomic_set(&inet_sk(sk)->inet_id, get_random_u16()); }
__rust_helper bool rtcpfsm_local_port_reserved(struct net *net, u16 port) { return inet_is_local_reserved_port(net, port); }
__rust_helper bool rtcpfsm_is_of_vrf(struct net *net, int device) { return l3mdev_master_ifindex_by_index(net, device); }

__rust_helper __be32 rtcpfsm_rcv_saddr(const struct inet_sock *inet) { return inet->inet_rcv_saddr; }
__rust_helper void rtcpfsm_forget_num(struct inet_sock *inet) { inet->inet_num = 0; }
__rust_helper void rtcpfsm_sockets_allocated_inc(struct sock *sk) { sk_sockets_allocated_inc(sk); }
__rust_helper void rtcpfsm_sockets_allocated_dec(struct sock *sk) { sk_sockets_allocated_dec(sk); }
__rust_helper bool rtcpfsm_ttl_is_enough(const struct sock *sk, const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IPV6))
		return ipv6_hdr(skb)->hop_limit >= READ_ONCE(inet6_sk(sk)->min_hopcount);
	return ip_hdr(skb)->ttl >= READ_ONCE(inet_sk(sk)->min_ttl);
}
__rust_helper bool rtcpfsm_sk_filter(struct sock *sk, struct sk_buff *skb)
{
	/* As sk_filter(), which is not called where it has nothing to ask. */
	return (!rcu_access_pointer(sk->sk_filter) && !cgroup_bpf_enabled(CGROUP_INET_INGRESS) &&
		!IS_ENABLED(CONFIG_SECURITY_NETWORK) && !skb_pfmemalloc(skb)) ||
	       !sk_filter(sk, skb);
}
__rust_helper int rtcpfsm_connect_filter(struct sock *sk, struct sockaddr_unsized *address, int len)
{
	if (sk->sk_family == AF_INET)
		return len < sizeof(struct sockaddr_in) ? -EINVAL : BPF_CGROUP_RUN_PROG_INET4_CONNECT(sk, address, &len);
	return len < SIN6_LEN_RFC2133 ? -EINVAL : BPF_CGROUP_RUN_PROG_INET6_CONNECT(sk, address, &len);
}
__rust_helper u16 rtcpfsm_inet_num(const struct inet_sock *inet) { return inet->inet_num; }
__rust_helper void rtcpfsm_set_ports(struct inet_sock *inet, u16 num, __be16 dport)
{
	inet->inet_num = num;
	inet->inet_sport = htons(num);
	inet->inet_dport = dport;
}
__rust_helper void rtcpfsm_set_addresses(struct sock *sk, const struct in6_addr *local, const struct in6_addr *remote)
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
__rust_helper bool rtcpfsm_may_grow_sndbuf(const struct sock *sk)
{
	return !(sk->sk_userlocks & SOCK_SNDBUF_LOCK) && !sk_under_memory_pressure(sk) &&
	       sk_memory_allocated(sk) < sk_prot_mem_limits(sk, 0);
}
__rust_helper void rtcpfsm_ecn_capable(struct sock *sk, bool on) { on ? INET_ECN_xmit(sk) : INET_ECN_dontxmit(sk); }
__rust_helper bool rtcpfsm_rcvbuf_is_fixed(const struct sock *sk)
{
	return sk->sk_userlocks & SOCK_RCVBUF_LOCK || sk_under_memory_pressure(sk);
}
__rust_helper bool rtcpfsm_rcvbuf_is_locked(const struct sock *sk) { return sk->sk_userlocks & SOCK_RCVBUF_LOCK; }
/* As TCP's tcp_out_of_memory(), which is not exported. */
__rust_helper bool rtcpfsm_out_of_memory(const struct sock *sk)
{
	return sk->sk_wmem_queued > SOCK_MIN_SNDBUF && sk_memory_allocated(sk) > sk_prot_mem_limits(sk, 2);
}
__rust_helper bool rtcpfsm_under_memory_pressure(const struct sock *sk) { return sk_under_memory_pressure(sk); }
__rust_helper bool rtcpfsm_memory_is_of_cgroup(const struct sock *sk) { return mem_cgroup_sk_enabled(sk); }
__rust_helper void rtcpfsm_sk_forward_alloc_add(struct sock *sk, int size) { sk_forward_alloc_add(sk, size); }
__rust_helper void rtcpfsm_sk_memory_allocated_add(const struct sock *sk, int pages)
{
	/* As sk_forced_mem_schedule(): what is not taken off when it is given back is not counted. */
	if (!sk->sk_bypass_prot_mem)
		sk_memory_allocated_add(sk, pages);
}
__rust_helper void rtcpfsm_sk_rmem_add(struct sock *sk, int size)
{
	atomic_add(size, &sk->sk_rmem_alloc);
	sk_mem_charge(sk, size);
}
__rust_helper void rtcpfsm_child_init(struct sock *child, u16 num, __be16 dport, int device)
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
__rust_helper void rtcpfsm_child_init_v6(struct sock *child, const struct sock *listener, struct ipv6_pinfo *np)
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
__rust_helper bool rtcpfsm_recverr(const struct sock *sk)
{
	return sk->sk_family == AF_INET6 ? inet6_test_bit(RECVERR6, sk) : inet_test_bit(RECVERR, sk);
}
__rust_helper void rtcpfsm_note_error(struct sock *sk, int error)
{
	WRITE_ONCE(sk->sk_err, error);
	/* Who sees the state that follows, sees why; pairs with the barrier of rtcpfsm_has_error(). */
	smp_wmb();
}
__rust_helper bool rtcpfsm_has_error(struct sock *sk)
{
	smp_rmb();
	return READ_ONCE(sk->sk_err) || !skb_queue_empty_lockless(&sk->sk_error_queue);
}
__rust_helper bool rtcpfsm_port_is_locked(const struct sock *sk) { return sk->sk_userlocks & SOCK_BINDPORT_LOCK; }
__rust_helper int rtcpfsm_sk_peek_offset(struct sock *sk, int flags) { return sk_peek_offset(sk, flags); }
__rust_helper void rtcpfsm_sk_peek_offset_fwd(struct sock *sk, int val) { sk_peek_offset_fwd(sk, val); }
__rust_helper void rtcpfsm_sk_peek_offset_bwd(struct sock *sk, int val) { sk_peek_offset_bwd(sk, val); }
__rust_helper int rtcpfsm_int_from_sockptr(int *to, sockptr_t from) { return copy_from_sockptr(to, from, sizeof(*to)); }
__rust_helper int rtcpfsm_copy_from_sockptr(void *to, sockptr_t from, size_t len) { return copy_from_sockptr(to, from, len); }
__rust_helper long rtcpfsm_text_from_sockptr(char *to, sockptr_t from, size_t max) { return strncpy_from_sockptr(to, from, max); }
__rust_helper int rtcpfsm_option_len(int __user *optlen)
{
	int len;

	if (get_user(len, optlen))
		return -EFAULT;
	return len < 0 ? -EINVAL : len;
}
__rust_helper int rtcpfsm_option_to_user(char __user *optval, int __user *optlen, const void *value, size_t len)
{
	if (put_user((int)len, optlen) || copy_to_user(optval, value, len))
		return -EFAULT;
	return 0;
}

/* ---- memory of namespaces ---- */
__rust_helper struct net *rtcpfsm_init_net(void) { return &init_net; }
__rust_helper int __percpu *rtcpfsm_alloc_percpu_int(void) { return alloc_percpu(int); }
__rust_helper void rtcpfsm_free_percpu_int(int __percpu *p) { free_percpu(p); }
__rust_helper int rtcpfsm_percpu_counter_init(struct percpu_counter *c) { return percpu_counter_init(c, 0, GFP_KERNEL); }
__rust_helper void rtcpfsm_percpu_counter_destroy(struct percpu_counter *c) { percpu_counter_destroy(c); }

/* ---- hashing ---- */
__rust_helper u32 rtcpfsm_hash(const u64 *local, const u64 *remote, u32 ports, u32 seed)
{
	if (!(local[0] | remote[0]))
		return jhash_3words(local[1] >> 32, remote[1] >> 32, ports, seed);
	return jhash_2words(jhash2((const u32 *)local, 4, seed), ports, jhash2((const u32 *)remote, 4, seed));
}

/* ---- small objects ---- */
__rust_helper struct kmem_cache *rtcpfsm_kmem_cache_create(const char *name, unsigned int size)
{
	return kmem_cache_create(name, size, 0, SLAB_TYPESAFE_BY_RCU | SLAB_HWCACHE_ALIGN, NULL);
}
__rust_helper void rtcpfsm_timer_setup(struct timer_list *t, void (*function)(struct timer_list *t)) { timer_setup(t, function, 0); }
__rust_helper void rtcpfsm_refcount_set_release(refcount_t *r, int n) { refcount_set_release(r, n); }
__rust_helper bool rtcpfsm_refcount_inc_not_zero(refcount_t *r) { return refcount_inc_not_zero_acquire(r); }
__rust_helper bool rtcpfsm_refcount_dec_and_test(refcount_t *r) { return refcount_dec_and_test(r); }
