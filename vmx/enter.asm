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
        ; The run loop calls from one depth, so the field rarely changes.
        cmp     rsp, [rdi + VCPU_HOST_RSP]
        je      .rsp_known
        mov     eax, VMCS_HOST_RSP
        mov     [rdi + VCPU_HOST_RSP], rsp
        vmwrite rax, rsp
        jbe     .failed
.rsp_known:
        cmp     byte [rdi + VCPU_LAUNCHED], 0   ; MOV leaves the flags until the jump below
        mov     rax, [rdi + VCPU_RAX]
        mov     rcx, [rdi + VCPU_RCX]
        mov     rdx, [rdi + VCPU_RDX]
        mov     rbx, [rdi + VCPU_RBX]
        mov     rbp, [rdi + VCPU_RBP]
        mov     rsi, [rdi + VCPU_RSI]
        mov     r8, [rdi + VCPU_R8]
        mov     r9, [rdi + VCPU_R9]
        mov     r10, [rdi + VCPU_R10]
        mov     r11, [rdi + VCPU_R11]
        mov     r12, [rdi + VCPU_R12]
        mov     r13, [rdi + VCPU_R13]
        mov     r14, [rdi + VCPU_R14]
        mov     r15, [rdi + VCPU_R15]
        mov     rdi, [rdi + VCPU_RDI]
        je      .launch
        sti
        vmresume
        jmp     .failed
.launch:
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
        mov     [rdi + VCPU_RAX], rax
        mov     [rdi + VCPU_RCX], rcx
        mov     [rdi + VCPU_RDX], rdx
        mov     [rdi + VCPU_RBX], rbx
        mov     [rdi + VCPU_RBP], rbp
        mov     [rdi + VCPU_RSI], rsi
        mov     [rdi + VCPU_R8], r8
        mov     [rdi + VCPU_R9], r9
        mov     [rdi + VCPU_R10], r10
        mov     [rdi + VCPU_R11], r11
        mov     [rdi + VCPU_R12], r12
        mov     [rdi + VCPU_R13], r13
        mov     [rdi + VCPU_R14], r14
        mov     [rdi + VCPU_R15], r15
        pop     qword [rdi + VCPU_RDI]
        mov     byte [rdi + VCPU_LAUNCHED], 1
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
