/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ROM of 64 KiB that finds out whether a virtual CPU runs at speed: from reset to long mode, as
 * a kernel goes, a loop of twenty million turns, and out by the debug exit port. Linked to 0x7000,
 * where it copies itself.
 */
	.code16
	.globl _start
_start:
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	xorw	%si, %si
	movw	$0x7000, %di
	movw	$128, %cx
	rep movsl %cs:(%si), %es:(%di)
	ljmp	$0, $ram
ram:
	/* One page of 2 MiB at 0, by tables at 0x1000, 0x2000 and 0x3000 (memory is zero at reset). */
	movw	$0x2003, 0x1000
	movw	$0x3003, 0x2000
	movw	$0x0083, 0x3000
	movl	$0x1000, %eax
	movl	%eax, %cr3
	movl	$0x20, %eax		/* CR4.PAE */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx	/* EFER.LME */
	xorl	%edx, %edx
	movl	$0x100, %eax
	wrmsr
	lgdtl	gdt_pointer
	movl	$0x80000011, %eax	/* CR0: PG, ET, PE */
	movl	%eax, %cr0
	ljmp	$8, $long
	.code64
long:
	movl	$20000000, %ecx
1:	decl	%ecx
	jnz	1b
	movb	$0x10, %al		/* makes QEMU exit with 0x21 */
	outb	%al, $0xf4
2:	hlt
	jmp	2b

	.balign	8
gdt:
	.quad	0
	.quad	0x00209a0000000000	/* 64-bit code */
gdt_pointer:
	.word	15
	.long	gdt

	.org	0xfff0			/* reset: a near jump to offset 0 of the segment */
	.byte	0xe9
	.word	0x000d
	.org	0xffff
	.byte	0
