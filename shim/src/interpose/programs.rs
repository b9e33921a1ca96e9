//! Programs: whose circular buffers are placed or freed, and what the program cache holds. tt-metal's tracker names neither,
//! so the calls around it are stood in for; a build without them has circular buffers by device alone.

use std::ffi::c_void;

use super::{call_real, gathering, hook, placed, program};
use crate::{capture::guarded, fired, fork_guard};

/// A program object's number: its address, as far as one that is freed and made again may have the same.
pub(super) fn number(program: *const c_void) -> u64 {
    program as u64 >> 4
}

/// This thread's words about the program, put back at the end, also when an exception passes.
pub(super) struct Within {
    id: u64,
    placed_on: [u64; ttmem_wire::MAX_POOLS / 64],
    site: Option<u32>,
    loading: bool,
}

impl Within {
    pub(super) fn program(program: *const c_void) -> Self {
        tell_gathered();
        program::with(|words| Self {
            id: words.id.replace(number(program)),
            placed_on: words.placed_on.take(),
            site: words.site.take(),
            loading: words.loading.get(),
        })
    }

    fn loading() -> Self {
        program::with(|words| Self {
            id: words.id.get(),
            placed_on: words.placed_on.get(),
            site: words.site.get(),
            loading: words.loading.replace(true),
        })
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        tell_gathered();
        program::with(|words| {
            words.id.set(self.id);
            words.placed_on.set(self.placed_on);
            words.site.set(self.site);
            words.loading.set(self.loading);
        });
    }
}

/// Before another program's turn, or none's.
#[inline(always)]
fn tell_gathered() {
    if gathering::is_any()
        && let Some(tracker) = fork_guard::tracker()
    {
        guarded(|| gathering::tell(tracker));
    }
}

hook! {
    /// `ProgramImpl::allocate_circular_buffers(IDevice const*)`: calls `track_allocate_cb` for each.
    PLACE = "_ZN2tt8tt_metal6detail11ProgramImpl25allocate_circular_buffersEPKNS0_7IDeviceE";
    fn place(program: *mut c_void, device: *const c_void) {
        fired::note(&fired::ANY);
        let _within = Within::program(program);
        call_real!(PLACE, fn(*mut c_void, *const c_void) -> (), (program, device), else ());
    }
}

hook! {
    /// `ProgramImpl::deallocate_circular_buffers()`: calls `track_deallocate_cb` for each device. What else the program has placed
    /// ends here too.
    TAKE_BACK = "_ZN2tt8tt_metal6detail11ProgramImpl27deallocate_circular_buffersEv";
    fn take_back(program: *mut c_void) {
        fired::note(&fired::ANY);
        let _within = Within::program(program);
        placed::take_back(program);
        call_real!(TAKE_BACK, fn(*mut c_void) -> (), (program), else ());
    }
}

hook! {
    /// `MeshWorkloadImpl::load_binaries(MeshCommandQueue&)`: allocates what a program's kernels and tables need, at its first
    /// launch; they live as long as the program is cached.
    LOAD = "_ZN2tt8tt_metal11distributed16MeshWorkloadImpl13load_binariesERNS1_16MeshCommandQueueE";
    fn load(workload: *mut c_void, queue: *mut c_void) {
        let _within = Within::loading();
        call_real!(LOAD, fn(*mut c_void, *mut c_void) -> (), (workload, queue), else ());
    }
}
