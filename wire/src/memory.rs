//! Which memory of a device a buffer lies in.

use std::{fmt, str::FromStr};

/// A memory of a device, with tt-metal's `BufferType` values and three of our own for what programs place in L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Memory {
    /// Device DRAM (`BufferType::DRAM`, 0).
    Dram,
    /// The L1 of the worker cores (`BufferType::L1`, 1).
    L1,
    /// Host memory that the device can reach (`BufferType::SYSTEM_MEMORY`, 2).
    SystemMemory,
    /// The part of L1 set aside for small buffers (`BufferType::L1_SMALL`, 3).
    L1Small,
    /// The part of DRAM set aside for captured traces (`BufferType::TRACE`, 4).
    Trace,
    /// Circular buffers, which programs place in L1 by themselves. Not a `BufferType`.
    CircularBuffer,
    /// Dataflow buffers, which newer programs have in the place of circular buffers. Not a `BufferType`.
    DataflowBuffer,
    /// Scratchpads of kernels, which programs place on top of their dataflow buffers. Not a `BufferType`.
    Scratchpad,
    /// A `BufferType` that this version does not know; kept as it came.
    Unknown(u8),
}

/// The wire code of [`Memory::CircularBuffer`]; tt-metal's own values are small and dense.
const CIRCULAR_BUFFER_CODE: u8 = 0xCB;
/// The same of dataflow buffers, and of scratchpads.
const DATAFLOW_BUFFER_CODE: u8 = 0xDB;
const SCRATCHPAD_CODE: u8 = 0xDC;

impl Memory {
    /// Program memory: what programs place in L1 by themselves, without the allocator.
    pub const OF_PROGRAMS: [Self; 3] = [Self::CircularBuffer, Self::DataflowBuffer, Self::Scratchpad];

    /// Whether programs place it: it overlaps, and a core's share of it is a union of ranges.
    pub const fn is_of_programs(self) -> bool {
        matches!(self, Self::CircularBuffer | Self::DataflowBuffer | Self::Scratchpad)
    }

    /// The program memory of a record's byte. Circular buffers, which came first, where it is no other's.
    pub(crate) const fn of_programs(code: u8) -> Self {
        match code {
            DATAFLOW_BUFFER_CODE => Self::DataflowBuffer,
            SCRATCHPAD_CODE => Self::Scratchpad,
            _ => Self::CircularBuffer,
        }
    }

    /// The memory that a `BufferType` value names.
    pub const fn from_buffer_type(value: u8) -> Self {
        match value {
            0 => Self::Dram,
            1 => Self::L1,
            2 => Self::SystemMemory,
            3 => Self::L1Small,
            4 => Self::Trace,
            other => Self::Unknown(other),
        }
    }

    /// The byte that stands for this memory in a record.
    ///
    /// `Unknown(0xCB)` shares its byte with circular buffers, as other numbers do with other program memory; the record's kind
    /// tells them apart.
    #[inline(always)]
    pub const fn code(self) -> u8 {
        // Apart from the others, which are a small table then: each event asks.
        if let Self::Unknown(value) = self {
            return value;
        }
        match self {
            Self::Dram => 0,
            Self::L1 => 1,
            Self::SystemMemory => 2,
            Self::L1Small => 3,
            Self::Trace => 4,
            Self::DataflowBuffer => DATAFLOW_BUFFER_CODE,
            Self::Scratchpad => SCRATCHPAD_CODE,
            Self::CircularBuffer | Self::Unknown(_) => CIRCULAR_BUFFER_CODE,
        }
    }
}

impl fmt::Display for Memory {
    /// Writes tt-metal's name, `CB`, `DFB`, `SCRATCHPAD`, or `unknown(N)`. These are the keys of the JSON report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dram => f.pad("DRAM"),
            Self::L1 => f.pad("L1"),
            Self::SystemMemory => f.pad("SYSTEM_MEMORY"),
            Self::L1Small => f.pad("L1_SMALL"),
            Self::Trace => f.pad("TRACE"),
            Self::CircularBuffer => f.pad("CB"),
            Self::DataflowBuffer => f.pad("DFB"),
            Self::Scratchpad => f.pad("SCRATCHPAD"),
            Self::Unknown(value) => f.pad(&format!("unknown({value})")),
        }
    }
}

/// No memory has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMemory;

impl FromStr for Memory {
    type Err = UnknownMemory;

    /// Reads what [`Memory`] displays.
    fn from_str(name: &str) -> Result<Self, UnknownMemory> {
        Ok(match name {
            "DRAM" => Self::Dram,
            "L1" => Self::L1,
            "SYSTEM_MEMORY" => Self::SystemMemory,
            "L1_SMALL" => Self::L1Small,
            "TRACE" => Self::Trace,
            "CB" => Self::CircularBuffer,
            "DFB" => Self::DataflowBuffer,
            "SCRATCHPAD" => Self::Scratchpad,
            other => {
                let number = other.strip_prefix("unknown(").and_then(|rest| rest.strip_suffix(')'));
                Self::Unknown(number.and_then(|number| number.parse().ok()).ok_or(UnknownMemory)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;

    #[test]
    fn every_buffer_type_value_comes_back_as_it_was() {
        for value in 0..=u8::MAX {
            assert_eq!(Memory::from_buffer_type(value).code(), value);
        }
    }

    #[test]
    fn program_memory_comes_back_from_its_byte() {
        for memory in Memory::OF_PROGRAMS {
            assert!(memory.is_of_programs());
            assert_eq!(Memory::of_programs(memory.code()), memory);
        }
        assert_eq!(Memory::of_programs(0), Memory::CircularBuffer);
        assert!(!Memory::L1.is_of_programs());
    }

    #[test]
    fn names_are_those_of_the_report() {
        assert_eq!(Memory::from_buffer_type(3).to_string(), "L1_SMALL");
        assert_eq!(Memory::from_buffer_type(9).to_string(), "unknown(9)");
        assert_eq!(format!("{:>5}", Memory::CircularBuffer), "   CB");
        for memory in (0..=8).map(Memory::from_buffer_type).chain(Memory::OF_PROGRAMS) {
            assert_eq!(memory.to_string().parse(), Ok(memory));
        }
        assert!("L7".parse::<Memory>().is_err() && "unknown(x)".parse::<Memory>().is_err());
    }
}
