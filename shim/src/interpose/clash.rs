//! Circular buffers that find no room: a program's, and its dataflow buffers, are placed from the bottom of L1 upwards,
//! tensors from the top downwards. Before each launch tt-metal looks whether they meet, and throws if they do.
//!
//! Only its message has the figures: of dataflow buffers it reports none elsewhere. So the exception is looked at as it
//! passes, and goes on as it was. (One that nobody catches passes nobody.)

use std::ffi::c_void;

use ttmem_wire::{CoreRange, Event, EventKind, Memory, flags};

use super::{devices, hook, metal, programs};
use crate::{
    capture::{self, Site, guarded, record},
    fired, fork_guard,
    symbols::Symbol,
};

type Validate = unsafe extern "C-unwind" fn(*mut c_void, *const c_void);

/// What is being looked at.
#[repr(C)]
struct Looked {
    program: *const c_void,
    device: *const c_void,
    flags: u16,
}

hook! {
    /// `ProgramImpl::validate_circular_buffer_region(IDevice const*)`.
    CIRCULAR = "_ZN2tt8tt_metal6detail11ProgramImpl31validate_circular_buffer_regionEPKNS0_7IDeviceE";
    fn validate_circular(program: *mut c_void, device: *const c_void) {
        // SAFETY: the caller's own arguments, for the function of this name.
        unsafe { validate(&CIRCULAR, program, device, 0) };
    }
}

hook! {
    /// `ProgramImpl::validate_dataflow_buffer_region(IDevice const*)`.
    DATAFLOW = "_ZN2tt8tt_metal6detail11ProgramImpl31validate_dataflow_buffer_regionEPKNS0_7IDeviceE";
    fn validate_dataflow(program: *mut c_void, device: *const c_void) {
        // SAFETY: as above.
        unsafe { validate(&DATAFLOW, program, device, flags::DATAFLOW_BUFFERS) };
    }
}

unsafe fn validate(real: &Symbol, program: *mut c_void, device: *const c_void, flags: u16) {
    fired::note(&fired::ANY);
    let address = real.address();
    if !address.is_null() {
        // SAFETY: the mangled names fix the signature of both.
        let real = unsafe { std::mem::transmute::<*mut c_void, Validate>(address) };
        let looked = Looked { program, device, flags };
        // SAFETY: the caller's own arguments; `looked` outlives the call.
        unsafe { watched::call(program, device, real, &looked) };
    }
}

/// Notes the refusal. `text` is the exception's, if it can be read.
fn note(looked: &Looked, text: Option<&[u8]>) {
    let told = match text.map(Told::read) {
        // Something else is wrong with the program.
        Some(None) => return,
        Some(Some(told)) => told,
        None => Told::default(),
    };
    if let Some((tracker, metal)) = fork_guard::tracker().zip(metal::known())
        && let Some(target) = devices::target(tracker, metal, looked.device, std::ptr::null())
    {
        let event = Event {
            kind: EventKind::OutOfMemory,
            memory: Some(Memory::CircularBuffer),
            flags: looked.flags | if told.is_beyond_l1 { flags::BEYOND_L1 } else { 0 },
            target,
            address: told.limit,
            size: told.end,
            holder: programs::number(looked.program),
            site: capture::site(tracker),
            cores: told.cores,
            ..Event::default()
        };
        guarded(|| record(tracker, event, Site::Given));
    }
}

/// What the message says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    /// Where the region of the program's buffers ends, on a core.
    end: u64,
    /// Where the lowest buffer in L1 lies there; or how large L1 is.
    limit: u64,
    is_beyond_l1: bool,
    cores: Option<CoreRange>,
}

impl Told {
    fn read(text: &[u8]) -> Option<Self> {
        let cores = after(text, b"core range [").and_then(core_range);
        if let (Some(end), Some(limit)) = (number_after(text, b"grow to "), number_after(text, b"max L1 size of ")) {
            return Some(Self { end, limit, is_beyond_l1: true, cores });
        }
        let end = number_after(text, b"ends at ")?;
        let limit = number_after(text, b"allocated at ").or_else(|| number_after(text, b"allocation at "))?;
        Some(Self { end, limit, is_beyond_l1: false, cores })
    }
}

fn after<'a>(text: &'a [u8], words: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(words.len()).position(|window| window == words)?;
    text.get(at + words.len()..)
}

fn number_after(text: &[u8], words: &[u8]) -> Option<u64> {
    number(after(text, words)?).map(|(number, _)| number)
}

/// A number at the beginning, and what comes behind it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits).filter(|(digits, _)| !digits.is_empty())?;
    let value =
        digits.iter().try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    Some((value, rest))
}

/// "0-0 - 7-7]": the corners, each x and y.
fn core_range(text: &[u8]) -> Option<CoreRange> {
    let corner = |text| {
        let (x, rest) = number(text)?;
        let (y, rest) = number(rest.strip_prefix(b"-")?)?;
        Some((u16::try_from(x).ok()?, u16::try_from(y).ok()?, rest))
    };
    let (first_x, first_y, rest) = corner(text)?;
    let (last_x, last_y, _) = corner(rest.strip_prefix(b" - ")?)?;
    Some(CoreRange { first_x, first_y, last_x, last_y })
}

/// Calls a function and looks at a C++ exception that leaves it: what a destructor would do, which Rust's do not get to see.
#[cfg(target_arch = "x86_64")]
mod watched {
    use std::ffi::{CStr, c_char, c_void};

    use super::{Looked, Validate, note};

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
        fn ttmem_call_watched(program: *mut c_void, device: *const c_void, real: Validate, looked: *const Looked);
        fn _Unwind_Resume(exception: *mut c_void) -> !;
    }

    /// Calls `real`.
    ///
    /// # Safety
    /// The arguments are what `real` takes.
    pub(super) unsafe fn call(program: *mut c_void, device: *const c_void, real: Validate, looked: &Looked) {
        // SAFETY: as promised; `looked` lives during the call, and so while an exception leaves it.
        unsafe { ttmem_call_watched(program, device, real, looked) };
    }

    unsafe extern "C" fn seen(exception: *const c_void, looked: *const Looked) {
        // SAFETY: the unwinder's exception, which nobody has caught yet; and what `call` was given.
        unsafe { note(&*looked, text(exception)) };
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

/// Where nobody has written that function yet: the refusal is noted, without the figures.
#[cfg(not(target_arch = "x86_64"))]
mod watched {
    use std::ffi::c_void;

    use super::{Looked, Validate, note};

    struct Watch<'a>(&'a Looked);

    impl Drop for Watch<'_> {
        fn drop(&mut self) {
            note(self.0, None);
        }
    }

    /// Calls `real`.
    ///
    /// # Safety
    /// The arguments are what `real` takes.
    pub(super) unsafe fn call(program: *mut c_void, device: *const c_void, real: Validate, looked: &Looked) {
        let watch = Watch(looked);
        // SAFETY: as promised.
        unsafe { real(program, device) };
        std::mem::forget(watch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_tt_metal_are_understood() {
        let cores = |first_x, first_y, last_x, last_y| Some(CoreRange { first_x, first_y, last_x, last_y });
        let clash = b"TT_THROW @ a.cpp:3096: tt::exception\ninfo:\nStatically allocated dataflow buffers in program 8 clash \
            with L1 buffers on core range [0-0 - 11-7]. L1 buffer allocated at 131072 and static dataflow buffer region \
            ends at 666752\nbacktrace:";
        let told = Told { end: 666_752, limit: 131_072, is_beyond_l1: false, cores: cores(0, 0, 11, 7) };
        assert_eq!(Told::read(clash), Some(told));
        let beyond =
            b"Statically allocated circular buffers on core range [1-2 - 3-4] grow to 2000000 B which is beyond \
            max L1 size of 1572864 B";
        let told = Told { end: 2_000_000, limit: 1_572_864, is_beyond_l1: true, cores: cores(1, 2, 3, 4) };
        assert_eq!(Told::read(beyond), Some(told));
        let service =
            b"clash with ServiceCoreManager-allocated L1 (lowest service allocation at 5, CB region ends at 9)";
        assert_eq!(Told::read(service), Some(Told { end: 9, limit: 5, ..Told::default() }));
        assert_eq!(Told::read(b"allocated at 99999999999999999999999 ends at 5"), None);
        assert_eq!(Told::read(b"core range [, ends at "), None);
    }
}
