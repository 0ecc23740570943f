; SPDX-License-Identifier: Apache-2.0
; [DOMU] An interrupt whose delivery raises #AC: ring 3 takes it on a stack that is not aligned. The handler of #AC, in ring 0, aligns it.

%define SEL_TSS32 0x48
%define SEL_CODE32 0x28
%define SEL_USER_CODE32 0x33
%define SEL_USER_DATA 0x23
%define CR0_AM 0x40000
%define EFLAGS_AC_IF 0x40202
%define KERNEL_GATE 0x8e00
%define USER_GATE 0xee00
%define VECTOR 0x40

bits 32
section .text
global take_on_odd_stack, vectors_seen, acs_seen

; gate VECTOR, handler, selector, type
%macro gate 4
    mov eax, %2
    mov edx, eax
    and eax, 0xffff
    or eax, %3 << 16
    mov [idt32 + 8 * %1], eax
    and edx, 0xffff0000
    or edx, %4
    mov [idt32 + 8 * %1 + 4], edx
%endmacro

take_on_odd_stack:
    mov eax, cr0
    or eax, CR0_AM
    mov cr0, eax
    mov ax, SEL_TSS32
    ltr ax
    gate VECTOR, on_vector, SEL_USER_CODE32, USER_GATE
    gate 17, on_ac, SEL_CODE32, KERNEL_GATE
    gate 0x80, on_done, SEL_CODE32, USER_GATE
    lidt [idt32_ptr]
    mov [saved_esp], esp
    mov eax, SEL_USER_DATA
    mov ds, eax
    mov es, eax
    push dword SEL_USER_DATA
    push dword user_stack + 0x801
    push dword EFLAGS_AC_IF
    push dword SEL_USER_CODE32
    push dword .user
    iretd
.user:
    mov ecx, 100000
.wait:
    cmp dword [vectors_seen], 0
    jne .seen
    loop .wait
.seen:
    int 0x80

on_vector:
    inc dword [vectors_seen]
    iretd

on_ac:
    inc dword [acs_seen]
    and dword [esp + 16], ~3    ; error, EIP, CS, EFLAGS, ESP
    add esp, 4
    iretd

on_done:
    mov esp, [saved_esp]
    mov eax, cr0
    and eax, ~CR0_AM
    mov cr0, eax
    ret

section .data
align 8
idt32_ptr:
    dw 8 * 256 - 1
    dd idt32

section .bss
alignb 8
idt32: resb 8 * 256
user_stack: resb 4096
saved_esp: resd 1
vectors_seen: resd 1
acs_seen: resd 1
