//! Calls a function and looks at a C++ exception that leaves it: what a destructor would do, which Rust's do not get to see.

use std::ffi::c_void;

/// A function of tt-metal: `this`, another pointer, and a result in a register, if it has one.
pub(super) type Function = unsafe extern "C-unwind" fn(*mut c_void, *const c_void) -> u64;

/// What is done with an exception's text.
struct Watch<'a> {
    seen: &'a dyn Fn(Option<&[u8]>),
}

/// Calls `real`, and `seen` with its exception's text, where that can be read, if it throws.
///
/// # Safety
/// The arguments are what `real` takes.
#[inline(always)]
pub(super) unsafe fn call(
    first: *mut c_void,
    second: *const c_void,
    real: Function,
    seen: &dyn Fn(Option<&[u8]>),
) -> u64 {
    // SAFETY: as promised.
    unsafe { watch(first, second, real, Watch { seen }) }
}

#[cfg(target_arch = "x86_64")]
use x86_64::watch;

#[cfg(not(target_arch = "x86_64"))]
use other::watch;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::ffi::{CStr, c_char};

    use super::{Function, Watch, c_void};

    // A function with one cleanup, as a compiler would write it: while the call in it is unwound, `seen` runs, and the
    // exception goes on. The C personality of libgcc knows cleanups and nothing else.
    std::arch::global_asm!(
        ".pushsection .text.ttmem_call_watched,\"ax\",@progbits",
        ".hidden ttmem_call_watched",
        ".globl ttmem_call_watched",
        ".type ttmem_call_watched,@function",
        "ttmem_call_watched:",
        ".cfi_startproc",
        ".cfi_personality 0x9b, DW.ref.__gcc_personality_v0",
        ".cfi_lsda 0x1b, .Lttmem_lsda",
        "push rbx",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbx, -16",
        "mov rbx, rcx",
        ".Lttmem_begin:",
        "call rdx",
        ".Lttmem_end:",
        ".cfi_remember_state",
        "pop rbx",
        ".cfi_def_cfa_offset 8",
        "ret",
        ".cfi_restore_state",
        ".Lttmem_landing:",
        "mov rsi, rbx",
        "mov rbx, rax",
        "mov rdi, rax",
        "call {seen}",
        "mov rdi, rbx",
        "call {resume}",
        "ud2",
        ".Lttmem_after:",
        ".size ttmem_call_watched, .Lttmem_after-ttmem_call_watched",
        ".cfi_endproc",
        ".popsection",
        // Where in the function an exception may pass, and where it goes then.
        ".pushsection .gcc_except_table.ttmem_call_watched,\"a\",@progbits",
        ".p2align 2",
        ".Lttmem_lsda:",
        ".byte 0xff",
        ".byte 0xff",
        ".byte 0x01",
        ".uleb128 .Lttmem_calls_end-.Lttmem_calls",
        ".Lttmem_calls:",
        ".uleb128 .Lttmem_begin-ttmem_call_watched",
        ".uleb128 .Lttmem_end-.Lttmem_begin",
        ".uleb128 .Lttmem_landing-ttmem_call_watched",
        ".uleb128 0",
        ".Lttmem_calls_end:",
        ".popsection",
        ".hidden DW.ref.__gcc_personality_v0",
        ".weak DW.ref.__gcc_personality_v0",
        ".pushsection .data.rel.ro.DW.ref.__gcc_personality_v0,\"awG\",@progbits,DW.ref.__gcc_personality_v0,comdat",
        ".p2align 3",
        ".type DW.ref.__gcc_personality_v0,@object",
        ".size DW.ref.__gcc_personality_v0, 8",
        "DW.ref.__gcc_personality_v0:",
        ".quad __gcc_personality_v0",
        ".popsection",
        seen = sym seen,
        resume = sym _Unwind_Resume,
    );

    unsafe extern "C-unwind" {
        fn ttmem_call_watched(first: *mut c_void, second: *const c_void, real: Function, watch: *const c_void) -> u64;
        fn _Unwind_Resume(exception: *mut c_void) -> !;
    }

    #[inline(always)]
    pub(super) unsafe fn watch(first: *mut c_void, second: *const c_void, real: Function, watch: Watch<'_>) -> u64 {
        // SAFETY: as `call` promises; `watch` lives during the call, and so while an exception leaves it.
        unsafe { ttmem_call_watched(first, second, real, (&raw const watch).cast()) }
    }

    unsafe extern "C" fn seen(exception: *const c_void, watch: *const c_void) {
        // SAFETY: the unwinder's exception, which nobody has caught yet; and what `call` was given.
        unsafe { ((*watch.cast::<Watch<'_>>()).seen)(text(exception)) };
    }

    /// "GNUCC++\0": thrown by C++ code, and not rethrown from another thread.
    const CPP: u64 = 0x474E_5543_432B_2B00;
    /// Bytes of the unwinder's own part, behind which the thrown object lies.
    const HEADER: usize = 32;
    /// How far before that part the C++ runtime notes the object's type.
    const TYPE: usize = 80;
    /// `what()` in the vtable of a standard exception, behind two destructors.
    const WHAT: usize = 2;
    /// Of a message that goes on with a backtrace, the beginning says it.
    const MOST: usize = 2048;

    /// What a `std::runtime_error` says, which is what tt-metal throws; `None` of anything else.
    ///
    /// # Safety
    /// `exception` is what the unwinder gives, and nobody has caught it yet.
    unsafe fn text<'a>(exception: *const c_void) -> Option<&'a [u8]> {
        let unwinders = exception.cast::<u8>();
        // SAFETY: every exception begins with its class; one of C++ has its type before that, where the Itanium C++ ABI
        // puts it, and the object behind it. The name of a type is its second word. A runtime_error has a vtable with
        // what(), which throws nothing and whose text lives as long as the exception.
        unsafe {
            if unwinders.cast::<u64>().read() != CPP {
                return None;
            }
            let type_info = unwinders.sub(TYPE).cast::<*const *const c_char>().read();
            if type_info.is_null() || CStr::from_ptr(type_info.add(1).read()) != c"St13runtime_error" {
                return None;
            }
            let object = unwinders.add(HEADER);
            let vtable = object.cast::<*const unsafe extern "C" fn(*const u8) -> *const c_char>().read();
            let text = vtable.add(WHAT).read()(object);
            (!text.is_null()).then(|| std::slice::from_raw_parts(text.cast::<u8>(), libc::strnlen(text, MOST)))
        }
    }
}

/// Where nobody has written that function yet: a destructor runs, which knows of no text.
#[cfg(not(target_arch = "x86_64"))]
mod other {
    use super::{Function, Watch, c_void};

    impl Drop for Watch<'_> {
        fn drop(&mut self) {
            (self.seen)(None);
        }
    }

    pub(super) unsafe fn watch(first: *mut c_void, second: *const c_void, real: Function, watch: Watch<'_>) -> u64 {
        // SAFETY: as `call` promises.
        let result = unsafe { real(first, second) };
        std::mem::forget(watch);
        result
    }
}
