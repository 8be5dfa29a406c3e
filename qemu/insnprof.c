// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU's emulator that counts the guest's instructions by address, between two marks in the guest's program:
 * `nopl disp32(%rax)` with the displacements "brtc" (begin: forget what was counted) and "ertc" (end: write it out).
 *
 *   qemu-system-x86_64 ... -plugin insnprof.so,out=PREFIX
 *
 * The n-th end writes PREFIX.n, a line for each translated block that ran: its address in hexadecimal, and the instructions executed in
 * it. The prototypes, of version 1 of the plugin interface, are written out because distributions' packages lack qemu-plugin.h.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

/* enum qemu_plugin_cb_flags and enum qemu_plugin_op */
#define NO_REGISTERS 0
#define INLINE_ADD_U64 0

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned int, void *), int, void *);

struct block {
	uint64_t address, executed;
	struct block *next;
};

#define BUCKET_BITS 20
static struct block *table[1u << BUCKET_BITS];
static const char *prefix = "insnprof";

/* One counter for each start address: a block that is translated again goes on with it. */
static struct block *block_at(uint64_t address)
{
	/* Fibonacci hashing: 2^64 divided by the golden ratio. */
	struct block **bucket = &table[(address * 0x9e3779b97f4a7c15ull) >> (64 - BUCKET_BITS)], *block;

	for (block = *bucket; block; block = block->next)
		if (block->address == address)
			return block;
	block = calloc(1, sizeof(*block));
	if (!block)
		abort();
	block->address = address;
	block->next = *bucket;
	*bucket = block;
	return block;
}

static void begin(unsigned int vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	for (size_t i = 0; i < 1u << BUCKET_BITS; i++)
		for (struct block *block = table[i]; block; block = block->next)
			block->executed = 0;
}

static void end(unsigned int vcpu, void *data)
{
	static unsigned int number;
	char name[4096];
	FILE *f;

	(void)vcpu;
	(void)data;
	snprintf(name, sizeof(name), "%s.%u", prefix, ++number);
	f = fopen(name, "w");
	if (!f) {
		perror(name);
		abort();
	}
	for (size_t i = 0; i < 1u << BUCKET_BITS; i++)
		for (struct block *block = table[i]; block; block = block->next)
			if (block->executed)
				fprintf(f, "%llx %llu\n", (unsigned long long)block->address,
					(unsigned long long)block->executed);
	fclose(f);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	/* nopl disp32(%rax), and the displacement but for its first octet. */
	static const uint8_t opcode[] = { 0x0f, 0x1f, 0x80 }, mark[] = "rtc";
	size_t count = qemu_plugin_tb_n_insns(tb);
	struct block *block = block_at(qemu_plugin_tb_vaddr(tb));

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &block->executed, count);
	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *octets = qemu_plugin_insn_data(insn);

		if (qemu_plugin_insn_size(insn) != 7 || memcmp(octets, opcode, 3) || memcmp(octets + 4, mark, 3))
			continue;
		if (octets[3] == 'b')
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, NO_REGISTERS, NULL);
		else if (octets[3] == 'e')
			qemu_plugin_register_vcpu_insn_exec_cb(insn, end, NO_REGISTERS, NULL);
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			prefix = strdup(argv[i] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
