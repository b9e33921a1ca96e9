//! Python strings as UTF-8, character by character: there is no heap to put them.

use super::layout::{self, Layout};

/// A string of Python's, alive as long as the frame that it was found by.
#[derive(Clone, Copy)]
pub(in super::super) struct Text {
    length: usize,
    width: usize,
    at: *const u8,
}

impl Text {
    /// # Safety
    /// `object` is a str of this layout, and lives on.
    pub(in super::super) unsafe fn new(layout: &Layout, object: *const u8) -> Self {
        // SAFETY: as the caller says.
        let (length, width, at) = unsafe { layout::characters(layout, object) }.unwrap_or((1, 1, b"?".as_ptr()));
        Self { length, width, at }
    }

    /// Shows its bytes as the file system would have them, at most `limit` of them.
    pub(in super::super) fn bytes(&self, limit: usize, mut show: impl FnMut(&[u8])) {
        let mut left = limit;
        for index in 0..self.length {
            // SAFETY: `length` characters of `width` bytes lie there.
            let character = unsafe {
                match self.width {
                    1 => u32::from(*self.at.add(index)),
                    2 => u32::from(self.at.cast::<u16>().add(index).read_unaligned()),
                    _ => self.at.cast::<u32>().add(index).read_unaligned(),
                }
            };
            let mut buffer = [0_u8; 4];
            let bytes: &[u8] = match character {
                // A byte that was no UTF-8 (PEP 383).
                0xDC80..=0xDCFF => {
                    buffer[0] = character as u8;
                    &buffer[..1]
                }
                _ => {
                    char::from_u32(character).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut buffer).as_bytes()
                }
            };
            match left.checked_sub(bytes.len()) {
                Some(rest) => left = rest,
                None => return,
            }
            show(bytes);
        }
    }

    /// How many bytes that shows.
    pub(in super::super) fn byte_length(&self, limit: usize) -> usize {
        let mut length = 0;
        self.bytes(limit, |bytes| length += bytes.len());
        length
    }
}

/// # Safety
/// `object` is a bytes object, and lives as long as `'a`.
pub(in super::super) unsafe fn bytes_of<'a>(object: *const u8) -> &'a [u8] {
    // SAFETY: as the caller says.
    unsafe { layout::bytes(object) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(length: usize, width: usize, at: *const u8, limit: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        Text { length, width, at }.bytes(limit, |part| bytes.extend_from_slice(part));
        bytes
    }

    #[test]
    fn every_width_becomes_utf_8_and_bytes_that_were_none_come_back() {
        assert_eq!(shown(2, 1, b"a\xe9".as_ptr(), 99), "aé".as_bytes());
        let wide = [0x61_u16, 0x20AC, 0xDC80 + 0x7F, 0xD800];
        assert_eq!(shown(4, 2, wide.as_ptr().cast(), 99), b"a\xe2\x82\xac\xff\xef\xbf\xbd");
        let widest = [0x1F600_u32, 0xFFFF_FFFF];
        assert_eq!(shown(2, 4, widest.as_ptr().cast(), 99), "😀\u{FFFD}".as_bytes());
        assert_eq!(shown(2, 4, widest.as_ptr().cast(), 5), "😀".as_bytes());
    }
}
