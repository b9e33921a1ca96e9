//! One event, by its fields.

use crate::{CoreRange, Memory};

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
    pub(crate) fn from_code(code: u8) -> Option<Self> {
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
