; SPDX-License-Identifier: Apache-2.0
; [DOM0] Exceptions, the event upcall, and the switch between threads.
default rel
bits 64

extern traps_exception
extern traps_upcall
extern thread_begin
global traps_exception_stubs
global traps_upcall_stub
global cpu_switch
global cpu_thread_start

; struct cpu_frame: general registers above vector and error code
%macro PUSH_REGS 0
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
%endmacro
%macro POP_REGS 0
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
%endmacro

section .text

; SDM volume 3A, "Error Code": vectors 8, 10-14, 17, 21, 29 and 30 push one; the others get a zero in its place.
%define PUSHES_ERROR 0x60227d00
%assign v 0
%rep 32
exception_stub_%+v:
%if ((PUSHES_ERROR >> v) & 1) == 0
    push 0
%endif
    push v
    jmp exception_common
%assign v v+1
%endrep

exception_common:
    cld
    PUSH_REGS
    mov rdi, rsp
    xor ebp, ebp
    call traps_exception            ; does not return

; The upcall runs on the stack of whatever thread it met. traps_upcall may switch to another thread; this one then goes
; on here later.
traps_upcall_stub:
    push 0
    push 0xf3
    cld
    PUSH_REGS
    mov rbp, rsp
    and rsp, -16
    call traps_upcall
    mov rsp, rbp
    POP_REGS
    add rsp, 16
    iretq

; void cpu_switch(uint64_t *save, uint64_t load)
cpu_switch:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [rdi], rsp
    mov rsp, rsi
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

cpu_thread_start:
    xor ebp, ebp                    ; the backtrace ends here
    call thread_begin               ; does not return

section .rodata
align 8
traps_exception_stubs:
%assign v 0
%rep 32
    dq exception_stub_%+v
%assign v v+1
%endrep

section .note.GNU-stack noalloc noexec nowrite progbits
