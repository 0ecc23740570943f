; SPDX-License-Identifier: Apache-2.0
; [ROOT] The hypervisor's first instructions. Entered by the loader in 64-bit mode, under the firmware's identity map, interrupts
; off, at the image's physical place (2 MiB-aligned), RDI = physical address of struct boot_info. Everything before the far side of
; the jump is RIP-relative, so the image may lie anywhere.
;
; The tables built here stay: kernel/mm/pagetable.c refines them in place. Slot 480 of the PML4 points to itself.
bits 64
default rel

BOOT_INFO_BYTES equ 21168            ; sizeof(struct boot_info), pinned in boot/boot_info.h
BOOT_INFO_ROOT_SIZE equ 48           ; offset of root_size, pinned in kernel/mm/pagetable.c
ROOT_IMAGE_BASE equ 0xffffffff80000000
RECURSIVE_SLOT equ 480               ; kernel/mm/pagetable_priv.h
PTE_TABLE equ 0x23                   ; present, writable, accessed
PTE_LARGE equ 0xe3                   ; present, writable, accessed, dirty, 2 MiB
MSR_EFER equ 0xc0000080
EFER_NXE_BIT equ 11
BOOT_STACK_BYTES equ 16384

extern root_main
extern image_start

section .text.entry progbits alloc exec nowrite align=16
global root_entry
root_entry:
    cli
    cld
    mov rsi, rdi
    lea rdi, [boot_info]
    mov ecx, BOOT_INFO_BYTES / 8
    rep movsq

    lea rbx, [image_start]           ; the physical base: RIP-relative distance is the same at both places

    lea rdi, [boot_pml4]
    lea rax, [boot_pdpt_high]
    lea rdx, [rax + PTE_TABLE]
    mov [rdi + 511 * 8], rdx
    lea rdx, [boot_pd_high]
    lea rcx, [rdx + PTE_TABLE]
    mov [rax + 510 * 8], rcx
    lea rcx, [rdi + PTE_TABLE]       ; NX: what is seen through the recursive slot is data
    bts rcx, 63
    mov [rdi + RECURSIVE_SLOT * 8], rcx

    mov rcx, [boot_info + BOOT_INFO_ROOT_SIZE]
    add rcx, (1 << 21) - 1
    shr rcx, 21                      ; image size in large pages
    lea rax, [rbx + PTE_LARGE]
.high_page:
    mov [rdx], rax
    add rdx, 8
    add rax, 1 << 21
    dec rcx
    jnz .high_page

    ; Identity of the image's first large page: only the few instructions around MOV CR3 use it.
    lea rax, [boot_pdpt_low]
    lea rdx, [boot_pd_low]
    mov rcx, rbx
    shr rcx, 39
    and ecx, 511
    lea r8, [rax + PTE_TABLE]
    mov [rdi + rcx * 8], r8
    mov rcx, rbx
    shr rcx, 30
    and ecx, 511
    lea r8, [rdx + PTE_TABLE]
    mov [rax + rcx * 8], r8
    mov rcx, rbx
    shr rcx, 21
    and ecx, 511
    lea r8, [rbx + PTE_LARGE]
    mov [rdx + rcx * 8], r8

    mov ecx, MSR_EFER                ; NXE before the first table with an NX bit is loaded
    rdmsr
    bts eax, EFER_NXE_BIT
    wrmsr
    mov cr3, rdi
    mov rax, high_side
    jmp rax
high_side:
    mov rsp, boot_stack_top
    xor ebp, ebp                     ; ends backtraces
    call root_main
.stop:
    cli
    hlt
    jmp .stop

section .bss nobits alloc noexec write align=4096
global boot_pml4, boot_stack_guard, boot_stack_top, boot_info
boot_pml4: resb 4096
boot_pdpt_high: resb 4096
boot_pd_high: resb 4096
boot_pdpt_low: resb 4096
boot_pd_low: resb 4096
boot_stack_guard: resb 4096          ; unmapped by pagetable_init: an overflow is a double fault, not a silent overwrite
boot_stack: resb BOOT_STACK_BYTES
boot_stack_top:
boot_info: resb BOOT_INFO_BYTES
