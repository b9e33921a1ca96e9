//! Calls a function and looks at a C++ exception that leaves it: what a destructor would do, which Rust's do not get to see.

use std::ffi::{CStr, c_char, c_int, c_void};

/// A function of tt-metal: `this`, another pointer, and a result in a register, if it has one.
pub(super) type Function = unsafe extern "C-unwind" fn(*mut c_void, *const c_void) -> u64;

/// How a call ended that did not return.
#[derive(Clone, Copy, Debug)]
pub(super) enum Thrown<'a> {
    /// By a `std::runtime_error`, which is what tt-metal throws, with this text.
    Says(&'a [u8]),
    /// By an exception of another type, with the type's mangled name; empty where it is none of C++'s.
    OfType(&'a [u8]),
    /// By the end of its thread: nothing was thrown.
    ThreadEnded,
}

/// What is done with an exception.
struct Watch<'a> {
    seen: &'a dyn Fn(Thrown<'_>),
}

/// Calls `real`, and `seen` with its exception if it throws. `seen` runs before any frame is unwound, so that it sees an exception
/// that nobody catches too; what `real` has locked may be locked then.
///
/// # Safety
/// The arguments are what `real` takes.
#[inline(always)]
pub(super) unsafe fn call(first: *mut c_void, second: *const c_void, real: Function, seen: &dyn Fn(Thrown<'_>)) -> u64 {
    let watch = Watch { seen };
    // SAFETY: as promised; `watch` lives during the call, and so while an exception leaves it.
    unsafe { ttmem_call_watched(first, second, real, (&raw const watch).cast()) }
}

/// The same for work that needs other arguments: it calls tt-metal, and gives what is returned.
#[inline(always)]
pub(super) fn call_with(mut work: &mut dyn FnMut() -> u64, seen: &dyn Fn(Thrown<'_>)) -> u64 {
    unsafe extern "C-unwind" fn run(work: *mut c_void, _: *const c_void) -> u64 {
        // SAFETY: what is passed below, which nothing else uses meanwhile.
        unsafe { (*work.cast::<&mut dyn FnMut() -> u64>())() }
    }
    // SAFETY: `run` takes a pointer to the work, which lives during the call.
    unsafe { call((&raw mut work).cast(), std::ptr::null(), run, seen) }
}

// A function with a personality and no cleanups: the unwinder asks `look` about it, first while it searches for a handler and
// then while it unwinds (Itanium C++ ABI: Exception Handling, 1.3). The watch lies in `WATCH` meanwhile.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .text.ttmem_call_watched,\"ax\",@progbits",
    ".hidden ttmem_call_watched",
    ".globl ttmem_call_watched",
    ".type ttmem_call_watched,@function",
    "ttmem_call_watched:",
    ".cfi_startproc",
    ".cfi_personality 0x1b, {look}",
    "push rbx",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbx, -16",
    "mov rbx, rcx",
    "call rdx",
    "pop rbx",
    ".cfi_def_cfa_offset 8",
    "ret",
    ".size ttmem_call_watched, .-ttmem_call_watched",
    ".cfi_endproc",
    ".popsection",
    look = sym look,
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .text.ttmem_call_watched,\"ax\",@progbits",
    ".hidden ttmem_call_watched",
    ".globl ttmem_call_watched",
    ".type ttmem_call_watched,@function",
    "ttmem_call_watched:",
    ".cfi_startproc",
    ".cfi_personality 0x1b, {look}",
    "stp x29, x30, [sp, #-32]!",
    ".cfi_def_cfa_offset 32",
    ".cfi_offset x29, -32",
    ".cfi_offset x30, -24",
    "mov x29, sp",
    "str x19, [sp, #16]",
    ".cfi_offset x19, -16",
    "mov x19, x3",
    "blr x2",
    "ldr x19, [sp, #16]",
    "ldp x29, x30, [sp], #32",
    ".cfi_restore x19",
    ".cfi_restore x29",
    ".cfi_restore x30",
    ".cfi_def_cfa_offset 0",
    "ret",
    ".size ttmem_call_watched, .-ttmem_call_watched",
    ".cfi_endproc",
    ".popsection",
    look = sym look,
);

unsafe extern "C-unwind" {
    fn ttmem_call_watched(first: *mut c_void, second: *const c_void, real: Function, watch: *const c_void) -> u64;
}

unsafe extern "C" {
    fn _Unwind_GetGR(context: *mut c_void, register: c_int) -> u64;
}

/// DWARF's number of the register with the watch: rbx, x19.
const WATCH: c_int = if cfg!(target_arch = "x86_64") { 3 } else { 19 };
/// `_UA_SEARCH_PHASE`, `_UA_FORCE_UNWIND`.
const SEARCH: c_int = 1;
const FORCED: c_int = 8;
/// `_URC_CONTINUE_UNWIND`
const GO_ON: c_int = 8;

/// The personality: notes what is thrown while a handler is searched for, and asks for nothing.
unsafe extern "C" fn look(
    _version: c_int,
    actions: c_int,
    class: u64,
    exception: *const c_void,
    context: *mut c_void,
) -> c_int {
    // SAFETY: the unwinder's own context, in which the register is that of the function above: what `call` was given. The exception
    // is the unwinder's, and nobody has caught it yet.
    unsafe {
        let watch = _Unwind_GetGR(context, WATCH) as *const Watch<'_>;
        if actions & SEARCH != 0 {
            ((*watch).seen)(thrown(class, exception));
        } else if actions & FORCED != 0 {
            ((*watch).seen)(Thrown::ThreadEnded);
        }
    }
    GO_ON
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

/// # Safety
/// `exception` is what the unwinder gives, and nobody has caught it yet.
unsafe fn thrown<'a>(class: u64, exception: *const c_void) -> Thrown<'a> {
    let unwinders = exception.cast::<u8>();
    // SAFETY: an exception of C++ has its type before the unwinder's part, where the Itanium C++ ABI puts it, and the object
    // behind it. The name of a type is its second word. A runtime_error has a vtable with what(), which throws nothing and
    // whose text lives as long as the exception.
    unsafe {
        if class != CPP {
            return Thrown::OfType(b"");
        }
        let type_info = unwinders.sub(TYPE).cast::<*const *const c_char>().read();
        if type_info.is_null() {
            return Thrown::OfType(b"");
        }
        // A name that only one library knows begins with an asterisk.
        let name = CStr::from_ptr(type_info.add(1).read()).to_bytes();
        let name = name.strip_prefix(b"*").unwrap_or(name);
        if name != b"St13runtime_error" {
            return Thrown::OfType(name);
        }
        let object = unwinders.add(HEADER);
        let vtable = object.cast::<*const unsafe extern "C" fn(*const u8) -> *const c_char>().read();
        let text = vtable.add(WHAT).read()(object);
        if text.is_null() {
            return Thrown::OfType(name);
        }
        Thrown::Says(std::slice::from_raw_parts(text.cast::<u8>(), libc::strnlen(text, MOST)))
    }
}
