//! Scratchpads of kernels: placed on top of the program's dataflow buffers, by a function that calls nothing which could be
//! stood in for. So tt-metal's own books are read before and after it; what they have more, scratchpads take.

use std::ffi::c_void;

use ttmem_wire::{CoreRange, Memory};

use super::{
    call_real,
    core_allocators::{self, CoreAllocator, InUse},
    hook,
    placed::Placing,
    programs::Within,
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
        let _within = Within::program(program);
        let unknown = InUse::to_learn_from(program);
        let before = Ends::of(core_allocators::of(program));
        call_real!(PLACE, fn(*mut c_void, *const c_void) -> (), (program, device), else ());
        if let Some(in_use) = unknown {
            in_use.learn(program);
        }
        note(&before, core_allocators::of(program), program, device);
    }
}

/// Where what is placed ends, on each range of cores.
struct Ends {
    known: [(CoreRange, u64); RANGES],
    count: usize,
    is_whole: bool,
}

impl Ends {
    fn of(allocators: &[CoreAllocator]) -> Self {
        let mut ends = Self { known: [(CoreRange::default(), 0); RANGES], count: 0, is_whole: true };
        for allocator in allocators {
            match (allocator.cores(), ends.known.get_mut(ends.count)) {
                (Some(cores), Some(known)) => {
                    *known = (cores, allocator.regions().last().map_or(0, |&[_, end]| end));
                    ends.count += 1;
                }
                _ => ends.is_whole = false,
            }
        }
        ends
    }

    fn on(&self, cores: CoreRange) -> u64 {
        let known = self.known.iter().take(self.count);
        known.filter(|(known, _)| *known == cores).map(|&(_, end)| end).next().unwrap_or(0)
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
