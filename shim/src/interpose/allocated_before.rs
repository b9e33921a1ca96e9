//! What an allocator held before tracking began, where it began late: reported when the allocator is first seen.
//!
//! The list is the allocator's own, copied under its lock. A buffer in it lives until its free goes through
//! [`super::buffers`], which comes here first. Calls that were inside the real functions before our hooks were in
//! place are waited for: what they allocate is in the list then, and what they free is not.

use std::{ffi::c_void, mem::transmute, ptr};

use ttmem_wire::{Event, EventKind, Memory, Target};

use super::{
    buffers,
    metal::{Getter, Metal, Object},
};
use crate::{patch, symbols::Symbol, tracker::Tracker};

static IS_ALLOCATED: Symbol = Symbol::new(c"_ZNK2tt8tt_metal6Buffer12is_allocatedEv");
static GET: Symbol = Symbol::new(c"_ZNK2tt8tt_metal13AllocatorImpl21get_allocated_buffersEv");

/// A `std::unordered_set<Buffer*>` as libstdc++ lays it out. It is moved here as plain memory: then `buckets` of a single bucket,
/// and the word of the first element in its bucket, point to where the set was, and are not followed.
#[repr(C)]
struct BufferSet {
    buckets: *mut *mut c_void,
    bucket_count: usize,
    first: *mut Node,
    count: usize,
    rehash_policy: [usize; 2],
    single_bucket: *mut c_void,
}

/// An element of it. The hash of a pointer is not kept.
#[repr(C)]
struct Node {
    next: *mut Node,
    buffer: Object,
}

/// The buffers of an allocator, our own copy.
struct Buffers<'a> {
    set: BufferSet,
    delete: unsafe extern "C-unwind" fn(*mut c_void),
    is_allocated: Getter<bool>,
    metal: &'a Metal,
}

impl<'a> Buffers<'a> {
    /// `None` in a build that does not say.
    fn of(metal: &'a Metal, allocator: Object) -> Option<Self> {
        let (get, is_allocated) = (GET.address(), IS_ALLOCATED.address());
        let delete = metal.operator_delete?;
        if get.is_null() || is_allocated.is_null() {
            return None;
        }
        // SAFETY: tt-metal's headers fix the results: a set is returned in memory, as any C struct of its size. The allocator is the
        // one whose call we stand in, and none of its locks is held.
        let (set, is_allocated) = unsafe {
            let get: Getter<BufferSet> = transmute(get);
            (get(allocator), transmute::<*mut c_void, Getter<bool>>(is_allocated))
        };
        Some(Self { set, delete, is_allocated, metal })
    }

    fn each(&self, mut visit: impl FnMut(Object)) {
        let mut node = self.set.first;
        // The count bounds the walk, should the layout be another.
        for _ in 0..self.set.count {
            if node.is_null() {
                return;
            }
            // SAFETY: a node of our own copy.
            let Node { next, buffer } = unsafe { node.read() };
            // SAFETY: a valid buffer of the list. One that another thread has been given, and not noted yet, has no address.
            if !buffer.is_null() && self.metal.can_read(buffer) && unsafe { (self.is_allocated)(buffer) } {
                visit(buffer);
            }
            node = next;
        }
    }
}

impl Drop for Buffers<'_> {
    fn drop(&mut self) {
        let mut node = self.set.first;
        // SAFETY: nodes and buckets of our own copy come from operator new.
        unsafe {
            while !node.is_null() {
                let next = (*node).next;
                (self.delete)(node.cast());
                node = next;
            }
            // libstdc++ keeps a single bucket inside the set.
            if self.set.bucket_count > 1 {
                (self.delete)(self.set.buckets.cast());
            }
        }
    }
}

/// Reports what this valid allocator holds for `device`, if tracking began late.
#[cold]
pub(super) fn note(tracker: &'static Tracker, metal: &Metal, device: Object, allocator: Object, target: Target) {
    if allocator.is_null() || !patch::is_active() {
        return;
    }
    if patch::is_settling() {
        // Comes back when nobody is inside the allocator's lock any more: a debugger may have started us on a thread that is.
        drop(Buffers::of(metal, allocator));
        patch::settle();
    }
    let Some(held) = Buffers::of(metal, allocator) else { return };
    let site = tracker.stacks.map_or(0, |stacks| stacks.before_tracking());
    held.each(|buffer| {
        let facts = metal.facts(buffer);
        if !ptr::eq(facts.device, device) {
            return;
        }
        let event = Event {
            kind: EventKind::Allocate,
            memory: Some(Memory::from_buffer_type(facts.memory)),
            target,
            holder: facts.holder,
            address: metal.address(buffer),
            size: metal.size(buffer),
            size_per_bank: Some(metal.cut_out(allocator, metal.size_per_bank(buffer))),
            site,
            ..Event::default()
        };
        buffers::note_buffer(tracker, metal, buffer, event, crate::capture::Site::Given);
    });
}
