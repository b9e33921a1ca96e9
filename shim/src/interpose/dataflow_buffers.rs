//! Dataflow buffers, which newer programs have in the place of circular buffers: placed once for each program, with the mesh
//! device, and reported to nobody.
//!
//! `mark_address` runs for each range of cores that a placed one touches: for its own ranges, and for ranges of others that
//! meet them. The program lists its dataflow buffers with their cores, so that the two can be told apart. One that borrows a
//! tensor's memory, or is an alias of another, is not placed: its bytes count where they lie.

use std::{
    cell::{Cell, UnsafeCell},
    ffi::c_void,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use ttmem_wire::{CoreRange, Memory, Part};

use super::{
    array_vec::ArrayVec,
    build, call_real, core_allocators,
    fields::careful_read,
    hook,
    metal::{CoreRanges, Metal, Object, RawCoreRange},
    placed::Placing,
    program, witnesses,
};
use crate::{fired, symbols::Symbol};

hook! {
    /// `ProgramImpl::allocate_dataflow_buffers(IDevice const*)`: calls `mark_address`, where there is something to place.
    PLACE = "_ZN2tt8tt_metal6detail11ProgramImpl25allocate_dataflow_buffersEPKNS0_7IDeviceE";
    fn place(program: *mut c_void, device: *const c_void) {
        fired::note(&fired::ANY);
        let marks = Marks::new();
        {
            let _noting = Noting::into(&marks);
            call_real!(PLACE, fn(*mut c_void, *const c_void) -> (), (program, device), else ());
        }
        if marks.first.get() != 0 {
            note(&marks, program, device);
        }
    }
}

hook! {
    /// `ProgramImpl::CircularBufferAllocator::mark_address(u64 address, u64 size, u64 base)`: takes bytes on a range of cores.
    MARK = "_ZN2tt8tt_metal6detail11ProgramImpl23CircularBufferAllocator12mark_addressEmmm";
    fn mark(allocator: *mut c_void, address: u64, size: u64, base: u64) {
        call_real!(MARK, fn(*mut c_void, u64, u64, u64) -> (), (allocator, address, size, base), else ());
        // SAFETY: the place where the call that we are within notes them, which lives until it returns.
        if let Some(marks) = unsafe { program::with(|program| program.marks.get()).as_ref() } {
            marks.push(allocator, address, size);
        }
    }
}

/// What a call marked: on its stack, since few threads build programs.
#[repr(C)]
pub(super) struct Marks {
    /// The allocator of the first one's range; 0 where there was none.
    first: Cell<usize>,
    /// Whether all found room.
    are_whole: Cell<bool>,
    list: UnsafeCell<ArrayVec<Mark, MOST>>,
}

/// Marks that are kept; a program with more has its dataflow buffers lost, and counted.
const MOST: usize = 512;

#[derive(Clone, Copy)]
struct Mark {
    cores: CoreRange,
    address: u64,
    size: u64,
}

impl Marks {
    const fn new() -> Self {
        Self { first: Cell::new(0), are_whole: Cell::new(true), list: UnsafeCell::new(ArrayVec::new()) }
    }

    #[inline(always)]
    fn push(&self, allocator: *const c_void, address: u64, size: u64) {
        if size == 0 {
            return;
        }
        if self.first.get() == 0 {
            self.first.set(allocator as usize);
        }
        // SAFETY: an allocator begins with its cores. Nothing else looks at the list while it grows: it is its thread's own.
        let (cores, list) = unsafe { (allocator.cast::<RawCoreRange>().read().known(), &mut *self.list.get()) };
        if !cores.is_some_and(|cores| list.push(Mark { cores, address, size })) {
            self.are_whole.set(false);
        }
    }

    /// All, if all found room.
    fn all(&self) -> Option<&[Mark]> {
        // SAFETY: the call is over, so that nothing is added any more.
        let list = unsafe { &*self.list.get() };
        self.are_whole.get().then(|| list.as_slice())
    }
}

/// As long as it lives, marks of this thread are noted.
struct Noting {
    before: *const Marks,
}

impl Noting {
    fn into(marks: &Marks) -> Self {
        Self { before: program::with(|program| program.marks.replace(marks)) }
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        program::with(|program| program.marks.set(self.before));
    }
}

fn note(marks: &Marks, program: Object, device: Object) {
    let Some((tracker, metal)) = witnesses() else { return };
    let Some(all) = marks.all() else { return tracker.producers.count_dropped() };
    core_allocators::learn(program, marks.first.get());
    // Where a build does not show them, the report says so: `Part::DataflowBuffers`.
    let Some(buffers) = buffers_of(program, all) else { return };
    let Some(mut placing) = Placing::new(tracker, metal, Memory::DataflowBuffer, program, device) else { return };
    let mut rest = all;
    for buffer in buffers {
        let cores = cores_of(metal, buffer);
        let own = (0..cores.len()).filter_map(|index| cores.get(index));
        if let Some((mark, behind)) = placed(rest, own.clone(), bytes_of(buffer)) {
            placing.report(mark.address, mark.size, own);
            rest = behind;
        }
    }
    if !rest.is_empty() {
        tracker.producers.count_dropped();
    }
}

/// The mark of a buffer on these cores, of this size if it is known, if the next are its, and those behind. On each of its
/// ranges there is one of just that range, and there may be some of ranges that meet it.
fn placed(marks: &[Mark], mut own: impl Iterator<Item = CoreRange>, size: Option<u64>) -> Option<(Mark, &[Mark])> {
    let &first = marks.first().filter(|mark| size.is_none_or(|size| size == mark.size))?;
    let mut rest = marks;
    let is_placed = own.all(|range| {
        let its = |mark: &&Mark| (mark.address, mark.size) == (first.address, first.size) && meet(mark.cores, range);
        let count = rest.iter().take_while(its).count();
        let (these, behind) = rest.split_at(count);
        rest = behind;
        these.iter().any(|mark| mark.cores == range)
    });
    (is_placed && rest.len() < marks.len()).then_some((first, rest))
}

fn meet(a: CoreRange, b: CoreRange) -> bool {
    a.first_x <= b.last_x && b.first_x <= a.last_x && a.first_y <= b.last_y && b.first_y <= a.last_y
}

static BUFFERS: Symbol = Symbol::new(c"_ZNK2tt8tt_metal6detail11ProgramImpl16dataflow_buffersEv");

/// A `std::shared_ptr`.
#[repr(C)]
struct Shared {
    object: Object,
    control: Object,
}

/// More dataflow buffers than this are taken for a layout that is not known.
const MAX_BUFFERS: usize = 4096;

/// Where in a `DataflowBufferImpl` its cores may lie: behind an id or two.
const PLACES: [usize; 4] = [8, 16, 24, 32];

/// Where they lie, in bytes; 0 before that was learned.
static CORES_AT: AtomicU32 = AtomicU32::new(0);

/// Whether two numbers of 32 bits behind the cores, multiplied, are a dataflow buffer's bytes: an entry's, and how many there are.
/// One that borrows is told by them from the next that does not.
static HAS_SIZES: AtomicBool = AtomicBool::new(true);

/// Programs of which each dataflow buffer looked as it should; [`ENOUGH`] is the usual answer.
static SEEN: AtomicU32 = AtomicU32::new(0);
/// So many are looked at before the layout is believed.
const ENOUGH: u32 = 32;
/// It is another.
const WRONG: u32 = u32::MAX;

/// The dataflow buffers of a program that the caller holds valid.
fn buffers_of<'a>(program: Object, marks: &[Mark]) -> Option<impl Iterator<Item = Object> + use<'a>> {
    let getter = BUFFERS.address();
    if getter.is_null() {
        return None;
    }
    // SAFETY: the mangled name fixes the signature: a reference to a vector, which the program has.
    let [begin, end] = unsafe {
        std::mem::transmute::<*mut c_void, unsafe extern "C-unwind" fn(Object) -> *const [*const Shared; 2]>(getter)(
            program,
        )
        .read()
    };
    let count = (end as usize).wrapping_sub(begin as usize) / size_of::<Shared>();
    if begin.is_null() || count > MAX_BUFFERS {
        return None;
    }
    // SAFETY: a vector's begin and end bound its elements.
    let buffers = unsafe { std::slice::from_raw_parts::<'a>(begin, count) };
    let is_known = match SEEN.load(Ordering::Relaxed) {
        ENOUGH => true,
        WRONG => false,
        _ => look(buffers, marks),
    };
    is_known.then(|| buffers.iter().map(|buffer| buffer.object))
}

#[cold]
fn look(buffers: &[Shared], marks: &[Mark]) -> bool {
    let known = CORES_AT.load(Ordering::Relaxed) as usize;
    let mut places = PLACES.into_iter().filter(|&place| known == 0 || place == known);
    let fits = |place: &usize| buffers.iter().all(|buffer| is_as_known(buffer.object, *place));
    let place = places.find(fits);
    if let Some(place) = place {
        CORES_AT.store(place as u32, Ordering::Relaxed);
        let has_size = |mark: &Mark| buffers.iter().any(|buffer| read_bytes(buffer.object) == Some(mark.size));
        if !marks.iter().all(has_size) {
            HAS_SIZES.store(false, Ordering::Relaxed);
        }
        // Threads that look at once may count too far or too little: `ENOUGH` is a limit, not a sum.
        let add = |seen: u32| (seen < ENOUGH).then(|| seen + 1);
        let _ = SEEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    } else {
        SEEN.store(WRONG, Ordering::Relaxed);
        build::hides(
            Part::DataflowBuffers,
            "dataflow buffers go untracked: those of this build of tt-metal are laid out in a way that is not known",
        );
    }
    place.is_some()
}

/// Whether they are laid out in a way that is not known.
pub(super) fn are_hidden() -> bool {
    SEEN.load(Ordering::Relaxed) == WRONG
}

/// Whether a vector of sound rectangles stands in this place of a dataflow buffer.
fn is_as_known(buffer: Object, place: usize) -> bool {
    let Some([begin, end, capacity]) = careful_read::<3>(buffer as usize + place) else { return false };
    let bytes = end.wrapping_sub(begin) as usize;
    let count = bytes / size_of::<RawCoreRange>();
    let is_sound = |at: usize| {
        let words = careful_read::<4>(begin as usize + at * size_of::<RawCoreRange>());
        words.is_some_and(|corners| RawCoreRange::new(corners).known().is_some())
    };
    begin != 0
        && end <= capacity
        && bytes.is_multiple_of(size_of::<RawCoreRange>())
        && (1..=MAX_BUFFERS).contains(&count)
        && (0..count).all(is_sound)
}

/// The bytes of a dataflow buffer, if they are known.
fn bytes_of(buffer: Object) -> Option<u64> {
    if !HAS_SIZES.load(Ordering::Relaxed) {
        return None;
    }
    // SAFETY: the words behind the cores belong to the buffer, as was looked at in the first programs.
    let word = unsafe { buffer.byte_add(bytes_place()).cast::<u64>().read_unaligned() };
    Some(product(word))
}

/// The same, where the layout is still looked at.
#[cold]
fn read_bytes(buffer: Object) -> Option<u64> {
    careful_read::<1>(buffer as usize + bytes_place()).map(|[word]| product(word))
}

fn bytes_place() -> usize {
    CORES_AT.load(Ordering::Relaxed) as usize + size_of::<[usize; 3]>()
}

fn product(word: u64) -> u64 {
    (word & u64::from(u32::MAX)) * (word >> 32)
}

/// The cores of a dataflow buffer whose layout is believed.
fn cores_of(metal: &Metal, buffer: Object) -> CoreRanges {
    // SAFETY: the set is a member of the buffer, as was looked at.
    metal.core_ranges(unsafe { buffer.byte_add(CORES_AT.load(Ordering::Relaxed) as usize) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first_x: u16, last_x: u16) -> CoreRange {
        CoreRange { first_x, first_y: 0, last_x, last_y: 3 }
    }

    fn mark(cores: CoreRange, address: u64) -> Mark {
        Mark { cores, address, size: 64 }
    }

    fn parse(marks: &[Mark], buffers: &[&[CoreRange]]) -> (Vec<Option<u64>>, usize) {
        parse_sizes(marks, buffers, None)
    }

    fn parse_sizes(marks: &[Mark], buffers: &[&[CoreRange]], sizes: Option<&[u64]>) -> (Vec<Option<u64>>, usize) {
        let mut rest = marks;
        let found = buffers.iter().enumerate().map(|(at, own)| {
            let (mark, behind) = placed(rest, own.iter().copied(), sizes.map(|sizes| sizes[at]))?;
            rest = behind;
            Some(mark.address)
        });
        (found.collect(), rest.len())
    }

    #[test]
    fn each_mark_belongs_to_one_buffer() {
        let (left, right, wide) = (range(0, 1), range(2, 3), range(0, 3));
        // Side by side at one address; one over both, which marks the ranges of the others too; one on two ranges.
        let marks = [
            mark(left, 0),
            mark(wide, 0),
            mark(right, 0),
            mark(left, 64),
            mark(right, 64),
            mark(wide, 64),
            mark(left, 128),
            mark(wide, 128),
            mark(right, 128),
        ];
        let buffers: [&[CoreRange]; 4] = [&[left], &[right], &[wide], &[left, right]];
        assert_eq!(parse(&marks, &buffers), (vec![Some(0), Some(0), Some(64), Some(128)], 0));
    }

    #[test]
    fn a_buffer_that_borrows_has_no_marks() {
        let (left, right) = (range(0, 1), range(2, 3));
        let buffers: [&[CoreRange]; 3] = [&[right], &[left], &[left, right]];
        assert_eq!(parse(&[mark(left, 0)], &buffers), (vec![None, Some(0), None], 0));
        assert_eq!(parse(&[mark(left, 0), mark(range(5, 6), 64)], &buffers).1, 1, "a mark that is nobody's");
        // The one that borrows lies on a range that the next one's marks have too.
        let (wide, far) = (range(0, 3), range(8, 9));
        let marks = [mark(left, 0), mark(wide, 0), mark(far, 0)];
        let buffers: [&[CoreRange]; 2] = [&[wide], &[left, far]];
        assert_eq!(parse_sizes(&marks, &buffers, Some(&[32, 64])), (vec![None, Some(0)], 0));
    }
}
