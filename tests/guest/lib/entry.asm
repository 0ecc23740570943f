; SPDX-License-Identifier: Apache-2.0
; [DOMU] PVH entry of the tiny test guests: 32-bit, paging off, EBX = start info. Identity-maps the low 4 GiB, goes to
; long mode, calls guest_main(start_info). Exceptions go to guest_trap(frame). Also here: code in another mode (run_at, legacy_run).

%define SEL_CODE 0x08
%define SEL_DATA 0x10
%define SEL_USER_DATA 0x23
%define SEL_CODE32 0x28

; With PAE on: to long mode's paging, on the tables made below. In 16-bit and in 32-bit code.
%macro paging_on 0
    mov eax, pml4
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 1 << 8              ; LME
    wrmsr
    mov eax, 0x80010021         ; PG WP NE PE
    mov cr0, eax
%endmacro

%macro flat_segments 0
    mov eax, SEL_USER_DATA      ; good at any privilege level
    mov ds, eax
    mov es, eax
    mov eax, SEL_DATA
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
%endmacro

bits 32
section .note.pvh note alloc noexec nowrite align=4
    dd 4, 8, 18                 ; XEN_ELFNOTE_PHYS32_ENTRY
    db "Xen", 0
    dq pvh_start

section .text
global pvh_start
extern guest_main, guest_trap
pvh_start:
    cli
    cld
    mov esp, stack_top
    mov [start_info], ebx
    mov dword [pml4], pdpt + 7  ; the upper levels let user mode in: the leaves decide
    mov eax, pd + 7
    mov edi, pdpt
    mov ecx, 4
.pdpt:
    mov [edi], eax
    add eax, 4096
    add edi, 8
    loop .pdpt
    mov edi, pd
    mov eax, 0x83
    mov ecx, 2048
.pd:
    mov [edi], eax
    add eax, 0x200000
    add edi, 8
    loop .pd
    mov eax, cr4
    or eax, 1 << 5              ; PAE
    mov cr4, eax
    paging_on
    lgdt [gdt_ptr]
    jmp 8:long_mode

bits 64
long_mode:
    flat_segments
    mov esp, stack_top
    xor ebp, ebp
    mov edi, [start_info]
    call guest_main
.stop:
    cli
    hlt
    jmp .stop

; One stub per vector, 16 bytes apart: pushes an error code where the CPU does not, then the vector.
align 16
global guest_stubs
guest_stubs:
%assign vec 0
%rep 256
    align 16
%if !(vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21)
    push qword 0
%endif
    push qword vec
    jmp near trap_common
%assign vec vec + 1
%endrep

trap_common:
    push rax
    push rcx
    push rdx
    push rbx
    push rbp
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    mov rdi, rsp
    call guest_trap
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rax
    add rsp, 16
    iretq

; void run_at(const struct run *): goes to R's mode, address and registers by IRET. It comes back at the next trap that no hook
; takes: guest_trap puts run_back and run_rsp into the frame.
global run_at, run_back, run_rsp
run_at:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [run_rsp], rsp
    mov r11, rdi
    push qword [r11 + 8]        ; SS
    push qword [r11 + 16]       ; RSP
    push qword [r11 + 24]       ; RFLAGS
    push qword [r11 + 32]       ; CS
    push qword [r11]            ; RIP
    mov rax, [r11 + 40]
    mov rcx, [r11 + 48]
    mov rdx, [r11 + 56]
    mov rbx, [r11 + 64]
    mov rsi, [r11 + 72]
    mov rdi, [r11 + 80]
    iretq
run_back:
    mov eax, SEL_USER_DATA
    mov ds, eax
    mov es, eax
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

; void legacy_run(void (*code32)(void)): calls it in 32-bit protected mode without paging, interrupts off. The caller has the
; 64-bit IDT to load again if that changed it; TR and the GDT are as before.
global legacy_run
legacy_run:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [run_rsp], rsp
    mov ebx, edi
    push qword SEL_CODE32
    push qword .down
    retfq
bits 32
.down:
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov eax, SEL_DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov esp, legacy_stack_top
    call ebx
    mov eax, cr0
    or eax, 0x80000000          ; LME and PAE are still set
    mov cr0, eax
    jmp SEL_CODE:.up
bits 64
.up:
    mov rsp, [run_rsp]
    mov eax, SEL_DATA
    mov ss, eax
    jmp run_back

; What the other CPUs begin with, in real mode: start_cpu copies it to the page that the SIPI names. Straight to long mode, on page tables and
; GDT of the first CPU, then ap_main(its number) on a stack of its own.
global ap_code, ap_code_end
extern ap_main
bits 16
ap_code:
    cli
    mov ax, cs
    mov ds, ax
    o32 lgdt [.gdt_ptr - ap_code]
    mov eax, 1 << 5             ; PAE
    mov cr4, eax
    paging_on
    jmp dword SEL_CODE:ap_long
.gdt_ptr:
    dw 9 * 8 - 1
    dd gdt
ap_code_end:
bits 64
ap_long:
    flat_segments
    mov ecx, 0x802              ; the x2APIC's id: twice the number
    rdmsr
    shr eax, 1
    mov edi, eax
    shl eax, 13
    lea rsp, [ap_stacks + rax]  ; the end of the one before; CPU 0 has none here
    xor ebp, ebp
    call ap_main
.stop:
    cli
    hlt
    jmp .stop

section .data
align 16
global gdt, gdt_ptr
gdt:
    dq 0
    dq 0x00af9b000000ffff       ; 0x08 kernel code, 64 bits
    dq 0x00cf93000000ffff       ; 0x10 kernel data
    dq 0x00affb000000ffff       ; 0x18 user code, 64 bits
    dq 0x00cff3000000ffff       ; 0x20 user data
    dq 0x00cf9b000000ffff       ; 0x28 kernel code, 32 bits
    dq 0x00cffb000000ffff       ; 0x30 user code, 32 bits
    dq 0, 0                     ; 0x38 TSS, 64 bits: traps_on
    times 8 dq 0                ; 0x48 the guest's own
gdt_ptr:
    dw $ - gdt - 1
    dq gdt

section .bss
alignb 4096
global pd
pml4: resb 4096
pdpt: resb 4096
pd: resb 4 * 4096
resb 16384
stack_top:
resb 4096
ap_stacks:
resb 7 * 8192
global legacy_stack_top
legacy_stack_top:
run_rsp: resq 1
start_info: resd 1
