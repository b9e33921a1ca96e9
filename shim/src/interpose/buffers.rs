//! Buffers: what the allocator handed out and took back is the truth; what the graph tracker says beside it is compared.

use std::ffi::c_void;

use ttmem_wire::{Event, EventKind, Memory, flags};

use super::{
    building, call_real, devices, hook,
    message::OutOfMemory,
    metal::{Facts, Metal, Object},
    numbers::{PREALLOCATED, Remembered},
    program, refusals,
    watched::{self, Thrown},
    witnesses_of,
};
use crate::{
    capture::{self, Site, guarded, record},
    fired, patch,
    symbols::Symbol,
    tracker::Tracker,
};

/// What the allocator is asked for, from before the real call until it is answered. A process that ends in the call leaves the
/// open request in the ring file.
struct Asked {
    tracker: &'static Tracker,
    metal: &'static Metal,
    allocator: Object,
    request: Event,
    open: Option<usize>,
}

impl Asked {
    #[inline(always)]
    fn new(allocator: Object, buffer: Object) -> Option<Self> {
        let (tracker, metal) = witnesses_of(buffer)?;
        let facts = metal.facts(buffer);
        let memory = Memory::from_buffer_type(facts.memory);
        // Every device has banks of these two; of the others, bytes a bank are not asked before there are some: see
        // `Metal::size_per_bank`.
        let has_banks = matches!(memory, Memory::Dram | Memory::L1);
        let request = Event {
            kind: EventKind::OutOfMemory,
            memory: Some(memory),
            target: devices::target(tracker, metal, facts.device, allocator)?,
            ticks: tracker.clock.now(),
            holder: facts.holder,
            site: capture::site(tracker),
            size: metal.size(buffer),
            size_per_bank: has_banks.then(|| metal.cut_out(allocator, metal.size_per_bank(buffer))),
            ..Event::default()
        };
        let open = tracker.producers.begin_request(facts.holder, &request.encode());
        Some(Self { tracker, metal, allocator, request, open })
    }

    /// The allocator gave `address`. After the real call: the bytes belong to this buffer now, and to no other before its
    /// free is noted.
    #[inline(always)]
    fn granted(&self, buffer: Object, address: u64) {
        self.answered();
        let event = Event {
            kind: EventKind::Allocate,
            address,
            // Asked outside of `guarded`: this is the program's function.
            size_per_bank: self
                .request
                .size_per_bank
                .or_else(|| Some(self.metal.cut_out(self.allocator, self.metal.size_per_bank(buffer)))),
            flags: program::with(|program| {
                program.last_allocated.set(self.request.holder);
                for_program()
            }),
            ..self.request
        };
        note_buffer(self.tracker, self.metal, buffer, event, Site::Given);
    }

    /// The allocator threw: memory has run out, or it does not do what was asked.
    #[cold]
    fn refused(&self, thrown: Thrown<'_>) {
        let out_of_memory = match thrown {
            Thrown::Says(text) => OutOfMemory::read(text).map(|OutOfMemory { size_per_bank, space }| Event {
                size_per_bank: self.request.size_per_bank.or(size_per_bank),
                space,
                ..self.request
            }),
            Thrown::OfType(_) | Thrown::ThreadEnded => None,
        };
        match out_of_memory {
            Some(event) => guarded(|| record(self.tracker, event, Site::Given)),
            None => refusals::report(self.tracker, self.request, thrown),
        }
        self.answered();
    }

    #[inline(always)]
    fn answered(&self) {
        if let Some(open) = self.open {
            self.tracker.producers.end_request(open);
        }
    }
}

/// The flag of what a cached program will hold: its binaries, and what is made while it is built.
#[inline(always)]
fn for_program() -> u16 {
    let is_held = program::with(|program| program.loading.get()) || building::is_building();
    if is_held { flags::FOR_PROGRAM } else { 0 }
}

hook! {
    /// `AllocatorImpl::allocate_buffer(Buffer*)`: the address, or an exception when memory has run out.
    ALLOCATE = "_ZN2tt8tt_metal13AllocatorImpl15allocate_bufferEPNS0_6BufferE";
    fn allocate_buffer(allocator: *mut c_void, buffer: *mut c_void) -> u64 {
        fired::note(&fired::ANY);
        fired::note(&fired::ALLOCATOR);
        let real = ALLOCATE.address();
        if real.is_null() {
            no_real(&ALLOCATE);
            return 0;
        }
        // SAFETY: the mangled name fixes the signature.
        let real = unsafe { std::mem::transmute::<*mut c_void, watched::Function>(real) };
        let Some(asked) = Asked::new(allocator, buffer) else {
            // SAFETY: the arguments are the caller's own.
            return unsafe { real(allocator, buffer) };
        };
        // SAFETY: as above.
        let address = unsafe { watched::call(allocator, buffer, real, &|thrown| asked.refused(thrown)) };
        asked.granted(buffer, address);
        address
    }
}

hook! {
    /// `AllocatorImpl::deallocate_buffer(Buffer*)`.
    DEALLOCATE = "_ZN2tt8tt_metal13AllocatorImpl17deallocate_bufferEPNS0_6BufferE";
    fn deallocate_buffer(allocator: *mut c_void, buffer: *mut c_void) {
        fired::note(&fired::ANY);
        fired::note(&fired::ALLOCATOR);
        // Before the real call: as soon as it has begun, another thread may be given the same bytes.
        if let Some((tracker, metal)) = witnesses_of(buffer) {
            let event = Event { kind: EventKind::Free, address: metal.address(buffer), ..Event::default() };
            note_event(tracker, metal, allocator, buffer, &metal.facts(buffer), event);
        }
        call_real!(DEALLOCATE, fn(*mut c_void, *mut c_void) -> (), (allocator, buffer), else no_real(&DEALLOCATE));
    }
}

hook! {
    /// `GraphTracker::track_allocate(Buffer const*)`: follows a real allocation on the same thread, or stands alone.
    TRACK_ALLOCATE = "_ZN2tt8tt_metal12GraphTracker14track_allocateEPKNS0_6BufferE";
    fn track_allocate(graph: *mut c_void, buffer: *const c_void) {
        fired::note(&fired::ANY);
        if let Some((tracker, metal)) = witnesses_of(buffer) {
            let holder = metal.holder(buffer);
            let is_the_allocators = program::with(|program| program.last_allocated.replace(0) == holder);
            if !is_the_allocators {
                preallocated(tracker, metal, buffer);
            }
        }
        call_real!(TRACK_ALLOCATE, fn(*mut c_void, *const c_void) -> (), (graph, buffer), else no_real(&TRACK_ALLOCATE));
    }
}

hook! {
    /// `GraphTracker::track_deallocate(Buffer*)`: the allocator's hook speaks for real buffers, so only those that it never
    /// handed out are noted here.
    TRACK_DEALLOCATE = "_ZN2tt8tt_metal12GraphTracker16track_deallocateEPNS0_6BufferE";
    fn track_deallocate(graph: *mut c_void, buffer: *mut c_void) {
        fired::note(&fired::ANY);
        if PREALLOCATED.any()
            && let Some((tracker, metal)) = witnesses_of(buffer)
            && PREALLOCATED.remove(metal.holder(buffer))
        {
            let address = metal.address(buffer);
            let event = Event { kind: EventKind::Free, address, flags: flags::PREALLOCATED, ..Event::default() };
            note_event(tracker, metal, std::ptr::null(), buffer, &metal.facts(buffer), event);
        }
        call_real!(TRACK_DEALLOCATE, fn(*mut c_void, *mut c_void) -> (), (graph, buffer), else no_real(&TRACK_DEALLOCATE));
    }
}

#[inline(always)]
fn note_event(
    tracker: &'static Tracker,
    metal: &Metal,
    allocator: Object,
    buffer: Object,
    facts: &Facts,
    event: Event,
) {
    if let Some(target) = devices::target(tracker, metal, facts.device, allocator) {
        let memory = Some(Memory::from_buffer_type(facts.memory));
        let site = if event.kind == EventKind::Allocate { Site::Here } else { Site::Given };
        note_buffer(tracker, metal, buffer, Event { memory, target, holder: facts.holder, ..event }, site);
    }
}

/// Records an event of this valid buffer; of one that has an address of its own on each core, an event for each.
#[inline(always)]
pub(super) fn note_buffer(tracker: &'static Tracker, metal: &Metal, buffer: Object, event: Event, site: Site) {
    match &metal.per_core {
        Some(per_core) if per_core.is_one(buffer, event.memory) => {
            guarded(|| per_core.parts(buffer, event).into_iter().for_each(|part| record(tracker, part, site)));
        }
        _ => guarded(|| record(tracker, event, site)),
    }
}

/// An allocation that the allocator did not make: pretended by a graph capture (address 0), or a buffer over memory that
/// was there before.
#[cold]
fn preallocated(tracker: &'static Tracker, metal: &Metal, buffer: Object) {
    let address = metal.address(buffer);
    if address == 0 {
        tracker.producers.count_pretended();
        return;
    }
    let facts = metal.facts(buffer);
    // Its allocator's call may have begun before our hook was in place: then the allocator's list will have it.
    if patch::is_settling() && !tracker.pool_cache.has_allocator_of(facts.device as usize) {
        return;
    }
    match PREALLOCATED.insert(facts.holder) {
        Remembered::Known => return,
        // Its free could not be told from that of a buffer of the allocator's: better none of both.
        Remembered::NoRoom => {
            tracker.producers.count_dropped();
            return;
        }
        Remembered::New => {}
    }
    // Of memories that may have no banks, bytes a bank are not asked.
    let has_banks = matches!(Memory::from_buffer_type(facts.memory), Memory::Dram | Memory::L1);
    let event = Event {
        kind: EventKind::Allocate,
        address,
        size: metal.size(buffer),
        size_per_bank: has_banks.then(|| metal.size_per_bank(buffer)),
        flags: flags::PREALLOCATED | for_program(),
        ..Event::default()
    };
    note_event(tracker, metal, std::ptr::null(), buffer, &facts, event);
}

#[cold]
fn no_real(symbol: &Symbol) {
    crate::mode::turn_off(format_args!("the real {} cannot be found behind our own", symbol.name()));
}
