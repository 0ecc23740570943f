; SPDX-License-Identifier: Apache-2.0
; [ROOT] Takes a new GDT into use.
bits 64

%define GDT_CODE 0x08                ; as in gdt.h
%define GDT_DATA 0x10
%define GDT_TSS 0x18

section .text
global gdt_load_segments
gdt_load_segments:                   ; rdi = operand of LGDT
    lgdt [rdi]
    mov eax, GDT_DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
    lldt ax
    mov eax, GDT_TSS
    ltr ax
    pop rax
    push GDT_CODE
    push rax
    retfq
