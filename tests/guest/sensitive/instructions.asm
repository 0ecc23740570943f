; SPDX-License-Identifier: Apache-2.0
; [DOMU] sensitive: the instructions, assembled for 16, 32 and 64 bits. At the start EBX is DATA, ESI a code selector and EDI a data selector of
; the mode and its ring, EAX, ECX and EDX are 0. What may differ from run to run is turned into facts here.

%define CODE 0x9000
%define DATA 0xa000
%define TARGET CODE + 0x800     ; INT3, as everything behind an instruction
; Filled in at DATA by main.c.
%define LGDT_AT 0x20
%define LIDT_AT 0x30
%define INVPCID_AT 0x40
%define GATE_AT 0x60            ; far pointer to a call gate into ring 0
%define AREA_AT 0x100           ; 64-byte aligned, for XSAVE

%define R 1                     ; real mode
%define P0 2
%define P3 4
%define C0 8
%define C3 16
%define L0 32
%define L3 64
%define V 128                   ; virtual-8086 mode
%define RING0 (R | P0 | C0 | L0)
%define RING3 (P3 | C3 | L3)
%define ALL (RING0 | RING3 | V)
%define NOT64 (R | P0 | P3 | C0 | C3 | V)
%define LONG (L0 | L3)

; enum setup
%define IOPL3 1
%define TSD 2
%define NO_OSXSAVE 4
%define NO_FSGSBASE 8
%define TS 16
%define IRQ 32
%define TF 64
%define PVI 128
%define DE 256
%define EM 512
%define AC 1024
%define RF 2048                 ; and an execution breakpoint on byte 2

%macro sized 4
    %define xax %1
    %define xbx %2
    %define xcx %3
    %define xdx %4
%endmacro
%macro push_number 1
%if __BITS__ == 64
    push qword %1
%else
    push dword %1
%endif
%endmacro
%macro push_flags 0
%if __BITS__ == 64
    pushfq
%else
    pushfd
%endif
%endmacro
%macro pop_flags 0
%if __BITS__ == 64
    popfq
%else
    popfd
%endif
%endmacro
%macro flags_seen 0
    push_flags
    pop xax
%endmacro
%macro return_far 0
%if __BITS__ == 64
    db 0x48
%elif __BITS__ == 16
    db 0x66
%endif
    db 0xcb
%endmacro
%macro push_code_selector 0
%if __BITS__ == 64
    push rsi
%else
    push esi
%endif
%endmacro
%macro push_data_selector 0
%if __BITS__ == 64
    push rdi
%else
    push edi
%endif
%endmacro
%macro return_from_interrupt 0
%if __BITS__ == 64
    db 0x48
%elif __BITS__ == 16
    db 0x66
%endif
    db 0xcf
%endmacro
; Flags %1. To the same ring.
%macro interrupt_frame 1
%if __BITS__ == 64
    push rdi
    push_number 0xbe00
%endif
    push_number %1
    push_code_selector
    push_number TARGET
%endmacro
%macro far_pointer 0
    mov dword [xbx], TARGET
    mov [xbx + 4], si
%endmacro
; A far pointer with a 32-bit offset in every mode.
%macro jump_far 0
%if __BITS__ == 16
    db 0x66, 0x67, 0xff, 0x2b
%else
    db 0xff, 0x2b
%endif
%endmacro
%macro call_far 0
%if __BITS__ == 16
    db 0x66, 0x67, 0xff, 0x1b
%else
    db 0xff, 0x1b
%endif
%endmacro
%macro call_gate 0
    db 0xff, 0x5b, GATE_AT
%endmacro
; DR0 and DR7.
%macro breakpoint 2
    mov eax, %1
    mov dr0, xax
    mov eax, %2
    mov dr7, xax
%endmacro
; The next instruction but one is the last before the trap of a single step.
%macro set_tf 0
    push_number 0x102
    pop_flags
%endmacro
; Opcode %1 with a far pointer to 32-bit code of ring 0, in real mode to segment 0.
%macro far_immediate 1
    db %1
%if __BITS__ == 16
    dw TARGET, 0
%else
    dd TARGET
    dw 0x28
%endif
%endmacro
; EAX:EDX becomes 1 when it is not 0.
%macro only_whether 0
    or eax, edx
    setne al
    movzx eax, al
    xor edx, edx
%endmacro

%macro width_prefix 0           ; REX.W
%if __BITS__ == 64
    db 0x48
%endif
%endmacro
; ModRM for [BX], [EBX] or [RBX] with /N in %1: 16-bit code has no prefix for 32-bit addresses here.
%macro at_bx 1
%if __BITS__ == 16
    db 0x07 | %1
%else
    db 0x03 | %1
%endif
%endmacro
%macro flags_for_sysret 0
%if __BITS__ == 64
    mov r11d, 2
%endif
%endmacro

; What a hypervisor does first: FEATURE_CONTROL, CR4.VMXE, VMXON on DATA, and VMXOFF again.
%macro start_vmx 0
    rdmsr_of 0x3a
    test al, 1
    jnz %%locked
    mov al, 5
    wrmsr
%%locked:
    mov xax, cr4
    bts eax, 13
    mov cr4, xax
    rdmsr_of 0x480
    mov [xbx], eax
    mov dword [xbx + 8], DATA
    vmxon [xbx + 8]
    vmxoff
%endmacro

; test NAME, MODES, SETUP, {instruction}, ...
%macro test 4-*
    section .rodata
%%name: db %1, 0
%%code16:
%if (%2) & (R | V)
    bits 16
    sized eax, ebx, ecx, edx
    %rotate 3
    %rep %0 - 3
        %1
        %rotate 1
    %endrep
%endif
%%code32:
%if (%2) & (P0 | P3 | C0 | C3)
    bits 32
    sized eax, ebx, ecx, edx
    %rotate 3
    %rep %0 - 3
        %1
        %rotate 1
    %endrep
%endif
%%code64:
%if (%2) & (L0 | L3)
    bits 64
    sized rax, rbx, rcx, rdx
    %rotate 3
    %rep %0 - 3
        %1
        %rotate 1
    %endrep
%endif
%%end:
    section .data.tests
    dq %%name, %%code16, %%code32, %%code64
    dd %%code32 - %%code16, %%code64 - %%code32, %%end - %%code64, %2, %3, 0
    %undef xax                  ; or the next call's parameters would be expanded before they get there
    %undef xbx
    %undef xcx
    %undef xdx
%endmacro
%macro wrmsr_of 3               ; MSR, high, low
    mov ecx, %1
    mov edx, %2
    mov eax, %3
    wrmsr
%endmacro
%macro rdmsr_of 1
    mov ecx, %1
    rdmsr
%endmacro

section .data.tests align=8
global tests, tests_end
tests:
; The first one measures how long nothing takes.
test "nop", ALL, 0, {nop}

; ---- descriptor tables, tasks, machine status: those that reveal state without a trap ----
test "sgdt", ALL, 0, {sgdt [xbx]}
test "sidt", ALL, 0, {sidt [xbx]}
test "sldt", ALL, 0, {sldt eax}
test "sldt to memory", ALL, 0, {sldt [xbx]}
test "str", ALL, 0, {str eax}
test "str to memory", ALL, 0, {str [xbx]}
test "smsw", ALL, 0, {smsw eax}
test "smsw to memory", ALL, 0, {smsw [xbx]}
test "lgdt", ALL, 0, {lgdt [xbx + LGDT_AT]}, {sgdt [xbx]}
test "lidt", ALL, 0, {lidt [xbx + LIDT_AT]}, {sidt [xbx]}
test "lldt of an LDT", ALL, 0, {mov ax, 0x60}, {lldt ax}, {sldt eax}
test "lldt of nothing", ALL, 0, {lldt ax}, {sldt eax}
test "lldt of code", ALL, 0, {lldt si}
test "ltr of a TSS", ALL, 0, {mov ax, 0x70}, {ltr ax}, {str eax}
test "ltr of a busy TSS", L0 | C0, 0, {mov ax, 0x38}, {ltr ax}
test "ltr of nothing", ALL, 0, {ltr ax}
test "lmsw sets TS", ALL, 0, {smsw eax}, {or al, 8}, {lmsw ax}, {smsw ecx}
test "lmsw cannot clear PE", P0 | C0 | L0, 0, {lmsw ax}, {smsw ecx}
test "clts", ALL, TS, {clts}, {smsw ecx}

; ---- segment registers and selectors ----
test "lar of code", ALL, 0, {mov ecx, 8}, {lar eax, ecx}
test "lar of data of ring 3", ALL, 0, {mov ecx, 0x23}, {lar eax, ecx}
test "lar of a call gate", ALL, 0, {mov ecx, 0x8b}, {lar eax, ecx}
test "lar of nothing", ALL, 0, {mov ecx, 0x200}, {lar eax, ecx}
test "lsl of data", ALL, 0, {mov ecx, 0x23}, {lsl eax, ecx}
test "lsl of a TSS", ALL, 0, {mov ecx, 0x70}, {lsl eax, ecx}
test "lsl of nothing", ALL, 0, {mov ecx, 0x200}, {lsl eax, ecx}
test "verr", ALL, 0, {verr di}
test "verr of what cannot be read", ALL, 0, {mov ax, 0xbb}, {verr ax}
test "verw", ALL, 0, {verw di}
test "verw of read-only data", ALL, 0, {mov ax, 0xb3}, {verw ax}
test "arpl", NOT64, 0, {mov ax, 0x10}, {mov cx, 3}, {arpl ax, cx}
test "mov from cs", ALL, 0, {mov eax, cs}
test "mov from ss", ALL, 0, {mov eax, ss}
test "mov to ds", ALL, 0, {mov ds, edi}, {mov eax, ds}
test "mov to ds, nothing there", ALL - R - V, 0, {mov eax, 0x200}, {mov ds, eax}
test "mov to ds, not present", ALL - R - V, 0, {mov eax, 0xab}, {mov ds, eax}
test "mov to ss", ALL, 0, {mov ss, edi}, {mov eax, ss}
test "mov to ss, ring 0's", RING3, 0, {mov eax, 0x10}, {mov ss, eax}
test "mov to cs", ALL, 0, {db 0x8e, 0xc8}
test "push cs", NOT64, 0, {push cs}, {pop ax}
test "push cs, 64 bits", LONG, 0, {db 0x0e}
test "push ss", NOT64, 0, {push ss}, {pop ax}
test "push ds", NOT64, 0, {push ds}, {pop ax}
test "push es", NOT64, 0, {push es}, {pop ax}
test "push fs", ALL, 0, {push fs}, {pop ax}
test "push gs", ALL, 0, {push gs}, {pop ax}
test "pop ss", NOT64, 0, {push_data_selector}, {o32 pop ss}
test "pop ss, 64 bits", LONG, 0, {db 0x17}
test "pop ds", NOT64, 0, {push_data_selector}, {o32 pop ds}
test "pop ds, 64 bits", LONG, 0, {db 0x1f}
test "pop es", NOT64, 0, {push_data_selector}, {o32 pop es}
test "pop fs", ALL, 0, {push_data_selector}, {db 0x0f, 0xa1}
test "pop gs", ALL, 0, {push_data_selector}, {db 0x0f, 0xa9}
test "pop fs, ring 0's", RING3, 0, {push_number 0x10}, {db 0x0f, 0xa1}
test "lds", NOT64, 0, {far_pointer}, {mov [xbx + 4], di}, {lds eax, [xbx]}
test "lfs", ALL, 0, {far_pointer}, {mov [xbx + 4], di}, {lfs eax, [xbx]}

; ---- flags ----
test "pushf", ALL, 0, {flags_seen}
test "pushf, IOPL 3", ALL, IOPL3, {flags_seen}
test "popf sets IF", ALL, 0, {push_number 0x202}, {pop_flags}, {flags_seen}
test "popf sets IF, IOPL 3", ALL, IOPL3, {push_number 0x3202}, {pop_flags}, {flags_seen}
test "popf sets IOPL and ID", ALL, 0, {push_number 0x203002}, {pop_flags}, {flags_seen}
test "popf sets IF, 16 bits", ALL, 0, {push_number 0x202}, {o16 popf}, {xor eax, eax}, {o16 pushf}, {pop ax}
test "cli", ALL, 0, {cli}, {flags_seen}
test "cli, IOPL 3", ALL, IOPL3, {cli}, {flags_seen}
test "cli, PVI", P0 | P3 | C3 | L3, PVI, {cli}, {flags_seen}
test "sti", ALL, 0, {sti}, {flags_seen}
test "sti, IOPL 3", ALL, IOPL3, {sti}, {flags_seen}
test "sti, PVI", P0 | P3 | C3 | L3, PVI, {sti}, {flags_seen}
test "sti shadow", ALL, IRQ | IOPL3, {sti}, {nop}, {nop}, {nop}
test "sti shadow over cpuid", ALL, IRQ | IOPL3, {sti}, {cpuid}, {nop}, {nop}
test "mov ss shadow", ALL, TF, {mov ss, edi}, {nop}, {nop}
test "mov ss shadow over cpuid", ALL, TF, {mov ss, edi}, {cpuid}, {nop}
test "single step", ALL, TF, {nop}, {nop}
test "single step of cpuid", ALL, TF, {cpuid}, {nop}
test "single step of wbinvd", RING0, TF, {wbinvd}, {nop}
test "single step of out", RING0, TF, {out 0x80, al}, {nop}
test "single step of mov to cr0: NE off", RING0, 0, {mov xax, cr0}, {and al, 0xdf}, {set_tf}, {mov cr0, xax}, {nop}, {nop}
test "single step of mov to cr4: reserved bit", RING0, 0, {mov xax, cr4}, {bts eax, 31}, {set_tf}, {mov cr4, xax}, {nop}
test "single step of rdmsr x2APIC EOI", RING0, 0, {mov ecx, 0x80b}, {set_tf}, {rdmsr}, {nop}
test "single step of rdmsr DEBUGCTL", RING0, 0, {mov ecx, 0x1d9}, {set_tf}, {rdmsr}, {nop}, {nop}
test "single step of wrmsr SYSENTER_ESP", RING0, 0, {mov ecx, 0x175}, {set_tf}, {wrmsr}, {nop}, {nop}
test "single step of xsetbv", RING0, 0, {mov eax, 3}, {set_tf}, {xsetbv}, {nop}, {nop}
test "sti shadow over a fault", ALL, IRQ | IOPL3, {mov ecx, 0x1000}, {sti}, {rdpmc}, {nop}
test "mov ss shadow over a fault", ALL, 0, {mov ecx, 0x1000}, {set_tf}, {mov ss, edi}, {rdpmc}, {nop}
test "mov ss shadow over cpuid, breakpoint on data", RING0, 0, {mov [xbx], di}, {breakpoint DATA, 0x30402}, {mov eax, 0x80000008}, {mov ss, [xbx]}, {cpuid}, {nop}, {nop}
test "cpuid ends RF", ALL - R, RF, {cpuid}, {nop}, {nop}
test "nop, nop end RF", ALL - R, RF, {nop}, {nop}, {nop}, {nop}
test "wbinvd ends RF", RING0 - R, RF, {wbinvd}, {nop}, {nop}
test "an unaligned access with AC", ALL, AC, {mov eax, [xbx + 1]}
test "a page of ring 0's", ALL, 0, {mov eax, [0xd000]}, {xor eax, eax}

; ---- control transfers ----
test "jmp far", ALL, 0, {far_pointer}, {jump_far}
test "call far", ALL, 0, {far_pointer}, {call_far}
test "jmp far, immediate", ALL, 0, {far_immediate 0xea}
test "call far, immediate", ALL, 0, {far_immediate 0x9a}
test "jmp far to data", ALL - R - V, 0, {far_pointer}, {mov [xbx + 4], di}, {jump_far}
test "call through a gate", ALL - R - V, 0, {call_gate}
test "ret far", ALL, 0, {push_code_selector}, {push_number TARGET}, {return_far}
test "ret far to an inner ring", RING3, 0, {push_number 8}, {push_number TARGET}, {return_far}
test "iret, IOPL 3", ALL, IOPL3, {interrupt_frame 0x3002}, {return_from_interrupt}
test "iret", ALL, 0, {interrupt_frame 0x2}, {return_from_interrupt}
test "iret sets IF and IOPL", ALL, 0, {interrupt_frame 0x3202}, {return_from_interrupt}
test "int 0x30, open", ALL, 0, {int 0x30}
test "int 0x30, open, IOPL 3", ALL, IOPL3, {int 0x30}
test "int 0x31, closed to ring 3", ALL, 0, {int 0x31}
test "int3", ALL, 0, {int3}
test "int1", ALL, 0, {db 0xf1}
test "into", ALL, 0, {mov al, 0x7f}, {inc al}, {db 0xce}
test "ud2", ALL, 0, {ud2}
test "syscall", ALL, 0, {syscall}
test "sysret", ALL, 0, {mov ecx, TARGET}, {flags_for_sysret}, {db 0x0f, 0x07}
test "sysret, 64 bits", LONG, 0, {mov ecx, TARGET}, {mov r11d, 2}, {db 0x48, 0x0f, 0x07}
test "sysenter", ALL, 0, {sysenter}
test "sysexit", ALL, 0, {mov ecx, 0xbe00}, {mov edx, TARGET}, {sysexit}
test "swapgs", ALL, 0, {db 0x0f, 0x01, 0xf8}
test "swapgs, then rdgsbase", LONG, 0, {swapgs}, {rdgsbase rax}, {swapgs}

; ---- control and debug registers ----
test "mov from cr0", ALL, 0, {mov xax, cr0}
test "mov from cr2", ALL, 0, {mov xax, cr2}, {xor eax, eax}
test "mov from cr3", ALL, 0, {mov xax, cr3}
test "mov from cr4", ALL, 0, {mov xax, cr4}
test "mov from cr8", LONG, 0, {mov rax, cr8}
test "mov from cr1", ALL, 0, {db 0x0f, 0x20, 0xc8}
test "mov from cr5", ALL, 0, {db 0x0f, 0x20, 0xe8}
test "mov to cr0, same", ALL, 0, {mov xax, cr0}, {mov cr0, xax}, {mov xcx, cr0}
test "mov to cr0: TS, MP, EM", RING0, 0, {mov xax, cr0}, {xor al, 0xe}, {mov cr0, xax}, {mov xcx, cr0}
test "mov to cr0: NE off", RING0, 0, {mov xax, cr0}, {and al, 0xdf}, {mov cr0, xax}, {mov xcx, cr0}
test "mov to cr0: WP and AM", RING0, 0, {mov xax, cr0}, {xor eax, 0x50000}, {mov cr0, xax}, {mov xcx, cr0}
test "mov to cr0: CD and NW", RING0, 0, {mov xax, cr0}, {or eax, 0x60000000}, {mov cr0, xax}, {mov xcx, cr0}
test "mov to cr0: NW alone", RING0, 0, {mov xax, cr0}, {or eax, 0x20000000}, {and eax, 0xbfffffff}, {mov cr0, xax}
test "mov to cr0: PG without PE", RING0, 0, {mov xax, cr0}, {or eax, 0x80000000}, {and al, 0xfe}, {mov cr0, xax}
test "mov to cr0: PG off in 64-bit code", LONG, 0, {mov rax, cr0}, {btr eax, 31}, {mov cr0, rax}
test "mov to cr0: upper half", LONG, 0, {mov rax, cr0}, {bts rax, 40}, {mov cr0, rax}
test "mov to cr2", RING0, 0, {mov eax, 0x12345678}, {mov cr2, xax}, {xor eax, eax}, {mov xcx, cr2}
test "mov to cr3, same", ALL, 0, {mov xax, cr3}, {mov cr3, xax}, {mov xcx, cr3}
test "mov to cr3: reserved bits", LONG, 0, {mov rax, cr3}, {bts rax, 52}, {mov cr3, rax}
test "mov to cr4: TSD, DE, PCE, PGE", RING0, 0, {mov xax, cr4}, {xor eax, 0x18c}, {mov cr4, xax}, {mov xcx, cr4}
test "mov to cr4: VME and PVI", RING0, 0, {mov xax, cr4}, {xor eax, 3}, {mov cr4, xax}, {mov xcx, cr4}
test "mov to cr4: MCE", RING0, 0, {mov xax, cr4}, {xor eax, 0x40}, {mov cr4, xax}, {mov xcx, cr4}
test "mov to cr4: SMEP", RING0, 0, {mov xax, cr4}, {bts eax, 20}, {mov cr4, xax}, {mov xcx, cr4}, {btr ecx, 20}, {mov cr4, xcx}
test "mov to cr4: SMAP", RING0, 0, {mov xax, cr4}, {bts eax, 21}, {mov cr4, xax}, {mov xcx, cr4}, {btr ecx, 21}, {mov cr4, xcx}
test "mov to cr4: UMIP", RING0, 0, {mov xax, cr4}, {bts eax, 11}, {mov cr4, xax}, {mov xcx, cr4}
test "mov to cr4: LA57", RING0, 0, {mov xax, cr4}, {bts eax, 12}, {mov cr4, xax}
test "mov to cr4: VMXE", RING0, 0, {mov xax, cr4}, {bts eax, 13}, {mov cr4, xax}, {mov xcx, cr4}
test "mov to cr4: SMXE", RING0, 0, {mov xax, cr4}, {bts eax, 14}, {mov cr4, xax}, {mov xcx, cr4}
test "mov to cr4: PKE", RING0, 0, {mov xax, cr4}, {bts eax, 22}, {mov cr4, xax}, {mov xcx, cr4}
test "mov to cr4: PCIDE", RING0, 0, {mov xax, cr4}, {bts eax, 17}, {mov cr4, xax}, {mov xcx, cr4}
test "mov to cr4: PAE off in long mode", C0 | L0, 0, {mov xax, cr4}, {btr eax, 5}, {mov cr4, xax}
test "mov to cr4: reserved bit", RING0, 0, {mov xax, cr4}, {bts eax, 31}, {mov cr4, xax}
test "mov to cr8", LONG, 0, {mov eax, 5}, {mov cr8, rax}, {xor eax, eax}, {mov rcx, cr8}, {mov cr8, rax}
test "mov to cr8: reserved bit", LONG, 0, {mov eax, 16}, {mov cr8, rax}
test "mov from dr6", ALL, 0, {mov xax, dr6}
test "mov from dr7", ALL, 0, {mov xax, dr7}
test "mov from dr4, no DE", ALL, 0, {db 0x0f, 0x21, 0xe0}
test "mov from dr4, DE", ALL, DE, {db 0x0f, 0x21, 0xe0}
test "mov to dr0", ALL, 0, {mov eax, 0x12345}, {mov dr0, xax}, {xor eax, eax}, {mov xcx, dr0}
test "mov to dr7", ALL, 0, {mov eax, 0x500}, {mov dr7, xax}, {mov xcx, dr7}
test "mov to dr7: reserved bits", LONG, 0, {mov rax, dr7}, {bts rax, 32}, {mov dr7, rax}
test "mov from dr0 with dr7.GD", RING0, 0, {mov eax, 0x2400}, {mov dr7, xax}, {mov xcx, dr0}
test "a breakpoint on data", RING0, 0, {breakpoint DATA, 0x10402}, {mov [xbx], al}, {nop}, {nop}

; ---- privileged and watched instructions ----
test "hlt until an interrupt", RING0, IRQ, {sti}, {hlt}, {nop}
test "hlt", RING3 | V, 0, {hlt}
test "hlt, IOPL 3", RING3 | V, IOPL3, {hlt}
test "invlpg", ALL, 0, {invlpg [xbx]}
test "invpcid", ALL, 0, {mov eax, 2}, {invpcid xax, [xbx + INVPCID_AT]}
test "invpcid: no such type", ALL, 0, {mov eax, 4}, {invpcid xax, [xbx + INVPCID_AT]}
test "invd", ALL, 0, {invd}
test "wbinvd", ALL, 0, {wbinvd}
test "clflush", ALL, 0, {clflush [xbx]}
test "cpuid 0", ALL, 0, {cpuid}
test "cpuid 1", ALL, 0, {mov eax, 1}, {cpuid}
test "cpuid 5", ALL, 0, {mov eax, 5}, {cpuid}
test "cpuid 6", ALL, 0, {mov eax, 6}, {cpuid}
test "cpuid 7", ALL, 0, {mov eax, 7}, {cpuid}
test "cpuid 0xa", ALL, 0, {mov eax, 0xa}, {cpuid}
test "cpuid 0xb", ALL, 0, {mov eax, 0xb}, {cpuid}
test "cpuid 0xd.1", ALL, 0, {mov eax, 0xd}, {inc ecx}, {cpuid}
test "cpuid 0x15", ALL, 0, {mov eax, 0x15}, {cpuid}
test "cpuid 0x40000000", ALL, 0, {mov eax, 0x40000000}, {cpuid}
test "cpuid 0x80000001", ALL, 0, {mov eax, 0x80000001}, {cpuid}
test "cpuid 0x80000008", ALL, 0, {mov eax, 0x80000008}, {cpuid}
test "cpuid with a prefix", ALL, 0, {mov eax, 0x80000008}, {db 0x2e}, {cpuid}
test "cpuid clears upper halves", LONG, 0, {or rbx, -1}, {or rcx, -1}, {or rdx, -1}, {mov rax, 0xffffffff80000008}, {cpuid}
test "rdtsc", ALL, 0, {rdtsc}, {mov esi, eax}, {rdtsc}, {sub eax, esi}, {cmp eax, 1000}, {setb al}, {movzx eax, al}, {xor edx, edx}, {mov esi, edx}
test "rdtsc, TSD", ALL, TSD, {rdtsc}, {only_whether}
test "rdtscp", ALL, 0, {rdtscp}, {only_whether}
test "rdtscp, TSD", ALL, TSD, {rdtscp}, {only_whether}
test "rdpmc", ALL, 0, {rdpmc}, {only_whether}
test "rdpmc of nothing", ALL, 0, {mov ecx, 0x1000}, {rdpmc}
test "pause", ALL, 0, {pause}
test "rdrand", ALL, 0, {rdrand eax}, {setc al}, {movzx eax, al}
test "rdseed", ALL, 0, {rdseed eax}, {setc al}, {movzx eax, al}
test "monitor", ALL, 0, {mov eax, DATA}, {monitor}
test "mwait", ALL, 0, {mwait}
test "umonitor", ALL, 0, {db 0xf3, 0x0f, 0xae, 0xf3}
test "umwait", ALL, 0, {db 0xf2, 0x0f, 0xae, 0xf1}
test "tpause", ALL, 0, {db 0x66, 0x0f, 0xae, 0xf1}
test "clac", ALL, 0, {clac}
test "stac", ALL, 0, {stac}, {flags_seen}, {clac}
test "rdpkru", ALL, 0, {db 0x0f, 0x01, 0xee}
test "wrpkru", ALL, 0, {db 0x0f, 0x01, 0xef}
test "rdfsbase", ALL, 0, {db 0xf3}, {width_prefix}, {db 0x0f, 0xae, 0xc0}
test "wrgsbase", ALL, 0, {mov eax, 0x1234}, {db 0xf3}, {width_prefix}, {db 0x0f, 0xae, 0xd8}
test "rdgsbase without its CR4 bit", ALL, NO_FSGSBASE, {db 0xf3}, {width_prefix}, {db 0x0f, 0xae, 0xc8}
test "wait with TS and MP", ALL, TS, {wait}
test "fninit with TS", ALL, TS, {fninit}
test "fninit with EM", ALL, EM, {fninit}
test "movaps with EM", ALL, EM, {movaps xmm0, xmm1}

; ---- ports ----
test "in al, 0x80", ALL, 0, {in al, 0x80}
test "in al, 0x80, IOPL 3", RING3 | V, IOPL3, {in al, 0x80}
test "in eax, dx: nobody there", ALL, IOPL3, {mov dx, 0x2f0}, {in eax, dx}
test "out 0x80, al", ALL, 0, {out 0x80, al}
test "out dx, eax, IOPL 3", RING3, IOPL3, {mov dx, 0x2f0}, {out dx, eax}
test "in al, dx keeps the rest", L0, 0, {mov dx, 0x2f0}, {mov rax, 0x1122334455667788}, {in al, dx}
test "in ax, dx keeps the rest", L0, 0, {mov dx, 0x2f0}, {mov rax, 0x1122334455667788}, {in ax, dx}
test "in eax, dx clears the upper half", L0, 0, {mov dx, 0x2f0}, {mov rax, 0x1122334455667788}, {in eax, dx}
test "insb", ALL, 0, {mov edi, DATA}, {mov dx, 0x2f0}, {a32 insb}
test "outsb", ALL, 0, {mov esi, DATA}, {mov dx, 0x2f0}, {a32 outsb}
test "rep insd of none", ALL, 0, {mov edi, DATA}, {mov dx, 0x2f0}, {a32 rep insd}

; ---- XSAVE ----
test "xgetbv", ALL, 0, {xgetbv}
test "xgetbv 1", ALL, 0, {inc ecx}, {xgetbv}, {only_whether}
test "xgetbv 2", ALL, 0, {mov ecx, 2}, {xgetbv}
test "xgetbv without its CR4 bit", ALL, NO_OSXSAVE, {xgetbv}
test "xsetbv", ALL, 0, {mov eax, 7}, {xsetbv}, {xor eax, eax}, {xgetbv}
test "xsetbv: x87 off", ALL, 0, {mov eax, 6}, {xsetbv}
test "xsetbv: no such part", ALL, 0, {mov eax, 3}, {mov edx, 0x40000000}, {xsetbv}
test "xsetbv: no such register", ALL, 0, {mov eax, 3}, {inc ecx}, {xsetbv}
test "xsetbv: MPX", RING0, 0, {mov eax, 0x1b}, {xsetbv}, {xor eax, eax}, {xgetbv}
test "xsetbv: PKRU", RING0, 0, {mov eax, 0x203}, {xsetbv}, {xor eax, eax}, {xgetbv}
test "xsetbv without its CR4 bit", ALL, NO_OSXSAVE, {mov eax, 3}, {xsetbv}
test "xsave", ALL, 0, {mov eax, 1}, {xsave [xbx + AREA_AT]}, {mov eax, [xbx + AREA_AT + 512]}, {and eax, ~1}
test "xsaveopt", ALL, 0, {mov eax, 1}, {xsaveopt [xbx + AREA_AT]}
test "xsavec", ALL, 0, {mov eax, 1}, {xsavec [xbx + AREA_AT]}, {mov eax, [xbx + AREA_AT + 524]}
test "xrstor", ALL, 0, {mov eax, 1}, {xrstor [xbx + AREA_AT]}
test "xrstor: bad header", ALL, 0, {mov byte [xbx + AREA_AT + 520], 1}, {mov eax, 1}, {xrstor [xbx + AREA_AT]}
test "xsave with TS", ALL, TS, {mov eax, 1}, {xsave [xbx + AREA_AT]}
test "xsave without its CR4 bit", ALL, NO_OSXSAVE, {mov eax, 1}, {xsave [xbx + AREA_AT]}
test "xsaves", ALL, 0, {mov eax, 1}, {xsaves [xbx + AREA_AT]}
test "xrstors", ALL, 0, {mov byte [xbx + AREA_AT + 527], 0x80}, {mov eax, 1}, {xrstors [xbx + AREA_AT]}
test "fxsave", ALL, 0, {fxsave [xbx + AREA_AT]}

; ---- model-specific registers ----
test "rdmsr TSC", ALL, 0, {rdmsr_of 0x10}, {only_whether}
test "rdmsr PLATFORM_ID", ALL, 0, {rdmsr_of 0x17}
test "rdmsr APIC_BASE", ALL, 0, {rdmsr_of 0x1b}
test "rdmsr FEATURE_CONTROL", ALL, 0, {rdmsr_of 0x3a}
test "rdmsr microcode revision", ALL, 0, {rdmsr_of 0x8b}
test "rdmsr PMC0", ALL, 0, {rdmsr_of 0xc1}, {only_whether}
test "rdmsr PLATFORM_INFO", ALL, 0, {rdmsr_of 0xce}
test "rdmsr MTRRCAP", ALL, 0, {rdmsr_of 0xfe}
test "rdmsr SYSENTER_EIP", ALL, 0, {rdmsr_of 0x176}
test "rdmsr MISC_ENABLE", ALL, 0, {rdmsr_of 0x1a0}
test "rdmsr DEBUGCTL", ALL, 0, {rdmsr_of 0x1d9}
test "rdmsr MTRR_PHYSBASE0", ALL, 0, {rdmsr_of 0x200}
test "rdmsr PAT", ALL, 0, {rdmsr_of 0x277}
test "rdmsr MTRR_DEF_TYPE", ALL, 0, {rdmsr_of 0x2ff}
test "rdmsr VMX_BASIC", ALL, 0, {rdmsr_of 0x480}
test "rdmsr TSC_DEADLINE", ALL, 0, {rdmsr_of 0x6e0}
test "rdmsr x2APIC id", ALL, 0, {rdmsr_of 0x802}
test "rdmsr x2APIC version", ALL, 0, {rdmsr_of 0x803}
test "rdmsr x2APIC EOI", ALL, 0, {rdmsr_of 0x80b}
test "rdmsr XSS", ALL, 0, {rdmsr_of 0xda0}
test "rdmsr hypercall page", ALL, 0, {rdmsr_of 0x40000000}
test "rdmsr EFER", ALL, 0, {rdmsr_of 0xc0000080}
test "rdmsr LSTAR", ALL, 0, {rdmsr_of 0xc0000082}
test "rdmsr GS_BASE", ALL, 0, {rdmsr_of 0xc0000101}, {xor eax, eax}
test "rdmsr TSC_AUX", ALL, 0, {rdmsr_of 0xc0000103}
test "rdmsr clears upper halves", L0, 0, {or rax, -1}, {or rdx, -1}, {rdmsr_of 0x17}
test "rdmsr of none", ALL, 0, {rdmsr_of 0xdeadbeef}
test "wrmsr TSC, as it is", RING0, 0, {rdmsr_of 0x10}, {wrmsr}, {xor eax, eax}, {xor edx, edx}
test "wrmsr APIC_BASE, as it is", RING0, 0, {rdmsr_of 0x1b}, {wrmsr}
test "wrmsr APIC_BASE, another page", RING0, 0, {rdmsr_of 0x1b}, {xor eax, 0x1000}, {wrmsr}, {xor eax, 0x1000}, {wrmsr}
test "wrmsr FEATURE_CONTROL", RING0, 0, {wrmsr_of 0x3a, 0, 0}
test "wrmsr SYSENTER_ESP", RING0, 0, {wrmsr_of 0x175, 0, 0x1234}, {xor eax, eax}, {rdmsr}
test "wrmsr SYSENTER_ESP, not canonical", RING0, 0, {wrmsr_of 0x175, 0x900000, 0}
test "wrmsr MISC_ENABLE, as it is", RING0, 0, {rdmsr_of 0x1a0}, {wrmsr}, {xor eax, eax}
test "wrmsr DEBUGCTL: LBR", RING0, 0, {wrmsr_of 0x1d9, 0, 1}, {rdmsr}, {mov esi, eax}, {xor eax, eax}, {wrmsr}
test "wrmsr PAT", RING0, 0, {wrmsr_of 0x277, 0x70406, 0x70406}, {rdmsr}
test "wrmsr PAT: no such type", RING0, 0, {wrmsr_of 0x277, 0, 2}
test "wrmsr MTRR_DEF_TYPE, as it is", RING0, 0, {rdmsr_of 0x2ff}, {wrmsr}, {xor eax, eax}
test "wrmsr VMX_BASIC", RING0, 0, {wrmsr_of 0x480, 0, 0}
test "wrmsr x2APIC id", RING0, 0, {wrmsr_of 0x802, 0, 0}
test "wrmsr x2APIC EOI", RING0, 0, {wrmsr_of 0x80b, 0, 0}
test "wrmsr x2APIC EOI, not 0", RING0, 0, {wrmsr_of 0x80b, 0, 1}
test "wrmsr x2APIC TPR", RING0, 0, {wrmsr_of 0x808, 0, 0x20}, {xor eax, eax}, {rdmsr}, {mov esi, eax}, {xor eax, eax}, {wrmsr}
test "wrmsr hypercall page", RING0, 0, {wrmsr_of 0x40000000, 0, DATA}
test "wrmsr EFER: NXE", RING0, 0, {rdmsr_of 0xc0000080}, {xor eax, 0x800}, {wrmsr}, {rdmsr}, {mov esi, eax}, {xor eax, 0x800}, {wrmsr}
test "wrmsr EFER: LME off while paging", C0 | L0, 0, {rdmsr_of 0xc0000080}, {xor eax, 0x100}, {wrmsr}
test "wrmsr EFER: SVME", RING0, 0, {rdmsr_of 0xc0000080}, {xor eax, 0x1000}, {wrmsr}
test "wrmsr LSTAR, not canonical", RING0, 0, {wrmsr_of 0xc0000082, 0x900000, 0}
test "wrmsr", RING3, 0, {wrmsr_of 0xc0000082, 0, 0}
test "wrmsr of none", RING0, 0, {wrmsr_of 0xdeadbeef, 0, 0}

; ---- VMX, SMX, SGX and other worlds ----
test "vmxon", ALL, 0, {db 0xf3, 0x0f, 0xc7}, {at_bx 0x30}
test "vmxoff", ALL, 0, {vmxoff}
test "vmcall", ALL, 0, {mov eax, 17}, {vmcall}
test "vmcall 63", ALL, 0, {mov eax, 63}, {vmcall}
test "vmlaunch", ALL, 0, {vmlaunch}
test "vmresume", ALL, 0, {vmresume}
test "vmclear", ALL, 0, {db 0x66, 0x0f, 0xc7}, {at_bx 0x30}
test "vmptrld", ALL, 0, {db 0x0f, 0xc7}, {at_bx 0x30}
test "vmptrst", ALL, 0, {db 0x0f, 0xc7}, {at_bx 0x38}
test "vmread", ALL, 0, {db 0x0f, 0x78, 0xc1}
test "vmwrite", ALL, 0, {db 0x0f, 0x79, 0xc1}
test "vmfunc", ALL, 0, {db 0x0f, 0x01, 0xd4}
test "invept", ALL, 0, {db 0x66, 0x0f, 0x38, 0x80}, {at_bx 0}
test "invvpid", ALL, 0, {db 0x66, 0x0f, 0x38, 0x81}, {at_bx 0}
test "getsec", ALL, 0, {db 0x0f, 0x37}
test "rsm", ALL, 0, {rsm}
test "encls", ALL, 0, {db 0x0f, 0x01, 0xcf}
test "enclu", ALL, 0, {db 0x0f, 0x01, 0xd7}
test "enclv", ALL, 0, {db 0x0f, 0x01, 0xc0}
test "pconfig", ALL, 0, {db 0x0f, 0x01, 0xc5}
test "seamcall", ALL, 0, {db 0x66, 0x0f, 0x01, 0xcf}
test "tdcall", ALL, 0, {db 0x66, 0x0f, 0x01, 0xcc}
test "vmrun", ALL, 0, {db 0x0f, 0x01, 0xd8}
test "vmmcall", ALL, 0, {db 0x0f, 0x01, 0xd9}
test "stgi", ALL, 0, {db 0x0f, 0x01, 0xdc}
test "invlpga", ALL, 0, {db 0x0f, 0x01, 0xdf}
test "the way into VMX operation", P0 | L0, 0, {start_vmx}
tests_end:
