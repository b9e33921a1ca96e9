//! One event, as 64 bytes.

use crate::Memory;

/// Words of 64 bits in a record: one cache line.
pub const RECORD_WORDS: usize = 8;

/// The device id by which a free names no device: whichever holds the buffer.
pub const ANY_DEVICE: i32 = -1;

/// Bits of [`Event::flags`].
pub mod flags {
    /// [`crate::Target`] is a pool of the ring file's pool table, not a single device.
    pub const IN_POOL: u16 = 1 << 0;
    /// The bytes a bank are known (word 6 holds them).
    pub const PER_BANK_KNOWN: u16 = 1 << 1;
    /// A circular or dataflow buffer that lies inside a buffer which is counted already.
    pub const GLOBALLY_ALLOCATED: u16 = 1 << 2;
    /// A free that does not say which memory it means.
    pub const MEMORY_UNKNOWN: u16 = 1 << 3;
    /// The buffer was made over memory that the allocator did not hand out (`owns_data = false`).
    pub const PREALLOCATED: u16 = 1 << 4;
    /// The free does not say which address it means: the holder id does.
    pub const ADDRESS_UNKNOWN: u16 = 1 << 5;
    /// The cores of program memory are known (word 6 holds a rectangle of them).
    pub const CORES_KNOWN: u16 = 1 << 6;
    /// A further rectangle of cores of the program memory that the same thread reported before.
    pub const MORE_CORES: u16 = 1 << 7;
    /// The program places its memory of this kind on this device anew: what it had there is gone.
    pub const NEW_PLACEMENT: u16 = 1 << 8;
    /// The buffer was made for a program that the program cache keeps: kernel binaries and their like.
    pub const FOR_PROGRAM: u16 = 1 << 9;
    /// What the allocator had left when it refused is known (words 4 and 7 hold it).
    pub const SPACE_KNOWN: u16 = 1 << 10;
    /// Of a program that was refused for its circular buffers: they are too large for L1 itself, which is as large as the
    /// address says. Else they clash with the lowest buffer there, which lies at that address.
    pub const BEYOND_L1: u16 = 1 << 11;
    /// And it was for its dataflow buffers.
    pub const DATAFLOW_BUFFERS: u16 = 1 << 12;
    /// The allocator refused, and not since memory had run out. A mark of the same thread that follows has its words.
    pub const OTHER_REASON: u16 = 1 << 13;
    /// The memory lies on a service core, which belongs to no allocator.
    pub const SERVICE_CORE: u16 = 1 << 14;
}

/// A rectangle of cores, both corners in it, in logical coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CoreRange {
    /// The first column.
    pub first_x: u16,
    /// The first row.
    pub first_y: u16,
    /// The last column.
    pub last_x: u16,
    /// The last row.
    pub last_y: u16,
}

impl CoreRange {
    fn word(self) -> u64 {
        let Self { first_x, first_y, last_x, last_y } = self;
        u64::from(first_x) | u64::from(first_y) << 16 | u64::from(last_x) << 32 | u64::from(last_y) << 48
    }

    fn from_word(word: u64) -> Self {
        let part = |shift: u32| (word >> shift) as u16;
        Self { first_x: part(0), first_y: part(16), last_x: part(32), last_y: part(48) }
    }
}

/// Where a part of a buffer lies that has an address of its own on each core (tt-metal's allocator mode HYBRID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum OnCore {
    /// On this core, in logical coordinates, at the event's address.
    At {
        /// Its column.
        x: u16,
        /// Its row.
        y: u16,
    },
    /// On cores and at addresses that can't be read: the whole buffer, with its holder in the address's place.
    Unknown,
}

impl OnCore {
    const IS_ONE: u32 = 1 << 31;
    const IS_KNOWN: u32 = 1 << 30;
    const BITS: u32 = 15;

    /// As it stands in [`Event::extra`], of which other buffers have 0. A corner that no grid has is no known core.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::At { x, y } if x >> Self::BITS == 0 && y >> Self::BITS == 0 => {
                Self::IS_ONE | Self::IS_KNOWN | (y as u32) << Self::BITS | x as u32
            }
            Self::At { .. } | Self::Unknown => Self::IS_ONE,
        }
    }

    /// What [`OnCore::code`] gave; `None` of any other number.
    #[must_use]
    pub const fn from_code(code: u32) -> Option<Self> {
        const MASK: u32 = (1 << OnCore::BITS) - 1;
        match (code & Self::IS_ONE != 0, code & Self::IS_KNOWN != 0) {
            (false, _) => None,
            (true, false) => Some(Self::Unknown),
            (true, true) => Some(Self::At { x: (code & MASK) as u16, y: (code >> Self::BITS & MASK) as u16 }),
        }
    }
}

/// What an allocator had left, in each bank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Space {
    /// Bytes that are free in each bank.
    pub free: u64,
    /// The largest free block in each bank.
    pub largest_block: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// A buffer came to life, or one more holder of a buffer that lives already.
    #[default]
    Allocate = 1,
    /// A holder let go of a buffer.
    Free = 2,
    /// A program placed a circular buffer, a dataflow buffer or a scratchpad, as the memory says.
    CbAllocate = 3,
    /// All of this program memory on the device are gone; where a holder is named, those of that program.
    CbFreeAll = 4,
    /// The device was closed: what was left on it is released.
    DeviceClosed = 5,
    /// An allocator let go of all its buffers at once: what was left in the pool is released.
    PoolReleased = 6,
    /// The allocator refused: `size` bytes were asked for. Of circular buffers: the program was refused since theirs, which
    /// end at `size` on a core, find no room; 0 where that is not known.
    OutOfMemory = 7,
    /// The first (often only) part of a mark's name.
    Mark = 8,
    /// A further part of the name of the mark that the same thread began.
    MarkMore = 9,
    /// An allocator was seen for the first time: each of the `extra` banks of this memory has `size` bytes, from `address` on.
    Capacity = 10,
    /// A tensor was made over the buffer at `address` that `holder` holds: `site` names what it is, a record of the side file.
    Tensor = 11,
}

impl EventKind {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Allocate,
            2 => Self::Free,
            3 => Self::CbAllocate,
            4 => Self::CbFreeAll,
            5 => Self::DeviceClosed,
            6 => Self::PoolReleased,
            7 => Self::OutOfMemory,
            8 => Self::Mark,
            9 => Self::MarkMore,
            10 => Self::Capacity,
            11 => Self::Tensor,
            _ => return None,
        })
    }
}

/// Where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One device, by the id that the program gave (any value; [`ANY_DEVICE`] in a free).
    Device(i32),
    /// All chips of a pool: the index of an entry in the ring file's pool table.
    Pool(u32),
}

impl Default for Target {
    fn default() -> Self {
        Self::Device(ANY_DEVICE)
    }
}

/// One event, taken apart. [`Event::encode`] and [`Event::decode`] are each other's inverse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Position in the process's own order of events, from 0. Set by the queue.
    pub sequence: u64,
    /// Time stamp in ticks of the header's clock.
    pub ticks: u64,
    /// Kernel thread id of the caller.
    pub thread: u32,
    /// What happened.
    pub kind: EventKind,
    /// Which memory; `None` where the event does not name one.
    pub memory: Option<Memory>,
    /// Bits of [`flags`], without those that other fields stand for (`IN_POOL`, `PER_BANK_KNOWN`, `MEMORY_UNKNOWN`,
    /// `CORES_KNOWN`, `SPACE_KNOWN`).
    pub flags: u16,
    /// On which device or devices.
    pub target: Target,
    /// Cores of program memory; bytes of a mark's name; banks of a memory; the core of a part of a buffer ([`OnCore::code`]);
    /// else 0. (In the record of a refusal its site lies here.)
    pub extra: u32,
    /// Address within each bank (or what the program calls the buffer's id).
    pub address: u64,
    /// Bytes on one device.
    pub size: u64,
    /// Bytes in each bank, where known.
    pub size_per_bank: Option<u64>,
    /// The buffer object that holds the bytes: tt-metal's `unique_id` + 1, or 0 where it has none. 40 bits. Of
    /// program memory the program, where known.
    pub holder: u64,
    /// The interned call site, 0 for none. 24 bits.
    pub site: u32,
    /// Mark records carry 32 bytes of text in the place of address, size, bytes a bank and holder.
    pub text: Option<[u8; 32]>,
    /// Cores of program memory, in the place of bytes a bank (which are its size); of a refused program those where it found
    /// no room.
    pub cores: Option<CoreRange>,
    /// Of a refusal: what was left, in the place of address and holder.
    pub space: Option<Space>,
}

/// 64 bytes: what lies in a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Record {
    /// The words: sequence, ticks, kind/memory/flags/thread, target/extra, address, size, bytes a bank, holder/site.
    pub words: [u64; RECORD_WORDS],
}

impl Record {
    /// The same event with this call site, of one that has none.
    #[inline(always)]
    #[must_use]
    pub fn with_site(mut self, site: u32) -> Self {
        if self.words[2] as u8 == EventKind::OutOfMemory as u8 {
            self.words[3] |= u64::from(site) << 32;
        } else {
            self.words[7] |= u64::from(site) << HOLDER_BITS;
        }
        self
    }

    /// The address of the buffer that comes to life or is freed, without taking the rest of the record apart.
    #[inline]
    pub fn buffer_address(&self) -> Option<u64> {
        let what = self.words[2];
        let is_buffer = matches!(what as u8, ALLOCATE | FREE);
        let names_it = (what >> 16) as u16 & flags::ADDRESS_UNKNOWN == 0;
        (is_buffer && names_it).then_some(self.words[4])
    }
}

const ALLOCATE: u8 = EventKind::Allocate as u8;
const FREE: u8 = EventKind::Free as u8;

/// Why 64 bytes are not an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// The kind byte that no event has.
    pub kind: u8,
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a record of unknown kind {}", self.kind)
    }
}

impl std::error::Error for RecordError {}

/// Flags that are told by fields of an event.
const FLAGS_OF_FIELDS: u16 =
    flags::IN_POOL | flags::PER_BANK_KNOWN | flags::MEMORY_UNKNOWN | flags::CORES_KNOWN | flags::SPACE_KNOWN;

const HOLDER_BITS: u32 = 40;
const HOLDER_MASK: u64 = (1 << HOLDER_BITS) - 1;

impl Event {
    /// Packs the event into a record.
    // Always: where the fields are constants, as in every hook, hardly anything is left of it.
    #[inline(always)]
    pub fn encode(&self) -> Record {
        let mut flag_bits = self.flags;
        let memory = match self.memory {
            Some(memory) => memory.code(),
            None => {
                flag_bits |= flags::MEMORY_UNKNOWN;
                0
            }
        };
        let target = match self.target {
            Target::Device(id) => id as u32,
            Target::Pool(index) => {
                flag_bits |= flags::IN_POOL;
                index
            }
        };
        if self.size_per_bank.is_some() {
            flag_bits |= flags::PER_BANK_KNOWN;
        }
        let mut payload = match self.text {
            Some(text) => text_words(&text),
            None => [
                self.address,
                self.size,
                self.size_per_bank.unwrap_or(0),
                (self.holder & HOLDER_MASK) | (u64::from(self.site) << HOLDER_BITS),
            ],
        };
        if let Some(cores) = self.cores {
            flag_bits |= flags::CORES_KNOWN;
            payload[2] = cores.word();
        }
        if let Some(space) = self.space {
            flag_bits |= flags::SPACE_KNOWN;
            (payload[0], payload[3]) = (space.free, space.largest_block);
        }
        // A refusal has no cores, and its own word may be taken.
        let extra = if self.kind == EventKind::OutOfMemory { self.site } else { self.extra };
        Record {
            words: [
                self.sequence,
                self.ticks,
                self.kind as u64 | u64::from(memory) << 8 | u64::from(flag_bits) << 16 | u64::from(self.thread) << 32,
                u64::from(target) | u64::from(extra) << 32,
                payload[0],
                payload[1],
                payload[2],
                payload[3],
            ],
        }
    }

    /// Takes a record apart. Any 64 bytes are safe to pass.
    pub fn decode(record: &Record) -> Result<Self, RecordError> {
        let [sequence, ticks, what, place, payload @ ..] = record.words;
        let kind = EventKind::from_code(what as u8).ok_or(RecordError { kind: what as u8 })?;
        let bits = (what >> 16) as u16;
        let memory = match kind {
            _ if bits & flags::MEMORY_UNKNOWN != 0 => None,
            EventKind::CbAllocate | EventKind::CbFreeAll => Some(Memory::of_programs((what >> 8) as u8)),
            EventKind::OutOfMemory if (what >> 8) as u8 == Memory::CircularBuffer.code() => {
                Some(Memory::CircularBuffer)
            }
            _ => Some(Memory::from_buffer_type((what >> 8) as u8)),
        };
        let target = match bits & flags::IN_POOL {
            0 => Target::Device(place as u32 as i32),
            _ => Target::Pool(place as u32),
        };
        let mut event = Self {
            sequence,
            ticks,
            thread: (what >> 32) as u32,
            kind,
            memory,
            flags: bits & !FLAGS_OF_FIELDS,
            target,
            extra: (place >> 32) as u32,
            ..Self::default()
        };
        if matches!(kind, EventKind::Mark | EventKind::MarkMore) {
            event.text = Some(text_bytes(payload));
            return Ok(event);
        }
        event.size = payload[1];
        if memory.is_some_and(Memory::is_of_programs) && bits & flags::CORES_KNOWN != 0 {
            event.cores = Some(CoreRange::from_word(payload[2]));
        } else {
            event.size_per_bank = (bits & flags::PER_BANK_KNOWN != 0).then_some(payload[2]);
        }
        if kind == EventKind::OutOfMemory && bits & flags::SPACE_KNOWN != 0 {
            event.space = Some(Space { free: payload[0], largest_block: payload[3] });
        } else {
            event.address = payload[0];
            event.holder = payload[3] & HOLDER_MASK;
            event.site = (payload[3] >> HOLDER_BITS) as u32;
        }
        if kind == EventKind::OutOfMemory {
            event.site = std::mem::take(&mut event.extra);
        }
        Ok(event)
    }
}

fn text_words(text: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(text.chunks_exact(8)) {
        *word = bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
    }
    words
}

fn text_bytes(words: [u64; 4]) -> [u8; 32] {
    let mut text = [0; 32];
    for (bytes, word) in text.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_with_every_field_comes_back() {
        let event = Event {
            sequence: 7,
            ticks: u64::MAX,
            thread: 4242,
            kind: EventKind::Allocate,
            memory: Some(Memory::Unknown(77)),
            flags: flags::PREALLOCATED,
            target: Target::Pool(9),
            extra: 3,
            address: u64::MAX - 1,
            size: u64::MAX,
            size_per_bank: Some(2048),
            holder: HOLDER_MASK,
            site: 0xFF_FFFF,
            text: None,
            cores: None,
            space: None,
        };
        assert_eq!(Event::decode(&event.encode()), Ok(event));
    }

    #[test]
    fn the_cores_of_a_circular_buffer_and_what_an_allocator_had_left_come_back() {
        let circular = Event {
            kind: EventKind::CbAllocate,
            memory: Some(Memory::CircularBuffer),
            flags: flags::MORE_CORES | flags::NEW_PLACEMENT,
            address: 101_152,
            size: 4096,
            holder: 77,
            cores: Some(CoreRange { first_x: 1, first_y: 2, last_x: 65_535, last_y: 3 }),
            ..Event::default()
        };
        for memory in Memory::OF_PROGRAMS {
            let placed = Event { memory: Some(memory), ..circular };
            assert_eq!(Event::decode(&placed.encode()), Ok(placed));
        }
        let refusal = Event {
            kind: EventKind::OutOfMemory,
            memory: Some(Memory::L1),
            size: 1 << 40,
            size_per_bank: Some(1 << 33),
            space: Some(Space { free: u64::MAX, largest_block: u64::MAX - 1 }),
            site: 0xFF_FFFF,
            ..Event::default()
        };
        assert_eq!(Event::decode(&refusal.encode()), Ok(refusal));
        let clash = Event {
            kind: EventKind::OutOfMemory,
            flags: flags::DATAFLOW_BUFFERS | flags::BEYOND_L1,
            site: 0xFF_FFFF,
            extra: 0,
            ..circular
        };
        assert_eq!(Event::decode(&clash.encode()), Ok(clash));
    }

    #[test]
    fn a_core_comes_back_and_other_numbers_are_none() {
        for core in [OnCore::At { x: 0, y: 0 }, OnCore::At { x: 11, y: 32_767 }, OnCore::Unknown] {
            assert_eq!(OnCore::from_code(core.code()), Some(core));
        }
        assert_eq!(OnCore::from_code(OnCore::At { x: 32_768, y: 0 }.code()), Some(OnCore::Unknown));
        assert_eq!([0, 120, 1 << 30].map(OnCore::from_code), [None; 3]);
    }

    #[test]
    fn a_record_gets_its_site_later() {
        for kind in [EventKind::Allocate, EventKind::CbAllocate, EventKind::OutOfMemory] {
            let record = Event { kind, memory: Some(Memory::L1), holder: HOLDER_MASK, ..Event::default() }.encode();
            let event = Event::decode(&record).unwrap();
            assert_eq!(Event::decode(&record.with_site(0xFF_FFFF)), Ok(Event { site: 0xFF_FFFF, ..event }));
        }
    }

    #[test]
    fn a_negative_device_and_a_free_without_memory_come_back() {
        let event = Event { kind: EventKind::Free, target: Target::Device(-7), ..Event::default() };
        assert_eq!(Event::decode(&event.encode()), Ok(event));
    }

    #[test]
    fn an_unknown_kind_is_an_error_and_not_a_guess() {
        let mut record = Record::default();
        record.words[2] = 200;
        assert_eq!(Event::decode(&record), Err(RecordError { kind: 200 }));
    }
}
