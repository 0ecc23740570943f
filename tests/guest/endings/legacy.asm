; SPDX-License-Identifier: Apache-2.0
; [DOMU] The endings that need 32-bit protected mode: task switches, and #AC that raises itself. Called by legacy_run.

%define SEL_TSS_FROM 0x48
%define SEL_TSS_TO 0x50
%define SEL_USER_CODE32 0x33
%define SEL_USER_DATA 0x23
%define CR0_AM 0x40000
%define EFLAGS_AC 0x40000
%define TASK_GATE 0x8500
%define USER_INTERRUPT_GATE 0xee00

bits 32
section .text
global task_jump, task_call, task_gate, ac_loop

task_jump:
    mov ax, SEL_TSS_FROM
    ltr ax
    jmp SEL_TSS_TO:0

task_call:
    mov ax, SEL_TSS_FROM
    ltr ax
    call SEL_TSS_TO:0
    ret

task_gate:
    mov ax, SEL_TSS_FROM
    ltr ax
    mov dword [idt32 + 8 * 0x30], SEL_TSS_TO << 16
    mov dword [idt32 + 8 * 0x30 + 4], TASK_GATE
    lidt [idt32_ptr]
    int 0x30
    ret

; The handler of #AC runs in ring 3 on the same stack, which is not aligned: to deliver #AC raises #AC.
ac_loop:
    mov eax, cr0
    or eax, CR0_AM
    mov cr0, eax
    mov eax, .user
    and eax, 0xffff
    or eax, SEL_USER_CODE32 << 16
    mov [idt32 + 8 * 17], eax
    mov eax, .user
    and eax, 0xffff0000
    or eax, USER_INTERRUPT_GATE
    mov [idt32 + 8 * 17 + 4], eax
    lidt [idt32_ptr]
    mov eax, SEL_USER_DATA
    mov ds, eax
    mov es, eax
    push dword SEL_USER_DATA
    push dword user_stack + 0x801
    push dword EFLAGS_AC | 2
    push dword SEL_USER_CODE32
    push dword .user
    iretd
.user:
    mov eax, [user_stack + 1]
    jmp .user

section .data
align 8
idt32_ptr:
    dw 8 * 64 - 1
    dd idt32

section .bss
alignb 8
idt32: resb 8 * 64
user_stack: resb 4096
