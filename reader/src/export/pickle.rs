//! Writes a Python pickle of protocol 4, with no more opcodes than PyTorch's memory viewer reads: it has an unpickler of its
//! own, in JavaScript.

use std::{
    collections::HashMap,
    io::{self, Write},
};

/// Writes values one after the other. A container is begun, filled and ended; each item of a list is appended by itself,
/// since a reader may not be able to take a million at once.
pub(super) struct Pickle<W: Write> {
    output: W,
    texts: HashMap<String, u32>,
    memoized: u32,
}

impl<W: Write> Pickle<W> {
    pub(super) fn begin(mut output: W) -> io::Result<Self> {
        output.write_all(&[0x80, 4])?;
        Ok(Self { output, texts: HashMap::new(), memoized: 0 })
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.output.write_all(b".")
    }

    pub(super) fn empty_list(&mut self) -> io::Result<()> {
        self.output.write_all(b"]")
    }

    /// The value on top becomes the last item of the list below.
    pub(super) fn append(&mut self) -> io::Result<()> {
        self.output.write_all(b"a")
    }

    /// An empty dictionary, and the beginning of its items: text and value in turns.
    pub(super) fn begin_dictionary(&mut self) -> io::Result<()> {
        self.output.write_all(b"}(")
    }

    pub(super) fn end_dictionary(&mut self) -> io::Result<()> {
        self.output.write_all(b"u")
    }

    /// A text; the second time only its number.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        if let Some(&at) = self.texts.get(text) {
            return self.again(at);
        }
        match u8::try_from(text.len()) {
            Ok(length) => self.output.write_all(&[0x8c, length])?,
            Err(_) => {
                let length = u32::try_from(text.len()).map_err(io::Error::other)?;
                self.output.write_all(b"X")?;
                self.output.write_all(&length.to_le_bytes())?;
            }
        }
        self.output.write_all(text.as_bytes())?;
        let at = self.memoize()?;
        self.texts.insert(text.to_owned(), at);
        Ok(())
    }

    /// Gives the value on top a number by which it is had again.
    pub(super) fn memoize(&mut self) -> io::Result<u32> {
        self.output.write_all(&[0x94])?;
        self.memoized += 1;
        Ok(self.memoized - 1)
    }

    /// A value that has a number.
    pub(super) fn again(&mut self, at: u32) -> io::Result<()> {
        match u8::try_from(at) {
            Ok(at) => self.output.write_all(&[b'h', at]),
            Err(_) => {
                self.output.write_all(b"j")?;
                self.output.write_all(&at.to_le_bytes())
            }
        }
    }

    pub(super) fn bool(&mut self, is: bool) -> io::Result<()> {
        self.output.write_all(&[if is { 0x88 } else { 0x89 }])
    }

    /// A number below 2^63.
    pub(super) fn number(&mut self, number: u64) -> io::Result<()> {
        if let Ok(number) = u8::try_from(number) {
            return self.output.write_all(&[b'K', number]);
        }
        if let Ok(number) = u16::try_from(number) {
            self.output.write_all(b"M")?;
            return self.output.write_all(&number.to_le_bytes());
        }
        if let Ok(number) = i32::try_from(number) {
            self.output.write_all(b"J")?;
            return self.output.write_all(&number.to_le_bytes());
        }
        self.output.write_all(&[0x8a, 8])?;
        self.output.write_all(&number.min(i64::MAX as u64).to_le_bytes())
    }
}
