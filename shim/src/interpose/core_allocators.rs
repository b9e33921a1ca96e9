//! tt-metal's own books of what a program has placed on which cores: `ProgramImpl` has a vector of an allocator for each range
//! of cores, in which dataflow buffers and scratchpads stand together.
//!
//! Where the vector lies is learned: `mark_address` runs on an element of it, and a program that has scratchpads alone gets its
//! first elements while they are placed. Each later program that shows an element elsewhere ends it.

use std::{
    ffi::c_void,
    sync::atomic::{AtomicU32, Ordering},
};

use ttmem_wire::{CoreRange, Part};

use super::{build, fields::careful_read, metal::RawCoreRange};

/// `CircularBufferAllocator`: its cores, and a `std::vector` of pairs of addresses.
#[repr(C)]
pub(super) struct CoreAllocator {
    cores: RawCoreRange,
    begin: *const [u64; 2],
    end: *const [u64; 2],
    capacity: *const [u64; 2],
}

/// More regions or elements than this are taken for a layout that is not known.
const MAX_COUNT: usize = 4096;

impl CoreAllocator {
    /// Its cores.
    pub(super) fn cores(&self) -> Option<CoreRange> {
        self.cores.known()
    }

    /// The regions [begin, end) that are taken there, in ascending order.
    pub(super) fn regions(&self) -> &[[u64; 2]] {
        // SAFETY: the vector belongs to the program whose call we stand in; it is an element of a vector that was learned.
        unsafe { slice(self.begin, self.end) }
    }
}

/// Words of a `ProgramImpl` among which the vector is looked for.
const WORDS: usize = 192;
/// Where it lies is not known yet; or no program is to be asked any more.
const UNKNOWN: u32 = 0;
const OFF: u32 = u32::MAX;

/// The place of the vector in a `ProgramImpl`, in bytes.
static PLACE: AtomicU32 = AtomicU32::new(UNKNOWN);

/// Learns the place from an element of a program's vector, or compares. False where it cannot be right.
pub(super) fn learn(program: *const c_void, element: usize) -> bool {
    match PLACE.load(Ordering::Relaxed) {
        UNKNOWN => look_for(program, element),
        OFF => false,
        _ => {
            let known = of(program).as_ptr_range();
            let is_one = (known.start as usize..known.end as usize).contains(&element);
            is_one || turn_off()
        }
    }
}

#[cold]
fn look_for(program: *const c_void, element: usize) -> bool {
    // Word by word: a program that ends before its page does may be followed by nothing.
    let vector_at = |at: usize| careful_read::<3>(program as usize + at * 8);
    let is_it = |at: &usize| {
        let Some(vector @ [begin, end, _]) = vector_at(*at) else { return false };
        let (begin, end) = (begin as usize, end as usize);
        // Any words may lie around an address: what they bound must be allocators.
        (begin..end).contains(&element)
            && (element - begin).is_multiple_of(size_of::<CoreAllocator>())
            && any_has_taken(&vector).is_some()
    };
    match (0..WORDS).find(is_it) {
        Some(at) => {
            PLACE.store((at * 8) as u32, Ordering::Relaxed);
            true
        }
        None => turn_off(),
    }
}

/// Which words of a program begin a vector of allocators that have taken something, before its scratchpads are placed; only
/// where the place is still to be learned.
pub(super) struct InUse([bool; WORDS]);

impl InUse {
    /// `None` where the place is known, or the program cannot be read so far.
    #[inline(always)]
    pub(super) fn to_learn_from(program: *const c_void) -> Option<Self> {
        if PLACE.load(Ordering::Relaxed) == UNKNOWN { Self::of(program) } else { None }
    }

    #[cold]
    fn of(program: *const c_void) -> Option<Self> {
        let words = careful_read::<WORDS>(program as usize)?;
        let mut found = [false; WORDS];
        for (found, vector) in found.iter_mut().zip(words.windows(3)) {
            *found = any_has_taken(vector) == Some(true);
        }
        Some(Self(found))
    }

    /// Learns the place from the vector that is in use now and was not.
    #[cold]
    pub(super) fn learn(&self, program: *const c_void) {
        let Some(now) = Self::of(program) else { return };
        let mut both = self.0.iter().zip(now.0);
        if let Some(at) = both.position(|(&before, now)| now && !before) {
            PLACE.store((at * 8) as u32, Ordering::Relaxed);
        }
    }
}

/// Elements of a vector that are looked at.
const LOOKS: usize = 64;

/// Whether one of a vector of allocators has taken something; `None` where these words are none.
fn any_has_taken(vector: &[u64]) -> Option<bool> {
    let &[begin, end, capacity] = vector else { return None };
    let bytes = end.wrapping_sub(begin) as usize;
    let count = bytes / size_of::<CoreAllocator>();
    let is_vector = begin != 0
        && begin < end
        && end <= capacity
        && count <= MAX_COUNT
        && bytes.is_multiple_of(size_of::<CoreAllocator>());
    if !is_vector {
        return None;
    }
    let has_taken = |at: usize| {
        let [x0, y0, x1, y1, begin, end, capacity] = careful_read(begin as usize + at * size_of::<CoreAllocator>())?;
        RawCoreRange::new([x0, y0, x1, y1]).known()?;
        let bytes = end.wrapping_sub(begin) as usize;
        let is_vector = begin <= end && end <= capacity && bytes.is_multiple_of(size_of::<[u64; 2]>());
        let taken = careful_read::<2>(begin as usize).is_some_and(|[from, to]| from <= to && to < 1 << 32);
        is_vector.then_some(bytes > 0 && taken)
    };
    (0..count.min(LOOKS)).map(has_taken).try_fold(false, |any, taken| Some(any | taken?))
}

#[cold]
fn turn_off() -> bool {
    PLACE.store(OFF, Ordering::Relaxed);
    build::hides(
        Part::Scratchpads,
        "scratchpads go untracked: the programs of this build of tt-metal are laid out in a way that is not known",
    );
    false
}

/// Whether no program is asked any more.
pub(super) fn are_hidden() -> bool {
    PLACE.load(Ordering::Relaxed) == OFF
}

/// The allocators of a program that the caller holds valid; none where their place is not known.
pub(super) fn of<'a>(program: *const c_void) -> &'a [CoreAllocator] {
    let place = PLACE.load(Ordering::Relaxed);
    if matches!(place, UNKNOWN | OFF) {
        return &[];
    }
    // SAFETY: a `std::vector` lies there, as was learned; begin and end bound its elements.
    unsafe {
        let [begin, end] = program.byte_add(place as usize).cast::<[*const CoreAllocator; 2]>().read();
        slice(begin, end)
    }
}

/// The elements of a vector.
///
/// # Safety
/// The pointers are a vector's begin and end.
unsafe fn slice<'a, T>(begin: *const T, end: *const T) -> &'a [T] {
    let bytes = (end as usize).wrapping_sub(begin as usize);
    let count = bytes / size_of::<T>();
    if begin.is_null() || !bytes.is_multiple_of(size_of::<T>()) || count > MAX_COUNT {
        return &[];
    }
    // SAFETY: as promised.
    unsafe { std::slice::from_raw_parts(begin, count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocator(cores: [u64; 4], regions: &[[u64; 2]]) -> CoreAllocator {
        let range = regions.as_ptr_range();
        CoreAllocator { cores: RawCoreRange::new(cores), begin: range.start, end: range.end, capacity: range.end }
    }

    /// One test, since what is learned is the process's.
    #[test]
    fn the_place_is_learned_and_compared_and_given_up() {
        let regions = [[100, 200], [300, 400]];
        let elements = [allocator([0, 0, 1, 1], &regions), allocator([2, 0, 2, 0], &[])];
        let range = elements.as_ptr_range();
        let mut program = [0_u64; WORDS + 2];
        let at = 100;
        for (word, value) in [(at, range.start as u64), (at + 1, range.end as u64), (at + 2, range.end as u64)] {
            program[word] = value;
        }
        let program_at = program.as_ptr().cast::<c_void>();
        assert!(of(program_at).is_empty(), "not known yet");
        let before = InUse::to_learn_from([0_u64; WORDS].as_ptr().cast()).unwrap();
        InUse::to_learn_from(program_at).unwrap().learn(program_at);
        assert!(of(program_at).is_empty(), "nothing has come to be");
        before.learn(program_at);
        assert_eq!(of(program_at).len(), 2, "learned from what has come to be");
        PLACE.store(UNKNOWN, Ordering::Relaxed);
        let second = &raw const elements[1] as usize;
        assert!(learn(program_at, second));
        let found = of(program_at);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].regions(), regions);
        assert_eq!(found[0].cores(), Some(CoreRange { first_x: 0, first_y: 0, last_x: 1, last_y: 1 }));
        assert!(found[1].regions().is_empty());
        assert!(learn(program_at, second), "still there");
        assert!(!learn(program_at, range.end as usize), "elsewhere");
        assert!(of(program_at).is_empty() && !learn(program_at, second), "for good");
    }
}
