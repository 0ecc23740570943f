; SPDX-License-Identifier: Apache-2.0
; [DOMU] PVH entry of the tiny test guests: 32-bit, paging off, EBX = start info. Identity-maps the low 4 GiB, goes to
; long mode, calls guest_main(start_info). Exceptions go to guest_trap(frame).

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
    mov dword [pml4], pdpt + 3
    mov eax, pd + 3
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
    mov eax, pml4
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 1 << 8              ; LME
    wrmsr
    mov eax, 0x80010021         ; PG WP NE PE
    mov cr0, eax
    lgdt [gdt_ptr]
    jmp 8:long_mode

bits 64
long_mode:
    mov eax, 16
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
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

section .rodata
align 8
gdt: dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00affb000000ffff, 0x00cff3000000ffff
gdt_ptr:
    dw $ - gdt - 1
    dd gdt

section .bss
alignb 4096
pml4: resb 4096
pdpt: resb 4096
pd: resb 4 * 4096
resb 16384
stack_top:
start_info: resd 1
