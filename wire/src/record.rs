//! One event, as 64 bytes.

use crate::{CoreRange, Event, EventKind, Memory, Space, Target, flags};

/// Words of 64 bits in a record: one cache line.
pub const RECORD_WORDS: usize = 8;

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
