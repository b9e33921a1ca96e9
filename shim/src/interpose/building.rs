//! What an op makes for its program besides kernel binaries: tables in device memory that the cached program holds. ttnn
//! makes them while it builds the program, at the op's first launch; the op's results are allocated before that.
//!
//! Where it begins to build one, ttnn asks tt-metal whether allocations in traces are tracked: that question is stood in
//! for, and answered as ever. The function that asked is remembered with its place on the stack. As long as it is found
//! there, what the thread allocates is the program's; it ends by itself, also when an exception passes. The stack is looked
//! at only from such a question to the first allocation after it: an op that comes from the program cache asks nothing.

use std::{
    ffi::{CStr, c_int, c_void},
    mem::MaybeUninit,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::call_real;
use crate::{gate, symbols::Symbol, thread};

static ASK: Symbol = Symbol::new(c"_ZN2tt8tt_metal33trace_allocation_tracking_enabledEv");

/// What the names of the functions begin with in which ttnn launches an op. Others ask the same question: whoever makes a
/// tensor does, and tt-metal itself.
const LAUNCH: &[u8] = b"_ZN4ttnn16device_operation6detail";

/// Frames that are looked at, at most.
const MAX_FRAMES: usize = 128;
/// A frame is found again by its function, and by its place as far as arguments on the stack move it.
const SAME_PLACE: usize = 256;

/// Callers that launch no op, and those that do, so that each is looked up once: dladdr goes through all symbols of a library,
/// which took 130 us for each program that was built.
static OTHERS: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];
static LAUNCHERS: [AtomicUsize; 512] = [const { AtomicUsize::new(0) }; 512];

/// `trace_allocation_tracking_enabled()`: hands on who asks. Nothing else has the return address for sure.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(export_name = "_ZN2tt8tt_metal33trace_allocation_tracking_enabledEv")]
unsafe extern "C-unwind" fn asked() -> bool {
    std::arch::naked_asm!("mov rdi, [rsp]", "jmp {}", sym answer)
}

/// The same.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(export_name = "_ZN2tt8tt_metal33trace_allocation_tracking_enabledEv")]
unsafe extern "C-unwind" fn asked() -> bool {
    std::arch::naked_asm!("mov x0, x30", "b {}", sym answer)
}

unsafe extern "C-unwind" fn answer(caller: usize) -> bool {
    // Before the first allocation of all, no program is built.
    if gate::tracker().is_some() && launches_op(caller) {
        note(caller);
    }
    call_real!(ASK, fn() -> bool, (), else false)
}

fn launches_op(caller: usize) -> bool {
    // SYNC: alone; an entry that is lost to another thread's is looked up again.
    let (other, launcher) = (&OTHERS[(caller >> 2) % OTHERS.len()], &LAUNCHERS[(caller >> 2) % LAUNCHERS.len()]);
    if other.load(Ordering::Relaxed) == caller {
        return false;
    }
    if launcher.load(Ordering::Relaxed) == caller {
        return true;
    }
    let launches_op = thread::keeping_errno(|| is_in(caller, LAUNCH));
    let entry = if launches_op { launcher } else { other };
    entry.store(caller, Ordering::Relaxed);
    launches_op
}

/// Whether this code is in an exported function whose name begins so.
fn is_in(address: usize, beginning: &[u8]) -> bool {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: any address may be asked; the record is ours.
    if unsafe { libc::dladdr(address as *const c_void, info.as_mut_ptr()) } == 0 {
        return false;
    }
    // SAFETY: zeroed is valid for this plain C struct, and dladdr has filled it.
    let name = unsafe { info.assume_init() }.dli_sname;
    // SAFETY: the name is NUL-terminated, and its library is loaded as long as its code calls us.
    !name.is_null() && unsafe { CStr::from_ptr(name) }.to_bytes().starts_with(beginning)
}

/// Remembers the frame that asked. A program that is built within the building of another adds nothing.
#[cold]
fn note(caller: usize) {
    if is_building() {
        return;
    }
    let found = find_frame(|frame| (frame.code == caller).then_some((frame.function, frame.place)), usize::MAX);
    thread::with(|thread| thread.program.building.set(found.unwrap_or((0, 0))));
}

/// Whether ttnn builds a program on this thread now.
#[inline(always)]
pub(super) fn is_building() -> bool {
    let (function, place) = thread::with(|thread| thread.program.building.get());
    place != 0 && is_still_there(function, place)
}

#[cold]
#[inline(never)]
fn is_still_there(function: usize, place: usize) -> bool {
    let is_it = |frame: Frame| (frame.function == function && frame.place.abs_diff(place) < SAME_PLACE).then_some(());
    // Frames lie deeper the later they were made: behind the place there is nothing to look for. A program that is built would
    // pay a walk over all of Python's frames for it, which took as long as all its events.
    let found = find_frame(is_it, place.saturating_add(SAME_PLACE)).is_some();
    if !found {
        thread::with(|thread| thread.program.building.set((0, 0)));
    }
    found
}

/// One frame of the stack.
#[derive(Clone, Copy)]
struct Frame {
    /// Where it goes on.
    code: usize,
    /// Where its function begins.
    function: usize,
    place: usize,
}

/// Shows `visit` the frames of this thread, innermost first, until it finds something, at most up to `last_place`.
fn find_frame<T, F: FnMut(Frame) -> Option<T>>(visit: F, last_place: usize) -> Option<T> {
    struct Walk<T, F> {
        visit: F,
        left: usize,
        last_place: usize,
        found: Option<T>,
    }
    unsafe extern "C" fn step<T, F: FnMut(Frame) -> Option<T>>(context: *mut c_void, walk: *mut c_void) -> c_int {
        // SAFETY: it is the walk that find_frame passes, alive and not otherwise used during the call.
        let walk = unsafe { &mut *walk.cast::<Walk<T, F>>() };
        // SAFETY: the context is the unwinder's own, valid during the call.
        let frame = unsafe {
            Frame {
                code: _Unwind_GetIP(context),
                function: _Unwind_GetRegionStart(context),
                place: _Unwind_GetCFA(context),
            }
        };
        walk.left -= 1;
        if frame.place <= walk.last_place {
            walk.found = (walk.visit)(frame);
        } else {
            walk.left = 0;
        }
        // Anything but 0 stops.
        c_int::from(walk.found.is_some() || walk.left == 0)
    }
    let mut walk = Walk { visit, left: MAX_FRAMES, last_place, found: None };
    // SAFETY: callback and argument fit together, and both outlive the call.
    unsafe { _Unwind_Backtrace(step::<T, F>, (&raw mut walk).cast()) };
    walk.found
}

// Of the unwinder that the standard library brings along.
unsafe extern "C" {
    fn _Unwind_Backtrace(step: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int, argument: *mut c_void)
    -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn _Unwind_GetRegionStart(context: *mut c_void) -> usize;
    fn _Unwind_GetCFA(context: *mut c_void) -> usize;
}
