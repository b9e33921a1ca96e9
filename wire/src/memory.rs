//! Which memory of a device a buffer lies in.

use std::{fmt, str::FromStr};

/// A memory of a device, with tt-metal's `BufferType` values and one of our own for circular buffers.
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
    /// A `BufferType` that this version does not know; kept as it came.
    Unknown(u8),
}

/// The wire code of [`Memory::CircularBuffer`]; tt-metal's own values are small and dense.
const CIRCULAR_BUFFER_CODE: u8 = 0xCB;

impl Memory {
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
    /// `Unknown(0xCB)` shares its byte with circular buffers; the record's kind tells them apart.
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
            Self::CircularBuffer | Self::Unknown(_) => CIRCULAR_BUFFER_CODE,
        }
    }
}

impl fmt::Display for Memory {
    /// Writes tt-metal's name, `CB`, or `unknown(N)`. These are the keys of the JSON report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dram => f.pad("DRAM"),
            Self::L1 => f.pad("L1"),
            Self::SystemMemory => f.pad("SYSTEM_MEMORY"),
            Self::L1Small => f.pad("L1_SMALL"),
            Self::Trace => f.pad("TRACE"),
            Self::CircularBuffer => f.pad("CB"),
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
    fn names_are_those_of_the_report() {
        assert_eq!(Memory::from_buffer_type(3).to_string(), "L1_SMALL");
        assert_eq!(Memory::from_buffer_type(9).to_string(), "unknown(9)");
        assert_eq!(format!("{:>5}", Memory::CircularBuffer), "   CB");
        for memory in (0..=8).map(Memory::from_buffer_type).chain([Memory::CircularBuffer]) {
            assert_eq!(memory.to_string().parse(), Ok(memory));
        }
        assert!("L7".parse::<Memory>().is_err() && "unknown(x)".parse::<Memory>().is_err());
    }
}
