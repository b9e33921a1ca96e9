//! Whole numbers in as many bytes as they need: seven bits a byte, low bits first, the top bit says that more follow.

/// Appends a number: one byte up to 127, ten at most.
#[inline]
pub(crate) fn write(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads the number at `at` and moves on; `None` if the bytes end in it, or it is longer than 64 bits.
#[inline]
pub(crate) fn read(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let window = bytes.get(*at..).and_then(|rest| rest.first_chunk::<8>());
    let Some(window) = window else { return read_slowly(bytes, at) };
    let window = u64::from_le_bytes(*window);
    let last_bytes = !window & 0x8080_8080_8080_8080;
    if last_bytes == 0 {
        return read_slowly(bytes, at);
    }
    // Lengths are mixed, so no branch asks for them: the bits past the number are cleared, then groups of 7 bits are
    // joined to 14, 28 and 56.
    let through_last_byte = last_bytes ^ (last_bytes - 1);
    let value = window & through_last_byte & 0x7F7F_7F7F_7F7F_7F7F;
    let value = value & 0x007F_007F_007F_007F | (value & 0x7F00_7F00_7F00_7F00) >> 1;
    let value = value & 0x0000_3FFF_0000_3FFF | (value & 0x3FFF_0000_3FFF_0000) >> 2;
    let value = value & 0x0FFF_FFFF | (value & 0x0FFF_FFFF_0000_0000) >> 4;
    *at += last_bytes.trailing_zeros() as usize / 8 + 1;
    Some(value)
}

#[cold]
fn read_slowly(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for (index, &byte) in bytes.get(*at..)?.iter().take(10).enumerate() {
        if index == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte < 0x80 {
            *at += index + 1;
            return Some(value);
        }
    }
    None
}

/// Small numbers of either sign become small numbers: 0, -1, 1, -2 are 0, 1, 2, 3.
#[inline]
pub(crate) fn zigzag(difference: u64) -> u64 {
    difference << 1 ^ ((difference as i64) >> 63) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub(crate) fn unzigzag(value: u64) -> u64 {
    value >> 1 ^ (value & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_come_back_at_the_end_and_in_the_middle() {
        for bits in 0..=64 {
            for value in [(1u128 << bits) as u64, ((1u128 << bits) - 1) as u64] {
                let mut bytes = Vec::new();
                write(&mut bytes, value);
                let length = bytes.len();
                for padding in [0, 20] {
                    bytes.resize(length + padding, 0xFF);
                    let mut at = 0;
                    assert_eq!(read(&bytes, &mut at), Some(value));
                    assert_eq!(at, length);
                }
                assert_eq!(read(&bytes[..length - 1], &mut 0), None);
                assert_eq!(unzigzag(zigzag(value)), value);
            }
        }
    }

    #[test]
    fn numbers_of_more_than_64_bits_are_refused() {
        let mut bytes = [0xFF; 11];
        assert_eq!(read(&bytes, &mut 0), None);
        bytes[9] = 2;
        assert_eq!(read(&bytes, &mut 0), None);
        let mut beyond = usize::MAX;
        assert_eq!(read(&bytes, &mut beyond), None);
    }
}
