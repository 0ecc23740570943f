; SPDX-License-Identifier: Apache-2.0
; [ROOT] VM entry as a C function that returns: enum status vmx_enter_asm(struct vmx_vcpu *v).
; 0, STATUS_OK: the guest ran and exited. VMLAUNCH or VMRESUME failed: what vmx_entry_failed(v) says. Guest registers are
; loaded from and saved to v->gprs; root's callee-saved registers and V itself lie on the stack meanwhile. RFLAGS after
; an exit is 2 (SDM vol 3, "Loading Host RIP, RSP, RFLAGS, and SSP").
%include "offsets.inc"

%define VMCS_HOST_RSP 0x6c14

default rel
section .text

global vmx_enter_asm
global vmx_exit_entry
global vmcs_failed
extern vmx_entry_failed
extern vmcs_access_failed

vmx_enter_asm:
        push    rbp
        push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        push    rdi
        ; The run loop calls from one depth: RSP differs only while the VMCS is clear. MOV leaves the flags until the
        ; jump below.
        cmp     rsp, [rdi + VCPU_HOST_RSP]
        mov     rax, [rdi + VCPU_rax]
        mov     rcx, [rdi + VCPU_rcx]
        mov     rdx, [rdi + VCPU_rdx]
        mov     rbx, [rdi + VCPU_rbx]
        mov     rbp, [rdi + VCPU_rbp]
        mov     rsi, [rdi + VCPU_rsi]
        mov     r8, [rdi + VCPU_r8]
        mov     r9, [rdi + VCPU_r9]
        mov     r10, [rdi + VCPU_r10]
        mov     r11, [rdi + VCPU_r11]
        mov     r12, [rdi + VCPU_r12]
        mov     r13, [rdi + VCPU_r13]
        mov     r14, [rdi + VCPU_r14]
        mov     r15, [rdi + VCPU_r15]
        mov     rdi, [rdi + VCPU_rdi]
        jne     .launch
        sti
        vmresume
        jmp     .failed
.launch:
        mov     rdi, [rsp]
        mov     [rdi + VCPU_HOST_RSP], rsp
        mov     eax, VMCS_HOST_RSP
        vmwrite rax, rsp
        jbe     .failed
        mov     rax, [rdi + VCPU_rax]
        mov     rdi, [rdi + VCPU_rdi]
        sti
        vmlaunch
.failed:
        cli
        mov     rdi, [rsp]      ; RSP is 16-byte aligned here, as the call wants it
        call    vmx_entry_failed
        pop     rdi
        jmp     vmx_leave

; The VMCS's host RIP. RSP points at the saved V.
vmx_exit_entry:
        xchg    rdi, [rsp]
        mov     [rdi + VCPU_rax], rax
        mov     [rdi + VCPU_rcx], rcx
        mov     [rdi + VCPU_rdx], rdx
        mov     [rdi + VCPU_rbx], rbx
        mov     [rdi + VCPU_rbp], rbp
        mov     [rdi + VCPU_rsi], rsi
        mov     [rdi + VCPU_r8], r8
        mov     [rdi + VCPU_r9], r9
        mov     [rdi + VCPU_r10], r10
        mov     [rdi + VCPU_r11], r11
        mov     [rdi + VCPU_r12], r12
        mov     [rdi + VCPU_r13], r13
        mov     [rdi + VCPU_r14], r14
        mov     [rdi + VCPU_r15], r15
        pop     qword [rdi + VCPU_rdi]
        xor     eax, eax
; What the guest left in scratch registers must not steer root's speculation.
vmx_leave:
        xor     ecx, ecx
        xor     edx, edx
        xor     esi, esi
        xor     r8d, r8d
        xor     r9d, r9d
        xor     r10d, r10d
        xor     r11d, r11d
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        pop     rbp
        ret

; Where a VMREAD or VMWRITE that failed jumps, the field in RAX: out of line, so that a C function with VMCS accesses
; needs no frame for the call that never happens.
vmcs_failed:
        mov     edi, eax
        call    vmcs_access_failed
