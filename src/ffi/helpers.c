// SPDX-License-Identifier: GPL-2.0
/* The kernel's inline functions and macros of locks, time, namespaces and per-CPU memory, callable from Rust. */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>
#include "helpers.h"

__rust_helper void rtcpfsm_spin_lock_init(spinlock_t *lock, const char *name, struct lock_class_key *key)
{
#ifdef CONFIG_DEBUG_SPINLOCK
	__raw_spin_lock_init(spinlock_check(lock), name, key, LD_WAIT_CONFIG);
#else
	spin_lock_init(lock);
#endif
}
/* True: in a softirq, which no other interrupts on its CPU; to be told to the unlock. */
__rust_helper bool rtcpfsm_spin_lock_bh(spinlock_t *lock)
{
	if (in_serving_softirq()) {
		spin_lock(lock);
		return true;
	}
	spin_lock_bh(lock);
	return false;
}
__rust_helper void rtcpfsm_spin_unlock_bh(spinlock_t *lock, bool in_softirq)
{
	if (in_softirq)
		spin_unlock(lock);
	else
		spin_unlock_bh(lock);
}
__rust_helper bool rtcpfsm_spin_trylock_bh(spinlock_t *lock) { return spin_trylock_bh(lock); }
__rust_helper void rtcpfsm_spin_assert_held(spinlock_t *lock) { lockdep_assert_held(lock); }
__rust_helper void rtcpfsm_cond_resched(void) { cond_resched(); }
__rust_helper unsigned long rtcpfsm_usecs_to_jiffies(unsigned long us)
{
	/* Beyond this the kernel's own conversion saturates as well. */
	return us > INT_MAX ? msecs_to_jiffies(min(us / USEC_PER_MSEC + 1, (unsigned long)INT_MAX)) : usecs_to_jiffies(us);
}
__rust_helper unsigned long rtcpfsm_jiffies(void) { return jiffies; }
__rust_helper void *rtcpfsm_net_generic(const struct net *net, unsigned int id) { return net_generic(net, id); }
__rust_helper void rtcpfsm_for_each_exiting(struct list_head *namespaces, void (*f)(struct net *net))
{
	struct net *net;

	list_for_each_entry(net, namespaces, exit_list)
		f(net);
}
__rust_helper void *rtcpfsm_alloc_percpu(size_t size) { return (__force void *)__alloc_percpu(size, sizeof(u64)); }
__rust_helper void rtcpfsm_free_percpu(void *p) { free_percpu((__force void __percpu *)p); }
__rust_helper void rtcpfsm_percpu_inc(void *counters, unsigned int index)
{
	this_cpu_inc(((__force u64 __percpu *)counters)[index]);
}
__rust_helper u64 rtcpfsm_percpu_sum(void *counters, unsigned int index)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu(((__force u64 __percpu *)counters)[index], cpu);
	return sum;
}
__rust_helper struct net *rtcpfsm_seq_file_net(struct seq_file *m) { return seq_file_net(m); }
__rust_helper struct proc_dir_entry *rtcpfsm_net_proc(struct net *net) { return net->proc_net; }
__rust_helper unsigned long rtcpfsm_totalram_pages(void) { return totalram_pages(); }
