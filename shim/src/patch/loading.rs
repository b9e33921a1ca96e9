//! A stand-in for dlopen, so that a library is looked at as soon as it is loaded.

use std::ffi::{CStr, c_char, c_int, c_void};

/// The address that stands in for dlopen.
pub(super) fn function() -> usize {
    entry as *const () as usize
}

/// The address of the real one.
pub(super) fn real() -> usize {
    libc::dlopen as *const () as usize
}

/// Jumps to what `route` returns, with the caller's arguments and return address: by that address dlopen finds the search path of its
/// caller.
#[unsafe(naked)]
#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn entry(name: *const c_char, flags: c_int) -> *mut c_void {
    std::arch::naked_asm!(
        "push rdi", "push rsi", "sub rsp, 8", "call {route}", "add rsp, 8", "pop rsi", "pop rdi", "jmp rax",
        route = sym route,
    )
}

/// As on x86-64.
#[unsafe(naked)]
#[cfg(target_arch = "aarch64")]
unsafe extern "C" fn entry(name: *const c_char, flags: c_int) -> *mut c_void {
    std::arch::naked_asm!(
        "stp x0, x1, [sp, #-32]!", "str x30, [sp, #16]", "bl {route}", "mov x16, x0", "ldr x30, [sp, #16]",
        "ldp x0, x1, [sp], #32", "br x16",
        route = sym route,
    )
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use open_and_look as entry;

/// The real dlopen where the caller's own search path matters: for a name without a slash, or with `$ORIGIN` in it.
unsafe extern "C" fn route(name: *const c_char) -> usize {
    let is_path = !name.is_null() && {
        // SAFETY: dlopen's argument, where it is not null, is a NUL-terminated string.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        name.contains(&b'/') && !name.contains(&b'$')
    };
    if is_path { open_and_look as *const () as usize } else { real() }
}

/// The real dlopen, and a look at what it has loaded. A C++ exception of a library's constructor passes.
unsafe extern "C-unwind" fn open_and_look(name: *const c_char, flags: c_int) -> *mut c_void {
    // SAFETY: the real function's address, with its own signature; the arguments are the caller's.
    let library = unsafe {
        let real: unsafe extern "C-unwind" fn(*const c_char, c_int) -> *mut c_void = std::mem::transmute(real());
        real(name, flags)
    };
    crate::thread::keeping_errno(super::refresh);
    library
}
