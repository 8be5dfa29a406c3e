/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _RTCPFSM_HELPERS_H
#define _RTCPFSM_HELPERS_H
#include <linux/spinlock.h>
#include <linux/percpu.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

/*
 * Each shim is defined as one of these, as those of rust/helpers in the kernel are: where its bitcode is linked with the crate's (Kbuild),
 * it becomes part of the Rust code that calls it. LLVM would not do that unasked, for the attributes of C and Rust code differ.
 */
#define __rust_helper __always_inline

void rtcpfsm_spin_lock_init(spinlock_t *lock, const char *name, struct lock_class_key *key);
bool rtcpfsm_spin_lock_bh(spinlock_t *lock);
void rtcpfsm_spin_unlock_bh(spinlock_t *lock, bool in_softirq);
bool rtcpfsm_spin_trylock_bh(spinlock_t *lock);
void rtcpfsm_spin_assert_held(spinlock_t *lock);
void rtcpfsm_cond_resched(void);
unsigned long rtcpfsm_usecs_to_jiffies(unsigned long us);
unsigned long rtcpfsm_jiffies(void);
void *rtcpfsm_net_generic(const struct net *net, unsigned int id);
void rtcpfsm_for_each_exiting(struct list_head *namespaces, void (*f)(struct net *net));
void *rtcpfsm_alloc_percpu(size_t size);
void rtcpfsm_free_percpu(void *p);
void rtcpfsm_percpu_inc(void *counters, unsigned int index);
u64 rtcpfsm_percpu_sum(void *counters, unsigned int index);
struct net *rtcpfsm_seq_file_net(struct seq_file *m);
struct proc_dir_entry *rtcpfsm_net_proc(struct net *net);
unsigned long rtcpfsm_totalram_pages(void);
#endif
