//! Messages of tt-metal's exceptions: the only place where some figures stand.

use ttmem_wire::Space;

/// The allocator refused since memory has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfMemory {
    /// Bytes that each bank was to hold.
    pub(super) size_per_bank: Option<u64>,
    /// What it had.
    pub(super) space: Option<Space>,
}

impl OutOfMemory {
    /// Reads "Out of Memory: Not enough space to allocate 8 B TRACE buffer across 8 banks, where each bank needs to store 8 B, but bank
    /// size is 0 B (allocated: 0 B, free: 0 B, largest free block: 0 B)", with the place in tt-metal's source before it.
    ///
    /// `None` where it has another reason.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let said = after(info(text), b"Out of Memory")?;
        let space = number_after(said, b" free: ").zip(number_after(said, b"largest free block: "));
        Some(Self {
            size_per_bank: number_after(said, b"each bank needs to store "),
            space: space
                .map(|(free, largest_block)| Space { free, largest_block })
                .filter(|space| space.largest_block <= space.free),
        })
    }
}

/// What a message says in one line, without the place in tt-metal's source before it and the backtrace behind.
pub(super) fn first_line(text: &[u8]) -> &[u8] {
    let said = info(text);
    said.split(|&byte| byte == b'\n').next().unwrap_or(said)
}

fn info(text: &[u8]) -> &[u8] {
    after(text, b"info:\n").unwrap_or(text)
}

/// What comes behind these words.
pub(super) fn after<'a>(text: &'a [u8], words: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(words.len()).position(|window| window == words)?;
    text.get(at + words.len()..)
}

/// The number behind these words.
pub(super) fn number_after(text: &[u8], words: &[u8]) -> Option<u64> {
    number(after(text, words)?).map(|(number, _)| number)
}

/// A number at the beginning, and what comes behind it.
pub(super) fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits).filter(|(digits, _)| !digits.is_empty())?;
    let value =
        digits.iter().try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_tt_metal_are_understood() {
        let trace = b"TT_FATAL @ /a/bank_manager.cpp:514: false\ninfo:\nOut of Memory: Not enough space to allocate 8388608 B \
            TRACE buffer across 8 banks, where each bank needs to store 1048576 B, but bank size is 8192 B (allocated: 64 B, \
            free: 8128 B, largest free block: 8000 B).\nbacktrace:";
        let space = Some(Space { free: 8128, largest_block: 8000 });
        assert_eq!(OutOfMemory::read(trace), Some(OutOfMemory { size_per_bank: Some(1_048_576), space }));
        let unknown = Some(OutOfMemory { size_per_bank: None, space: None });
        assert_eq!(
            OutOfMemory::read(b"Out of Memory: Cannot allocate at an address below 5. Allocation at 3"),
            unknown
        );
        assert_eq!(OutOfMemory::read(b"Out of Memory (free: 5 B, largest free block: 6 B)"), unknown, "that cannot be");
        let other = b"TT_FATAL @ /a/allocator.cpp:302: num_cores.has_value()\ninfo:\nL1_SMALL only supports sharded \
            allocations, see validate_num_banks\nbacktrace:\n --- a";
        let said = b"L1_SMALL only supports sharded allocations, see validate_num_banks";
        assert_eq!((OutOfMemory::read(other), first_line(other)), (None, &said[..]));
        assert_eq!((OutOfMemory::read(b""), first_line(b"")), (None, &b""[..]));
    }
}
