//! Scratchpads of kernels: placed on top of the program's dataflow buffers, by a function that calls nothing which could be
//! stood in for. So tt-metal's own books are read before and after it; what they have more, scratchpads take.

use std::ffi::c_void;

use ttmem_wire::{CoreRange, Memory};

use super::{
    array_vec::ArrayVec,
    call_real,
    core_allocators::{self, CoreAllocator, InUse},
    hook,
    placed::Placing,
    witnesses,
};
use crate::fired;

/// Ranges of cores whose books are compared; a program with more has its scratchpads lost, and counted.
const RANGES: usize = 256;

hook! {
    /// `ProgramImpl::allocate_scratchpads(IDevice const*)`: does something at a program's first launch, and once more when its
    /// dataflow buffers were placed anew.
    PLACE = "_ZN2tt8tt_metal6detail11ProgramImpl20allocate_scratchpadsEPKNS0_7IDeviceE";
    fn place(program: *mut c_void, device: *const c_void) {
        fired::note(&fired::ANY);
        let unknown = InUse::to_learn_from(program);
        let mut before = Ends::new();
        before.read(core_allocators::of(program));
        call_real!(PLACE, fn(*mut c_void, *const c_void) -> (), (program, device), else ());
        if let Some(in_use) = unknown {
            in_use.learn(program);
        }
        note(&before, core_allocators::of(program), program, device);
    }
}

/// Where what is placed ends, on each range of cores.
struct Ends {
    known: ArrayVec<(CoreRange, u64), RANGES>,
    is_whole: bool,
}

impl Ends {
    const fn new() -> Self {
        Self { known: ArrayVec::new(), is_whole: true }
    }

    /// In place: what is returned is copied with all its room.
    fn read(&mut self, allocators: &[CoreAllocator]) {
        for allocator in allocators {
            let end = allocator.regions().last().map_or(0, |&[_, end]| end);
            self.is_whole &= allocator.cores().is_some_and(|cores| self.known.push((cores, end)));
        }
    }

    fn on(&self, cores: CoreRange) -> u64 {
        let mut known = self.known.as_slice().iter();
        known.find(|(known, _)| *known == cores).map_or(0, |&(_, end)| end)
    }

    /// What an allocator has more than then: its cores, and the bytes.
    fn added<'a>(&self, allocator: &'a CoreAllocator) -> impl Iterator<Item = (CoreRange, u64, u64)> + Clone + 'a {
        let cores = allocator.cores();
        let before = cores.map_or(u64::MAX, |cores| self.on(cores));
        allocator.regions().iter().filter_map(move |&[begin, end]| {
            let (cores, begin) = (cores?, begin.max(before));
            (end > begin).then(|| (cores, begin, end - begin))
        })
    }
}

fn note(before: &Ends, after: &[CoreAllocator], program: *const c_void, device: *const c_void) {
    let all = || after.iter().flat_map(|allocator| before.added(allocator));
    if all().next().is_none() {
        return;
    }
    let Some((tracker, metal)) = witnesses() else { return };
    if !before.is_whole {
        tracker.producers.count_dropped();
        return;
    }
    let Some(mut placing) = Placing::new(tracker, metal, Memory::Scratchpad, program, device) else { return };
    for (at, (_, address, size)) in all().enumerate() {
        let is_same = |other: &(CoreRange, u64, u64)| (other.1, other.2) == (address, size);
        // The same bytes on other cores are one scratchpad.
        if !all().take(at).any(|other| is_same(&other)) {
            placing.report(address, size, all().filter(is_same).map(|(cores, ..)| cores));
        }
    }
}
