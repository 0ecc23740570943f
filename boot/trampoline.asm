; SPDX-License-Identifier: Apache-2.0
; [ROOT] The first instructions of every CPU but the boot CPU: from real mode to the hypervisor's own map in one step. kernel/smp/smp.c copies
; them to a page below 1 MiB, fills in the parameters at the end, and gives the page's number to SIPI. SDM vol 3, "Multiple-Processor (MP)
; Initialization" and "Initializing IA-32e Mode" (paging and protection go on together, so no protected-mode code is needed).

MSR_EFER equ 0xc0000080
EFER_LME_NXE equ 0x900

%define AT(label) (label - trampoline_start)

section .rodata
global trampoline_start, trampoline_params, trampoline_end
align 16
trampoline_start:
bits 16
    cli
    cld
    o32 lgdt [cs:AT(p_gdt_register)]
    mov eax, [cs:AT(p_cr4)]
    mov cr4, eax
    mov eax, [cs:AT(p_cr3)]
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME_NXE
    wrmsr
    mov eax, [cs:AT(p_cr0)]
    mov cr0, eax
    jmp dword far [cs:AT(p_far_target)]
bits 64
.long:
    mov eax, 0x10
    mov ss, eax
    mov ds, eax
    mov es, eax
    mov rsp, [rel p_stack]
    mov rdi, [rel p_cpu]
    mov rax, [rel p_root_cr3]
    xor ebp, ebp                     ; ends backtraces
    push rbp
    jmp [rel p_entry]

; struct trampoline in kernel/smp/smp.c
align 8
trampoline_params:
p_cr0: dd 0
p_cr3: dd 0                            ; of the temporary tables, below 4 GiB
p_cr4: dd 0
p_far_target: dd AT(trampoline_start.long)  ; + where the page is
    dw 0x08
p_gdt_register: dw 23
    dd AT(p_gdt)                       ; + where the page is
align 8
p_root_cr3: dq 0
p_stack: dq 0
p_cpu: dq 0
p_entry: dq 0
p_gdt: dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
trampoline_end:

section .text
bits 64
extern smp_cpu_main
; RAX = root's CR3, RDI = struct cpu, the stack is good; the temporary tables also map all that root's do.
global trampoline_high
trampoline_high:
    mov cr3, rax
    call smp_cpu_main
