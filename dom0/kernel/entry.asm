; SPDX-License-Identifier: Apache-2.0
; [DOM0] PVH entry: 32-bit, paging off, at any 2 MiB-aligned base below 4 GiB. Finds that base, builds first page tables
; (the image at its linked address, the first 4 GiB 1:1 and again as direct map), switches to long mode and calls
; dom0_main(start info, base). paging.c replaces the tables.
%define IMAGE_BASE 0xffffffff80000000
%define LINK_PHYS  0x1000000        ; p_paddr of IMAGE_BASE, see dom0.ld
%define TABLES_PML4     0x0000
%define TABLES_PDPT_LOW 0x1000
%define TABLES_PDPT_TOP 0x2000
%define TABLES_PD_IMAGE 0x3000
%define TABLES_PD       0x4000      ; four of them
%define IMAGE_PAGES 8               ; of 2 MiB
%define PRESENT_WRITE 3
%define LARGE 0x83

extern dom0_main
extern boot_stack_top_offset        ; from dom0.ld: relative to IMAGE_BASE
extern boot_tables_offset
global dom0_entry
global boot_stack
global boot_tables

section .text.entry exec
bits 32
dom0_entry:
    cli
    cld
    ; PVH gives no stack. The first dword of the start info (its magic) serves as one for a single call; then it is
    ; put back.
    mov eax, [ebx]
    lea esp, [ebx + 4]
    call .here
.here:
    pop ebp
    mov [ebx], eax
    sub ebp, .here - dom0_entry     ; the image's physical base
    mov esp, boot_stack_top_offset
    add esp, ebp
    mov edi, boot_tables_offset
    add edi, ebp

    ; 4 GiB in 2 MiB pages
    mov eax, LARGE
    xor ecx, ecx
.low:
    mov [edi + TABLES_PD + ecx * 8], eax
    add eax, 0x200000
    inc ecx
    cmp ecx, 2048
    jb .low
    lea eax, [edi + TABLES_PD + PRESENT_WRITE]
    xor ecx, ecx
.pdpt:
    mov [edi + TABLES_PDPT_LOW + ecx * 8], eax
    add eax, 0x1000
    inc ecx
    cmp ecx, 4
    jb .pdpt
    ; the image
    lea eax, [ebp + LARGE]
    xor ecx, ecx
.image:
    mov [edi + TABLES_PD_IMAGE + ecx * 8], eax
    add eax, 0x200000
    inc ecx
    cmp ecx, IMAGE_PAGES
    jb .image
    lea eax, [edi + TABLES_PD_IMAGE + PRESENT_WRITE]
    mov [edi + TABLES_PDPT_TOP + 510 * 8], eax
    lea eax, [edi + TABLES_PDPT_LOW + PRESENT_WRITE]
    mov [edi + TABLES_PML4], eax
    mov [edi + TABLES_PML4 + 256 * 8], eax
    lea eax, [edi + TABLES_PDPT_TOP + PRESENT_WRITE]
    mov [edi + TABLES_PML4 + 511 * 8], eax

    ; SDM volume 3A, "Initializing IA-32e Mode"
    mov eax, 1 << 5                 ; CR4.PAE
    mov cr4, eax
    mov cr3, edi
    mov ecx, 0xc0000080             ; IA32_EFER
    rdmsr
    or eax, (1 << 8) | (1 << 11)    ; LME, NXE
    wrmsr
    mov eax, 0x80010033             ; PG, WP, NE, ET, MP, PE
    mov cr0, eax
    lea eax, [ebp + gdt - dom0_entry]
    sub esp, 8
    mov word [esp], gdt_end - gdt - 1
    mov [esp + 2], eax
    lgdt [esp]
    add esp, 8
    lea eax, [ebp + .long - dom0_entry]
    push 8
    push eax
    retf
bits 64
.long:
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rax, .high
    jmp rax
.high:
    mov rsp, boot_stack + BOOT_STACK_SIZE
    mov edi, ebx                    ; start info
    mov esi, ebp                    ; base
    xor ebp, ebp
    call dom0_main
    ud2

align 8
gdt:
    dq 0
    dq 0x00af9b000000ffff
gdt_end:

; ELF note: the entry's address in p_paddr space (Xen public header elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY)
section .note.Xen note alloc noexec nowrite align=4
    dd 4, 8, 18
    db "Xen", 0
    dq dom0_entry - IMAGE_BASE + LINK_PHYS

section .bss.boot nobits alloc write noexec align=4096
boot_tables:
    resb 8 * 4096

section .bss nobits alloc write noexec align=16
BOOT_STACK_SIZE equ 8192
boot_stack:
    resb BOOT_STACK_SIZE

section .note.GNU-stack noalloc noexec nowrite progbits
