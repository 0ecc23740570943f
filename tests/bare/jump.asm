; SPDX-License-Identifier: Apache-2.0
; [FW] From the firmware's 64-bit code to the state at the entry of a PVH kernel. All this lies below 4 GiB, mapped 1:1.
default rel
bits 64
section .text
global bare_jump:function hidden
bare_jump:                      ; RDI: entry, RSI: start info
    lea rax, [gdt]
    mov [gdt_ptr + 2], rax
    lgdt [gdt_ptr]
    lea rax, [.down]
    push qword 8
    push rax
    retfq
bits 32
.down:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
    mov eax, 0x11               ; ET PE
    mov cr0, eax
    mov ecx, 0xc0000080         ; EFER
    xor eax, eax
    xor edx, edx
    wrmsr
    mov cr4, eax
    mov ebx, esi
    jmp edi

section .data
align 8
gdt:
    dq 0
    dq 0x00cf9b000000ffff
    dq 0x00cf93000000ffff
gdt_ptr:
    dw $ - gdt - 1
    dq 0
