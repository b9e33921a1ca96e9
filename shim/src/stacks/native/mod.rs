//! Native frames of the calling thread.
//!
//! Hardly anything in a ttnn process keeps frame pointers, so the frames are walked by the rules of `.eh_frame`. What the
//! rules say of an address is worked out once and kept (see [`rules`]); from then on a frame is a look into a table and one
//! or two reads, all of them between the stack pointer and the end of the thread's stack.

mod modules;
#[cfg(target_arch = "x86_64")]
mod rules;
#[cfg(target_arch = "x86_64")]
mod trails;

#[cfg(not(target_arch = "x86_64"))]
use ttmem_wire::sites::MAX_FRAMES;

pub(crate) use modules::find_lookup;
pub(super) use modules::{Module, module_of};

#[cfg(target_arch = "x86_64")]
pub(crate) use rules::Rules;

/// What to do after a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    /// On, and count it.
    Count,
    /// On; it does not count.
    Skip,
    /// No further.
    Stop,
}

/// Where a walk begins, and what it shows of each caller: how it will go on.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) struct Registers {
    pub(crate) pc: usize,
    /// On aarch64 known of the first frame only.
    pub(crate) sp: usize,
    pub(crate) fp: usize,
}

impl Registers {
    /// Of the function that this is inlined into, which must not return before the walk is over.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        let (pc, sp, fp);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: three registers are read, nothing is changed.
        unsafe {
            std::arch::asm!("lea {}, [rip]", "mov {}, rsp", "mov {}, rbp", out(reg) pc, out(reg) sp, out(reg) fp,
                options(nomem, nostack, preserves_flags));
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        unsafe {
            std::arch::asm!("adr {}, .", "mov {}, sp", "mov {}, x29", out(reg) pc, out(reg) sp, out(reg) fp,
                options(nomem, nostack, preserves_flags));
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            (pc, sp, fp) = (0, 0, 0);
        }
        Self { pc, sp, fp }
    }
}

/// The part of a stack that may be read.
#[derive(Clone, Copy, Debug)]
struct StackMemory {
    from: usize,
    to: usize,
}

/// No stack is larger: what seems to be is another stack than the thread's own.
const LARGEST_STACK: usize = 256 << 20;

unsafe extern "C" {
    /// The end of the first thread's stack; the loader's.
    static __libc_stack_end: *const u8;
}

impl StackMemory {
    /// From `sp` to the end of the stack that it is on. Of a thread that is where its own block lies, of the first thread
    /// what the loader noted. On any other stack (a coroutine's) nothing may be read.
    #[inline(always)]
    fn from(sp: usize) -> Option<Self> {
        // SAFETY: no preconditions. glibc puts a thread's block at the end of its stack, and gives its address as its name.
        let own_block = unsafe { libc::pthread_self() } as usize;
        // SAFETY: written once by the loader, before any of our code.
        let first_stack = unsafe { __libc_stack_end } as usize;
        let holds = |&end: &usize| sp < end && end - sp <= LARGEST_STACK;
        let to = [own_block, first_stack].into_iter().find(holds)?;
        Some(Self { from: sp, to })
    }

    #[inline(always)]
    fn read(&self, at: usize) -> Option<usize> {
        let fits = at >= self.from && at.is_multiple_of(8) && at.checked_add(8)? <= self.to;
        // SAFETY: an aligned word of this thread's own stack, in use; nobody else writes it while we are in this call.
        fits.then(|| unsafe { std::ptr::read_volatile(at as *const usize) })
    }
}

/// Without rules: by frame pointers, where the platform's code keeps them.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) struct Rules;

#[cfg(not(target_arch = "x86_64"))]
impl Rules {
    #[inline(always)]
    pub(crate) fn walk(
        &self,
        registers: &Registers,
        most: usize,
        mut visit: impl FnMut(&Registers, bool) -> Go,
    ) -> bool {
        let Some(stack) = StackMemory::from(registers.sp) else { return false };
        let (mut fp, mut low, mut counted) = (registers.fp, registers.sp, 0);
        for _ in 0..most.max(MAX_FRAMES) {
            let (Some(next), Some(pc)) = (stack.read(fp), stack.read(fp.wrapping_add(8))) else { return false };
            if fp < low || pc == 0 {
                return false;
            }
            let pc = without_signature(pc);
            // Whose code it is takes a look into the loader's lists, so each frame counts.
            match visit(&Registers { pc, sp: 0, fp: next }, false) {
                Go::Count => counted += 1,
                Go::Skip => {}
                Go::Stop => return false,
            }
            if counted == most {
                return true;
            }
            (low, fp) = (fp + 16, next);
        }
        true
    }
}

/// A return address as it is jumped to: libraries that are built with pointer authentication sign it on the stack.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn without_signature(mut address: usize) -> usize {
    // SAFETY: XPACLRI changes this register alone, and is no operation on processors without signatures.
    unsafe { std::arch::asm!("hint #7", inout("x30") address, options(nomem, nostack, preserves_flags)) };
    address
}
