; SPDX-License-Identifier: Apache-2.0
; [DOMU] mode_walk: called by legacy_run in 32-bit code without paging. Goes to the mode that mode_cr0, mode_cr3 and mode_cr4 say, leaves the guest there in four ways, and
; comes back. mode_rax: what the hypercall answered.
bits 32
section .text
global mode_walk
mode_walk:
    mov ecx, 0xc0000080
    rdmsr
    and eax, ~(1 << 8)          ; LME
    wrmsr
    mov edi, cr3
    mov eax, [mode_cr4]
    mov cr4, eax
    mov eax, [mode_cr3]
    mov cr3, eax
    mov eax, [mode_cr0]
    mov cr0, eax
    jmp .there
.there:
    xor eax, eax
    xor ecx, ecx
    push edi
    cpuid
    in al, 0x80
    mov ecx, 0x80f
    rdmsr
    mov eax, 17                 ; xen_version
    xor edi, edi
    vmcall
    mov [mode_rax], eax
    pop edi
    mov eax, 0x21               ; paging off
    mov cr0, eax
    jmp .back
.back:
    mov eax, 1 << 5             ; PAE
    mov cr4, eax
    mov cr3, edi
    mov ecx, 0xc0000080
    rdmsr
    or eax, 1 << 8
    wrmsr
    mov eax, 0x10021            ; WP again: legacy_run sets PG
    mov cr0, eax
    ret

section .bss
global mode_cr0, mode_cr3, mode_cr4, mode_rax
mode_cr0: resd 1
mode_cr3: resd 1
mode_cr4: resd 1
mode_rax: resd 1
