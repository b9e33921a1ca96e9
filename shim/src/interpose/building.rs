//! What an op makes for its program besides kernel binaries: tables in device memory that the cached program holds. ttnn
//! makes them while it builds the program, at the op's first launch; the op's results are allocated before that.
//!
//! Where it begins to build one, ttnn asks tt-metal whether allocations in traces are tracked: that question is stood in
//! for, and answered as ever. The function that asked is remembered with its place on the stack. As long as it is found
//! there, what the thread allocates is the program's; it ends by itself, also when an exception passes. The stack is looked
//! at only from such a question to the first allocation after it: an op that comes from the program cache asks nothing.

use std::{
    ffi::{CStr, c_void},
    mem::MaybeUninit,
    ptr,
};

use super::{
    call_real, hook,
    program::{self, Builder},
};
use crate::{
    fork_guard,
    known::Known,
    stacks::{Go, Registers, Rules},
    thread,
};

/// What the names of the functions begin with in which ttnn launches an op. Others ask the same question: whoever makes a
/// tensor does, and tt-metal itself.
const LAUNCH: &[u8] = b"_ZN4ttnn16device_operation6detail";

/// Frames that are looked at, at most.
const MAX_FRAMES: usize = 128;

/// Extents as words, of whoever asked before, by return address: dladdr goes through all symbols of a library, which took
/// 130 us for each program that was built.
static ASKERS: Known<2048> = Known::new();

/// Bytes of the caller's function before and behind its return address; `None` for one that launches no op.
type Extent = Option<(u32, u32)>;

/// The word for a caller that launches no op: no function begins behind its own code.
const LAUNCHES_NOTHING: u64 = u32::MAX as u64;

#[cfg(target_arch = "x86_64")]
macro_rules! hand_on {
    () => {
        std::arch::naked_asm!("mov rdi, [rsp]", "lea rsi, [rsp + 8]", "jmp {}", sym answer)
    };
}

#[cfg(target_arch = "aarch64")]
macro_rules! hand_on {
    () => {
        std::arch::naked_asm!("mov x0, x30", "mov x1, x29", "b {}", sym answer)
    };
}

hook! {
    /// `trace_allocation_tracking_enabled()`: hands on who asks, and from where on the stack. Nothing else has the return address
    /// for sure.
    #[unsafe(naked)]
    ASK = "_ZN2tt8tt_metal33trace_allocation_tracking_enabledEv";
    fn asked() -> bool {
        hand_on!()
    }
}

unsafe extern "C-unwind" fn answer(caller: usize, place: usize) -> bool {
    // Before the first allocation of all, no program is built.
    if fork_guard::tracker().is_some()
        && let Some((before, behind)) = launcher(caller)
    {
        note(Builder { start: caller - before as usize, end: caller + behind as usize, place });
    }
    call_real!(ASK, fn() -> bool, (), else false)
}

/// How far the caller's function goes, if it launches an op.
fn launcher(caller: usize) -> Extent {
    match ASKERS.get(caller) {
        None => look_up(caller),
        Some(LAUNCHES_NOTHING) => None,
        Some(extent) => Some(((extent >> 32) as u32, extent as u32)),
    }
}

#[cold]
#[inline(never)]
fn look_up(caller: usize) -> Extent {
    let extent = thread::keeping_errno(|| function_of(caller, LAUNCH));
    let word = extent.map_or(LAUNCHES_NOTHING, |(before, behind)| u64::from(before) << 32 | u64::from(behind));
    ASKERS.keep(caller, word);
    extent
}

/// Of dlfcn.h: dladdr1 is to give the symbol too.
const RTLD_DL_SYMENT: libc::c_int = 1;

/// How far the exported function around this code goes, if its name begins so.
fn function_of(address: usize, beginning: &[u8]) -> Extent {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    let mut symbol: *mut libc::Elf64_Sym = ptr::null_mut();
    // SAFETY: any address may be asked; the record and the pointer are ours.
    let found = unsafe {
        let symbol = (&raw mut symbol).cast::<*mut c_void>();
        libc::dladdr1(address as *const c_void, info.as_mut_ptr(), symbol, RTLD_DL_SYMENT)
    };
    if found == 0 {
        return None;
    }
    // SAFETY: zeroed is valid for this plain C struct, and dladdr1 has filled it.
    let info = unsafe { info.assume_init() };
    // SAFETY: the name is NUL-terminated, and its library is loaded as long as its code calls us.
    let is_meant =
        !info.dli_sname.is_null() && unsafe { CStr::from_ptr(info.dli_sname) }.to_bytes().starts_with(beginning);
    // SAFETY: null, or an entry of the symbol table of that library.
    let symbol = unsafe { symbol.as_ref() }.filter(|_| is_meant)?;
    let before = address.checked_sub(info.dli_saddr as usize)?;
    let behind = (symbol.st_size as usize).checked_sub(before)?;
    // A word of all zeroes means nothing; a call has bytes of its own, so this one has some before it.
    (before > 0).then_some((u32::try_from(before).ok()?, u32::try_from(behind).ok()?))
}

/// Remembers the frame that asked. A program that is built within the building of another adds nothing.
#[cold]
fn note(builder: Builder) {
    if !is_building() {
        program::with(|program| program.building.set(Some(builder)));
    }
}

/// Whether ttnn builds a program on this thread now.
#[inline(always)]
pub(super) fn is_building() -> bool {
    program::with(|program| program.building.get()).is_some_and(is_still_there)
}

/// By the rules that call sites are made with, frame by frame as far as its place: the unwinder that comes with the
/// standard library took as long for it as all events of the program.
#[cold]
#[inline(never)]
fn is_still_there(builder: Builder) -> bool {
    let registers = Registers::here();
    let mut found = false;
    Rules.walk(&registers, MAX_FRAMES, |frame, _| {
        // It stands behind a call, which may be the function's last deed.
        found = (builder.start..builder.end).contains(&frame.pc.wrapping_sub(1)) && is_at(frame, builder.place);
        if found || is_behind(frame, builder.place) { Go::Stop } else { Go::Count }
    });
    if !found {
        program::with(|program| program.building.set(None));
    }
    // Keeps this frame where it is until all is done: the registers are its own.
    std::hint::black_box(found)
}

/// A frame is found again by its function, and by its place as far as arguments on the stack move it.
#[cfg(target_arch = "x86_64")]
const SAME_PLACE: usize = 256;

#[cfg(target_arch = "x86_64")]
fn is_at(frame: &Registers, place: usize) -> bool {
    frame.sp.abs_diff(place) < SAME_PLACE
}

/// Frames lie deeper the later they were made: behind the place there is nothing to look for.
#[cfg(target_arch = "x86_64")]
fn is_behind(frame: &Registers, place: usize) -> bool {
    frame.sp > place.saturating_add(SAME_PLACE)
}

#[cfg(not(target_arch = "x86_64"))]
fn is_at(frame: &Registers, place: usize) -> bool {
    frame.fp == place
}

#[cfg(not(target_arch = "x86_64"))]
fn is_behind(frame: &Registers, place: usize) -> bool {
    frame.fp > place
}
