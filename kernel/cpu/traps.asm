; SPDX-License-Identifier: Apache-2.0
; [ROOT] 256 entry stubs of 16 bytes each, one common path, and the instructions that may fault with where to go on then.
bits 64
default rel

extern traps_handle

section .text
; Exceptions that push an error code: SDM vol 3, "Exception and Interrupt Vectors".
%define HAS_ERROR(n) ((n) == 8 || ((n) >= 10 && (n) <= 14) || (n) == 17 || (n) == 21 || (n) == 29 || (n) == 30)

align 16
global traps_stubs
traps_stubs:
%assign i 0
%rep 256
    align 16, db 0xcc
%if !HAS_ERROR(i)
    push strict dword 0
%endif
    push strict dword i
    jmp near traps_common
%assign i i + 1
%endrep

align 16
traps_common:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    mov rbx, rsp
    and rsp, -16
    call traps_handle
    mov rsp, rbx
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
    iretq

global rdmsr_safe, wrmsr_safe, vmxoff_safe
rdmsr_safe:                          ; edi = MSR, rsi = uint64_t *
    mov ecx, edi
.at: rdmsr
    mov [rsi], eax
    mov [rsi + 4], edx
    mov eax, 1
    ret
wrmsr_safe:                          ; edi = MSR, rsi = value
    mov ecx, edi
    mov eax, esi
    mov rdx, rsi
    shr rdx, 32
.at: wrmsr
    mov eax, 1
    ret
vmxoff_safe:
.at: vmxoff
    mov eax, 1
    ret
traps_failed:
    xor eax, eax
    ret

section .rodata
align 8
global traps_fixups, traps_fixups_end
traps_fixups:                        ; faulting RIP, RIP to go on at
    dq rdmsr_safe.at, traps_failed
    dq wrmsr_safe.at, traps_failed
    dq vmxoff_safe.at, traps_failed
traps_fixups_end:
