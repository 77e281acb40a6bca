//! What libc would bring: the entry point, the exit and the five memory functions that compiled code calls.
#![expect(unsafe_code, reason = "the lint counts global_asm!; there is no unsafe block, function or extern item")]

use core::arch::global_asm;

// For debug builds: the prebuilt `core` names it in its unwind tables. With `panic = "abort"` nothing unwinds, so nothing calls it.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
global_asm!(".globl rust_eh_personality", "rust_eh_personality:");

// The kernel enters with rsp on a multiple of 16, which is what `call` wants. 60 is exit(2).
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "call {run}",
    "mov edi, eax",
    "mov eax, 60",
    "syscall",
    "ud2",
    run = sym crate::run,
);

// System V: arguments in rdi, rsi, rdx, the result in rax, and the direction flag clear on entry and on return.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl memcpy",
    "memcpy:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    // Forward unless the destination starts within the source.
    ".globl memmove",
    "memmove:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "mov r8, rdi",
    "sub r8, rsi",
    "cmp r8, rdx",
    "jb 2f",
    "rep movsb",
    "ret",
    "2:",
    "lea rdi, [rdi + rdx - 1]",
    "lea rsi, [rsi + rdx - 1]",
    "std",
    "rep movsb",
    "cld",
    "ret",
    ".globl memset",
    "memset:",
    "mov r8, rdi",
    "mov eax, esi",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8",
    "ret",
    ".globl memcmp",
    ".globl bcmp",
    "memcmp:",
    "bcmp:",
    "xor ecx, ecx",
    "2:",
    "cmp rcx, rdx",
    "je 3f",
    "movzx eax, byte ptr [rdi + rcx]",
    "movzx r8d, byte ptr [rsi + rcx]",
    "inc rcx",
    "sub eax, r8d",
    "je 2b",
    "ret",
    "3:",
    "xor eax, eax",
    "ret",
);

// The kernel enters with sp on a multiple of 16. 93 is exit(2).
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "bl {run}",
    "mov w8, #93",
    "svc #0",
    "brk #1",
    run = sym crate::run,
);

// AAPCS64: arguments in x0, x1, x2, the result in x0; x3 to x5 are free.
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl memcpy",
    "memcpy:",
    "mov x3, xzr",
    "2:",
    "cmp x3, x2",
    "b.eq 3f",
    "ldrb w4, [x1, x3]",
    "strb w4, [x0, x3]",
    "add x3, x3, #1",
    "b 2b",
    "3:",
    "ret",
    // Forward unless the destination starts within the source.
    ".globl memmove",
    "memmove:",
    "sub x3, x0, x1",
    "cmp x3, x2",
    "b.hs memcpy",
    "2:",
    "cbz x2, 3f",
    "sub x2, x2, #1",
    "ldrb w4, [x1, x2]",
    "strb w4, [x0, x2]",
    "b 2b",
    "3:",
    "ret",
    ".globl memset",
    "memset:",
    "mov x3, xzr",
    "2:",
    "cmp x3, x2",
    "b.eq 3f",
    "strb w1, [x0, x3]",
    "add x3, x3, #1",
    "b 2b",
    "3:",
    "ret",
    ".globl memcmp",
    ".globl bcmp",
    "memcmp:",
    "bcmp:",
    "mov x3, xzr",
    "2:",
    "cmp x3, x2",
    "b.eq 3f",
    "ldrb w4, [x0, x3]",
    "ldrb w5, [x1, x3]",
    "add x3, x3, #1",
    "subs w4, w4, w5",
    "b.eq 2b",
    "mov w0, w4",
    "ret",
    "3:",
    "mov w0, wzr",
    "ret",
);

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!(
    "the freestanding proof has an entry point for x86_64 and aarch64 only: use `cargo xtask no-std --bare`"
);
