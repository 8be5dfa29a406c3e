/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where in the kernel's structs stands what bindgen does not name alike in every configuration, or what it is not shown. Read by
 * src/kapi/layout.rs, inline: a call costs more than the word.
 */
#ifndef _RTCPFSM_LAYOUT_H
#define _RTCPFSM_LAYOUT_H

#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/sock.h>

#define RTCPFSM_AT(name, type, member) static const size_t RTCPFSM_AT_##name = offsetof(type, member)
RTCPFSM_AT(SKB_NETWORK_HEADER, struct sk_buff, network_header);
RTCPFSM_AT(SKB_TRANSPORT_HEADER, struct sk_buff, transport_header);
RTCPFSM_AT(SKB_TSTAMP, struct sk_buff, tstamp);
RTCPFSM_AT(SKB_MARK, struct sk_buff, mark);
/* What IP notes of a packet in its control block, as IPCB() and IP6CB(). */
RTCPFSM_AT(SKB_V4_IIF, struct sk_buff, cb[offsetof(struct inet_skb_parm, iif)]);
RTCPFSM_AT(SKB_V4_FLAGS, struct sk_buff, cb[offsetof(struct inet_skb_parm, flags)]);
RTCPFSM_AT(SKB_V6_IIF, struct sk_buff, cb[offsetof(struct inet6_skb_parm, iif)]);
RTCPFSM_AT(SKB_V6_FLAGS, struct sk_buff, cb[offsetof(struct inet6_skb_parm, flags)]);
static const u16 RTCPFSM_V4_L3SLAVE = IS_ENABLED(CONFIG_NET_L3_MASTER_DEV) ? IPSKB_L3SLAVE : 0;
static const u16 RTCPFSM_V6_L3SLAVE = IS_ENABLED(CONFIG_NET_L3_MASTER_DEV) ? IP6SKB_L3SLAVE : 0;
RTCPFSM_AT(SHINFO_NR_FRAGS, struct skb_shared_info, nr_frags);
RTCPFSM_AT(SHINFO_GSO_SIZE, struct skb_shared_info, gso_size);
RTCPFSM_AT(SHINFO_FRAGS, struct skb_shared_info, frags);
RTCPFSM_AT(FRAG_LEN, skb_frag_t, len);
static const size_t RTCPFSM_FRAG_SIZE = sizeof(skb_frag_t);
RTCPFSM_AT(SOCK_RMEM_ALLOC, struct sock, sk_rmem_alloc.counter);
RTCPFSM_AT(SOCK_FLAGS, struct sock, sk_flags);

#endif
