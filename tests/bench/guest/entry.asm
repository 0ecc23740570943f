; SPDX-License-Identifier: Apache-2.0
; [DOMU] PVH entry of the exit-cost benchmark guest: notes the TSC first, identity-maps the low 4 GiB, goes to long mode, calls bench_main.

bits 32
section .note.pvh note alloc noexec nowrite align=4
    dd 4, 8, 18                     ; XEN_ELFNOTE_PHYS32_ENTRY
    db "Xen", 0
    dq pvh_start

section .text
global pvh_start
extern bench_main, trap
pvh_start:
    cli
    cld
    rdtsc                           ; time of the first instructions
    mov [entry_tsc], eax
    mov [entry_tsc + 4], edx
    mov [start_info_pa], ebx
    mov esp, stack_top
    mov dword [pml4], pdpt + 3
    mov eax, pd + 3
    mov edi, pdpt
    mov ecx, 4
.pdpt:
    mov [edi], eax
    add eax, 4096
    add edi, 8
    loop .pdpt
    mov edi, pd                     ; 2048 large pages; the top GiB (APIC, devices) is uncached
    mov eax, 0x83
    mov ecx, 2048
.pd:
    cmp eax, 0xc0000000
    jb .cached
    or eax, 0x18
.cached:
    mov [edi], eax
    add eax, 0x200000
    add edi, 8
    loop .pd
    mov eax, cr4
    or eax, 1 << 5                  ; PAE
    mov cr4, eax
    mov eax, pml4
    mov cr3, eax
    mov ecx, 0xc0000080             ; EFER.LME
    rdmsr
    or eax, 1 << 8
    wrmsr
    mov eax, 0x80010023             ; PG WP NE MP PE
    mov cr0, eax
    lgdt [gdt_ptr]
    jmp 8:long_mode

bits 64
default rel
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
    mov edi, [start_info_pa]
    call bench_main
.stop:
    cli
    hlt
    jmp .stop

; Exception stubs: one per vector 0..31, at trap_stubs + 16 * vector.
align 16
global trap_stubs
trap_stubs:
%assign vec 0
%rep 32
    align 16
%if !(vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21 || vec == 29 || vec == 30)
    push qword 0
%endif
    push qword vec
    jmp near trap_entry
%assign vec vec + 1
%endrep

trap_entry:
    push rax
    push rcx
    push rdx
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    mov rdi, rsp
    call trap
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rax
    add rsp, 16
    iretq

; Interrupt stubs stamp the TSC first, so that "delivery" does not include handler work. Argument: how to acknowledge.
%macro IRQ_STUB 2
align 16
global %1
%1:
    push rax
    push rdx
    rdtsc
    mov [irq_tsc], eax
    mov [irq_tsc + 4], edx
    inc dword [irq_count]
%if %2 == 1                         ; xAPIC: EOI register
    mov eax, 0xfee000b0
    mov dword [rax], 0
%elif %2 == 2                       ; x2APIC: EOI MSR
    push rcx
    mov ecx, 0x80b
    xor eax, eax
    xor edx, edx
    wrmsr
    pop rcx
%elif %2 == 3                       ; event channel: acknowledged in memory
    mov rax, [evtchn_upcall_ptr]
    mov byte [rax], 0               ; vcpu_info.evtchn_upcall_pending
    mov qword [rax + 8], 0          ; vcpu_info.evtchn_pending_sel
    mov rax, [evtchn_pending_ptr]
    mov qword [rax], 0              ; shared_info.evtchn_pending[0]
%endif
    pop rdx
    pop rax
    iretq
%endmacro
    IRQ_STUB irq_xapic, 1
    IRQ_STUB irq_x2apic, 2
    IRQ_STUB irq_evtchn, 3

align 16
global irq_spurious
irq_spurious:
    iretq

section .rodata
align 8
gdt: dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
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
global entry_tsc, irq_tsc, irq_count, evtchn_upcall_ptr, evtchn_pending_ptr
entry_tsc: resq 1
irq_tsc: resq 1
evtchn_upcall_ptr: resq 1
evtchn_pending_ptr: resq 1
start_info_pa: resd 1
irq_count: resd 1
