//! Cores of a chip.

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
    /// This core alone.
    #[must_use]
    pub const fn one(x: u16, y: u16) -> Self {
        Self { first_x: x, first_y: y, last_x: x, last_y: y }
    }

    pub(crate) fn word(self) -> u64 {
        let Self { first_x, first_y, last_x, last_y } = self;
        u64::from(first_x) | u64::from(first_y) << 16 | u64::from(last_x) << 32 | u64::from(last_y) << 48
    }

    pub(crate) fn from_word(word: u64) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_comes_back_and_other_numbers_are_none() {
        for core in [OnCore::At { x: 0, y: 0 }, OnCore::At { x: 11, y: 32_767 }, OnCore::Unknown] {
            assert_eq!(OnCore::from_code(core.code()), Some(core));
        }
        assert_eq!(OnCore::from_code(OnCore::At { x: 32_768, y: 0 }.code()), Some(OnCore::Unknown));
        assert_eq!([0, 120, 1 << 30].map(OnCore::from_code), [None; 3]);
    }
}
