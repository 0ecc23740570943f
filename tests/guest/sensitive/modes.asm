; SPDX-License-Identifier: Apache-2.0
; [DOMU] sensitive: from 64-bit code to real mode, and to 32-bit protected mode (virtual-8086 mode, too) with 32-bit paging; and back at the
; next trap.

%define EXCHANGE 0x8000
%define CODE 0x9000
%define STACK0 0xff00
%define STACK3 0xbf00
%define REAL_CODE 0xc000
%define PAGE_DIRECTORY 0xd000
%define SEL_CODE 0x08
%define SEL_DATA 0x10
%define SEL_CODE32 0x28
%define SEL_TSS 0x38
%define SEL_TSS32 0x48
%define SEL_CODE16 0x50
%define SEL_DATA16 0x58
%define MSR_EFER 0xc0000080
%define LME 0x100
%define FLAG_VM 0x20000

struc ex
.eax: resd 1
.ecx: resd 1
.edx: resd 1
.ebx: resd 1
.esi: resd 1
.edi: resd 1
.eflags: resd 1
.cs: resd 1
.ss: resd 1
.real: resd 1
.cr0: resd 1
.cr4: resd 1
.began: resd 1
.ended: resd 1
.vector: resd 1
.error: resd 1
.out_eip: resd 1
.out_cs: resd 1
.out_eflags: resd 1
.out_eax: resd 1
.out_ecx: resd 1
.out_edx: resd 1
.out_ebx: resd 1
.out_esi: resd 1
.out_edi: resd 1
endstruc
%define X(field) EXCHANGE + ex. %+ field

%macro time_and_registers 0
    rdtsc
    mov [X(began)], eax
    mov eax, [X(eax)]
    mov ecx, [X(ecx)]
    mov edx, [X(edx)]
    mov ebx, [X(ebx)]
    mov esi, [X(esi)]
    mov edi, [X(edi)]
%endmacro


section .text
bits 64
global legacy_exchange, legacy_prepare
extern idt

legacy_exchange:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [old_rsp], rsp
    mov rax, cr0
    mov [old_cr0], rax
    mov rax, cr3
    mov [old_cr3], rax
    mov rax, cr4
    mov [old_cr4], rax
    push qword SEL_CODE32
    push qword .down
    retfq
bits 32
.down:
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov ecx, MSR_EFER
    rdmsr
    and eax, ~LME
    wrmsr
    cmp dword [X(real)], 0
    jne .real
    mov eax, [X(cr4)]
    mov cr4, eax
    mov eax, PAGE_DIRECTORY
    mov cr3, eax
    mov eax, [X(cr0)]
    mov cr0, eax
    jmp .paged
.paged:
    lidt [idt32_ptr]
    mov eax, SEL_DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov esp, STACK0
    mov eax, [gdt_ptr_here + 2]
    and byte [eax + SEL_TSS32 + 5], ~2  ; not busy
    mov ecx, SEL_TSS32
    ltr cx
    test dword [X(eflags)], FLAG_VM
    jnz .virtual
    mov eax, [X(ss)]
    mov ds, eax
    mov es, eax
    test dword [X(cs)], 3
    jz .same
    push eax
    push dword STACK3
    jmp .same
.virtual:
    times 4 push dword 0        ; GS FS DS ES
    push dword 0                ; SS
    push dword STACK3
.same:
    push dword [X(eflags)]
    push dword [X(cs)]
    push dword CODE
    time_and_registers
    iretd
.real:
    mov eax, SEL_DATA16
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    jmp SEL_CODE16:REAL_CODE

; A trap of 32-bit protected mode.
legacy_trap:
    push eax
    mov eax, SEL_DATA
    mov ds, eax
    mov es, eax
    pop dword [X(out_eax)]
    mov [X(out_ecx)], ecx
    mov [X(out_edx)], edx
    mov [X(out_ebx)], ebx
    mov [X(out_esi)], esi
    mov [X(out_edi)], edi
    rdtsc
    mov [X(ended)], eax
    pop dword [X(vector)]
    pop dword [X(error)]
    pop dword [X(out_eip)]
    pop dword [X(out_cs)]
    pop dword [X(out_eflags)]
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    jmp back
from_real:
    mov eax, SEL_DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
back:
    mov esp, STACK0
    lgdt [gdt_ptr_here]
    mov eax, [old_cr4]
    mov cr4, eax
    mov eax, [old_cr3]
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, LME
    wrmsr
    mov eax, [old_cr0]
    mov cr0, eax
    jmp SEL_CODE:.up
bits 64
.up:
    xor eax, eax
    mov fs, eax
    mov gs, eax
    mov eax, SEL_DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rsp, [old_rsp]
    mov eax, [gdt_ptr_here + 2]
    and byte [rax + SEL_TSS + 5], ~2
    mov ecx, SEL_TSS
    ltr cx
    lidt [idt64_ptr]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

legacy_prepare:
    mov [gdt_ptr_here], si
    mov [gdt_ptr_here + 2], rdi
    mov [real_gdt_ptr], si
    mov [real_gdt_ptr + 2], edi
    mov rsi, real_code
    mov edi, REAL_CODE
    mov ecx, real_code_end - real_code
    rep movsb
    xor ecx, ecx
.vector:
    mov edx, ecx                ; IVT
    shl edx, 3
    add edx, REAL_CODE + real_stubs - real_code
    mov [rcx * 4], edx          ; segment 0
    mov edx, ecx                ; IDT
    shl edx, 4
    add edx, stubs32
    mov eax, edx
    and eax, 0xffff
    or eax, SEL_CODE32 << 16
    mov [idt32 + rcx * 8], eax
    and edx, 0xffff0000
    or edx, 0x8e00
    cmp ecx, 3
    je .open
    cmp ecx, 0x30
    jne .closed
.open:
    or edx, 0x6000
.closed:
    mov [idt32 + rcx * 8 + 4], edx
    inc ecx
    cmp ecx, 256
    jb .vector
    ret

bits 32
align 16
stubs32:
%assign vec 0
%rep 256
    align 16
%if !(vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21)
    push dword 0
%endif
    push dword vec
    jmp near legacy_trap
%assign vec vec + 1
%endrep

; ---- runs at REAL_CODE, segment 0 ----
bits 16
%define HERE(label) REAL_CODE + label - real_code
real_code:
    mov eax, [X(cr4)]
    mov cr4, eax
    mov eax, [X(cr0)]
    mov cr0, eax
    jmp 0:HERE(.off)
.off:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    lidt [HERE(real_idt_ptr)]
    mov esp, STACK0
    push word [X(eflags)]
    push word 0
    push word CODE
    time_and_registers
    iret
real_trap:
    mov [cs:X(out_eax)], eax
    xor ax, ax
    mov ds, ax
    mov [X(out_ecx)], ecx
    mov [X(out_edx)], edx
    mov [X(out_ebx)], ebx
    mov [X(out_esi)], esi
    mov [X(out_edi)], edi
    rdtsc
    mov [X(ended)], eax
    xor eax, eax
    mov [X(error)], eax
    pop ax
    mov [X(vector)], eax
    pop ax
    mov [X(out_eip)], eax
    pop ax
    mov [X(out_cs)], eax
    pop ax
    mov [X(out_eflags)], eax
    o32 lgdt [HERE(real_gdt_ptr)]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword SEL_CODE32:from_real
real_idt_ptr:
    dw 0x3ff
    dd 0
real_gdt_ptr:
    dw 0
    dd 0
align 8
real_stubs:
%assign vec 0
%rep 256
    push word vec
    jmp near real_trap
    align 8
%assign vec vec + 1
%endrep
real_code_end:

section .data
align 8
idt32_ptr:
    dw 8 * 256 - 1
    dd idt32
idt64_ptr:
    dw 16 * 256 - 1
    dq idt

section .bss
alignb 8
global idt32
idt32: resb 8 * 256
old_rsp: resq 1
old_cr0: resq 1
old_cr3: resq 1
old_cr4: resq 1
gdt_ptr_here: resb 10
