//! The first page of a ring file: what it is, whose it is, where its parts lie. Written once, before the file has a name.

use std::fmt;

/// Bytes of a page; every part of a ring file starts on one.
pub const PAGE: usize = 4096;

/// Bytes of the header.
pub const HEADER_BYTES: usize = PAGE;

/// The first eight bytes of a ring file, as text.
pub const MAGIC: [u8; 8] = *b"TTMEMRNG";

/// The version of everything in the file. A reader takes its own only.
pub const VERSION: u32 = 5;

/// [`Header::clock`]: ticks of the invariant time stamp counter.
pub const CLOCK_TSC: u64 = 1;

/// [`Header::clock`]: nanoseconds of `CLOCK_MONOTONIC`.
pub const CLOCK_MONOTONIC: u64 = 2;

/// More slots than this in a ring or queue are a damaged header: 1 GiB of them.
pub const MAX_RING_SLOTS: u64 = 1 << 24;

/// A larger file is no ring file.
pub const MAX_RING_FILE_BYTES: u64 = (1 << 32) - 1;

/// Pages between the header and the parts that it tells the places of: one for each writer.
pub const WRITER_PAGES: usize = 3;

/// Bytes of the command line that are kept.
pub const MAX_COMMAND_BYTES: usize = 3072;

const COMMAND_AT: usize = HEADER_BYTES - MAX_COMMAND_BYTES;
const PRODUCER_AT: usize = 512;
const MAX_PRODUCER_BYTES: usize = 32;
const ENDIAN_MARK: u64 = 0x0102_0304_0506_0708;

/// What the first page says. Offsets and sizes are in bytes from the start of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Size of the whole file.
    pub file_bytes: u64,
    /// Where the pool table starts; [`crate::MAX_POOLS`] entries of 64 bytes.
    pub pools_offset: u64,
    /// Where the queue starts.
    pub queue_offset: u64,
    /// Slots of 64 bytes in the queue; a power of two.
    pub queue_slots: u64,
    /// Where the ring starts.
    pub ring_offset: u64,
    /// Slots of 64 bytes in the ring; a power of two.
    pub ring_slots: u64,
    /// The producer's process id in its own namespace. For display: identity is `ring_id`.
    pub pid: u32,
    /// Its parent's.
    pub parent_pid: u32,
    /// Its effective user id.
    pub uid: u32,
    /// When it was started: clock ticks since boot, field 22 of `/proc/<pid>/stat`.
    pub process_start: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: u128,
    /// Random: which ring this is, for ever.
    pub ring_id: u128,
    /// [`CLOCK_TSC`] or [`CLOCK_MONOTONIC`].
    pub clock: u64,
    /// The clock when the ring was made, in its own ticks.
    pub clock_start: u64,
    /// `CLOCK_MONOTONIC` at that moment, ns.
    pub monotonic_start_ns: u64,
    /// `CLOCK_REALTIME` at that moment, ns since 1970.
    pub realtime_start_ns: u64,
    /// The shim's version.
    pub producer: String,
    /// The command line, arguments as they were.
    pub command: Vec<String>,
}

/// Why a page is not a header that this version can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Fewer bytes than a header has.
    Short(usize),
    /// Not a ring file at all.
    NotARing,
    /// Written on a machine with the other byte order.
    ForeignByteOrder,
    /// A version this reader does not know.
    Version(u32),
    /// A size, offset or id that can't be.
    Field(&'static str),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(bytes) => write!(f, "{bytes} bytes are too few for a ring file"),
            Self::NotARing => write!(f, "not a ttmem ring file"),
            Self::ForeignByteOrder => write!(f, "written on a machine of the other byte order"),
            Self::Version(version) => {
                write!(f, "ring format {version}, this ttmem reads {VERSION}: use the ttmem of the same release")
            }
            Self::Field(field) => write!(f, "damaged ring file: its {field} can't be right"),
        }
    }
}

impl std::error::Error for HeaderError {}

impl Header {
    /// The header as the bytes of its page. Text that does not fit is cut.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut page = [0; HEADER_BYTES];
        page[..8].copy_from_slice(&MAGIC);
        let words = [
            u64::from(VERSION),
            ENDIAN_MARK,
            self.file_bytes,
            self.pools_offset,
            self.queue_offset,
            self.queue_slots,
            self.ring_offset,
            self.ring_slots,
            u64::from(self.pid) | u64::from(self.parent_pid) << 32,
            u64::from(self.uid),
            self.process_start,
            self.boot_id as u64,
            (self.boot_id >> 64) as u64,
            self.ring_id as u64,
            (self.ring_id >> 64) as u64,
            self.clock,
            self.clock_start,
            self.monotonic_start_ns,
            self.realtime_start_ns,
        ];
        for (bytes, word) in page[8..].chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        let producer = &self.producer.as_bytes()[..self.producer.len().min(MAX_PRODUCER_BYTES)];
        page[PRODUCER_AT..][..producer.len()].copy_from_slice(producer);
        let mut rest = &mut page[COMMAND_AT..];
        for argument in &self.command {
            // With the NUL that ends it.
            let Some((taken, left)) = rest.split_at_mut_checked(argument.len() + 1) else { break };
            taken[..argument.len()].copy_from_slice(argument.as_bytes());
            rest = left;
        }
        page
    }

    /// Reads a header and checks it, see [`Header::check`]. `actual_bytes` is the size of the file.
    ///
    /// # Errors
    /// [`HeaderError`] says why it can't be read.
    pub fn decode(page: &[u8], actual_bytes: u64) -> Result<Self, HeaderError> {
        let page: &[u8; HEADER_BYTES] =
            page.get(..HEADER_BYTES).and_then(|page| page.try_into().ok()).ok_or(HeaderError::Short(page.len()))?;
        if page[..8] != MAGIC {
            return Err(HeaderError::NotARing);
        }
        let mut words = [0; 19];
        for (word, bytes) in words.iter_mut().zip(page[8..].chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
            if cfg!(target_endian = "big") {
                *word = word.swap_bytes();
            }
        }
        let [version, endian, file_bytes, pools_offset, queue_offset, queue_slots, ring_offset, ring_slots, ..] = words;
        if endian != ENDIAN_MARK {
            return Err(HeaderError::ForeignByteOrder);
        }
        if version != u64::from(VERSION) {
            return Err(HeaderError::Version(version as u32));
        }
        let header = Self {
            file_bytes,
            pools_offset,
            queue_offset,
            queue_slots,
            ring_offset,
            ring_slots,
            pid: words[8] as u32,
            parent_pid: (words[8] >> 32) as u32,
            uid: words[9] as u32,
            process_start: words[10],
            boot_id: u128::from(words[11]) | u128::from(words[12]) << 64,
            ring_id: u128::from(words[13]) | u128::from(words[14]) << 64,
            clock: words[15],
            clock_start: words[16],
            monotonic_start_ns: words[17],
            realtime_start_ns: words[18],
            producer: text(&page[PRODUCER_AT..][..MAX_PRODUCER_BYTES]),
            command: arguments(&page[COMMAND_AT..]),
        };
        header.check(actual_bytes)?;
        Ok(header)
    }

    /// Checks everything that later reads rely on: offsets inside `file_bytes`, powers of two, parts that do not run out of the
    /// file. `actual_bytes` is the size of the file.
    ///
    /// # Errors
    /// The field that can't be right.
    pub fn check(&self, actual_bytes: u64) -> Result<(), HeaderError> {
        let Self { file_bytes, pools_offset, queue_offset, queue_slots, ring_offset, ring_slots, clock, .. } = *self;
        if file_bytes != actual_bytes || file_bytes > MAX_RING_FILE_BYTES {
            return Err(HeaderError::Field("file size"));
        }
        let first_part = (HEADER_BYTES + WRITER_PAGES * PAGE) as u64;
        let part = |field, offset: u64, slots: u64| {
            let fits = slots.checked_mul(64).and_then(|bytes| bytes.checked_add(offset));
            let aligned = offset.is_multiple_of(PAGE as u64) && offset >= first_part;
            match fits {
                Some(end) if end <= file_bytes && aligned => Ok(()),
                _ => Err(HeaderError::Field(field)),
            }
        };
        let slots = |field, slots: u64| {
            let sane = slots.is_power_of_two() && slots <= MAX_RING_SLOTS;
            if sane { Ok(()) } else { Err(HeaderError::Field(field)) }
        };
        slots("queue size", queue_slots)?;
        slots("ring size", ring_slots)?;
        part("pool table's place", pools_offset, crate::MAX_POOLS as u64)?;
        part("queue's place", queue_offset, queue_slots)?;
        part("ring's place", ring_offset, ring_slots)?;
        if !matches!(clock, CLOCK_TSC | CLOCK_MONOTONIC) {
            return Err(HeaderError::Field("clock"));
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Arguments end with a NUL each; the list ends with the last byte that is none.
fn arguments(bytes: &[u8]) -> Vec<String> {
    let Some(last) = bytes.iter().rposition(|&byte| byte != 0) else { return Vec::new() };
    bytes[..=last].split(|&byte| byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Header {
        Header {
            file_bytes: 1 << 20,
            pools_offset: 4 * 4096,
            queue_offset: 8 * 4096,
            queue_slots: 64,
            ring_offset: 9 * 4096,
            ring_slots: 1024,
            pid: 17,
            parent_pid: 4,
            uid: 1000,
            process_start: 99,
            boot_id: u128::MAX - 5,
            ring_id: 1 << 100,
            clock: CLOCK_TSC,
            clock_start: 12,
            monotonic_start_ns: 13,
            realtime_start_ns: 14,
            producer: "0.1.0".into(),
            command: vec!["python".into(), "".into(), "model.py".into()],
        }
    }

    #[test]
    fn a_header_comes_back_as_it_was() {
        assert_eq!(Header::decode(&sound().encode(), 1 << 20), Ok(sound()));
    }

    #[test]
    fn parts_outside_the_file_and_odd_sizes_are_refused() {
        let check = |change: fn(&mut Header)| {
            let mut header = sound();
            change(&mut header);
            Header::decode(&header.encode(), 1 << 20).unwrap_err()
        };
        assert_eq!(check(|h| h.file_bytes = 4096), HeaderError::Field("file size"));
        assert_eq!(check(|h| h.ring_slots = 1000), HeaderError::Field("ring size"));
        assert_eq!(check(|h| h.queue_slots = 0), HeaderError::Field("queue size"));
        assert_eq!(check(|h| h.ring_offset = 1 << 20), HeaderError::Field("ring's place"));
        assert_eq!(check(|h| h.queue_offset = 0), HeaderError::Field("queue's place"));
        assert_eq!(check(|h| h.pools_offset = u64::MAX - 4095), HeaderError::Field("pool table's place"));
        assert_eq!(check(|h| h.clock = 7), HeaderError::Field("clock"));
    }

    #[test]
    fn other_files_say_what_they_are_not() {
        assert_eq!(Header::decode(b"short", 5), Err(HeaderError::Short(5)));
        assert_eq!(Header::decode(&[0; 4096], 4096), Err(HeaderError::NotARing));
        let mut newer = sound().encode();
        newer[8] = 9;
        assert_eq!(Header::decode(&newer, 1 << 20), Err(HeaderError::Version(9)));
    }

    #[test]
    fn a_long_command_line_is_cut_at_an_argument() {
        let mut header = sound();
        header.command = vec!["a".repeat(2000), "b".repeat(2000)];
        assert_eq!(Header::decode(&header.encode(), 1 << 20).unwrap().command.len(), 1);
    }

    #[test]
    fn a_command_line_of_any_bytes_is_read_and_written_again() {
        for byte in 0..=u8::MAX {
            let mut page = sound().encode();
            // As text, a byte that is no UTF-8 takes three.
            page[COMMAND_AT..].fill(byte);
            let header = Header::decode(&page, 1 << 20).unwrap();
            assert!(Header::decode(&header.encode(), 1 << 20).is_ok(), "{byte}");
        }
    }
}
