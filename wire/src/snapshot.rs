//! The envelope of a snapshot: what the events up to a position of a ring add up to, in a sidecar file.
//!
//! What lies in it is the ledger's; here are its bounds, whose it is and how far it goes.

use std::fmt;

/// The first eight bytes of a snapshot, as text.
pub const SNAPSHOT_MAGIC: [u8; 8] = *b"TTMEMSNP";

/// The version of envelope and content. A reader takes its own only.
pub const SNAPSHOT_VERSION: u32 = 7;

/// Bytes before the content.
pub const SNAPSHOT_HEADER_BYTES: usize = 64;

/// More than this is no snapshot: a million live regions take some 40 MiB.
pub const MAX_SNAPSHOT_BYTES: u64 = 1 << 30;

/// Whose snapshot it is, and how far it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The ring that its events were in.
    pub ring_id: u128,
    /// Records of the ring that lie behind it: all below this were put into it, but for `missing`.
    pub position: u64,
    /// Records below `position` that somebody took out of the ring without putting them into it.
    pub missing: u64,
}

/// Why a file can't be used as a ring's snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// Not such a file at all.
    NotOne,
    /// A version that this reader does not know.
    Version {
        /// Its version.
        found: u32,
    },
    /// It is of another ring.
    OtherRing,
    /// Cut short, or changed since.
    Damaged,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOne => write!(f, "not a ttmem snapshot"),
            Self::Version { found } => {
                write!(f, "snapshot format {found}, this ttmem reads {SNAPSHOT_VERSION}: use that of the same release")
            }
            Self::OtherRing => write!(f, "a snapshot of another ring"),
            Self::Damaged => write!(f, "a damaged snapshot"),
        }
    }
}

impl std::error::Error for SnapshotError {}

impl Snapshot {
    /// The header for this content.
    pub fn encode(&self, content: &[u8]) -> [u8; SNAPSHOT_HEADER_BYTES] {
        let mut header = [0; SNAPSHOT_HEADER_BYTES];
        header[..8].copy_from_slice(&SNAPSHOT_MAGIC);
        header[8..12].copy_from_slice(&SNAPSHOT_VERSION.to_le_bytes());
        header[16..32].copy_from_slice(&self.ring_id.to_le_bytes());
        header[32..40].copy_from_slice(&self.position.to_le_bytes());
        header[40..48].copy_from_slice(&self.missing.to_le_bytes());
        header[48..56].copy_from_slice(&(content.len() as u64).to_le_bytes());
        let checksum = checksum(&header[..56], content);
        header[56..60].copy_from_slice(&checksum.to_le_bytes());
        header
    }

    /// Reads a whole file; gives its content too. Any bytes are safe to pass.
    ///
    /// # Errors
    /// [`SnapshotError`] says what is wrong with it.
    pub fn decode(file: &[u8], ring_id: u128) -> Result<(Self, &[u8]), SnapshotError> {
        let snapshot = Self::peek(file)?;
        let (header, content) = file.split_at(SNAPSHOT_HEADER_BYTES);
        if word(header, 48) != content.len() as u64
            || word(header, 56) as u32 != checksum(&header[..56], content)
            || snapshot.missing > snapshot.position
        {
            return Err(SnapshotError::Damaged);
        }
        if snapshot.ring_id != ring_id {
            return Err(SnapshotError::OtherRing);
        }
        Ok((snapshot, content))
    }

    /// Checks that a file which begins so may have this length: before its content is read.
    ///
    /// # Errors
    /// If it is no header of this version, or its content has another length.
    pub fn check_length(file: &[u8], bytes: u64) -> Result<(), SnapshotError> {
        Self::peek(file)?;
        let content = bytes.checked_sub(SNAPSHOT_HEADER_BYTES as u64);
        if content == Some(word(file, 48)) { Ok(()) } else { Err(SnapshotError::Damaged) }
    }

    /// What the header alone says, which its content may belie.
    ///
    /// # Errors
    /// If it is no header of this version.
    pub fn peek(file: &[u8]) -> Result<Self, SnapshotError> {
        let Some(header) = file.get(..SNAPSHOT_HEADER_BYTES) else {
            return Err(SnapshotError::NotOne);
        };
        if header[..8] != SNAPSHOT_MAGIC {
            return Err(SnapshotError::NotOne);
        }
        let version = word(header, 8) as u32;
        if version != SNAPSHOT_VERSION {
            return Err(SnapshotError::Version { found: version });
        }
        Ok(Self {
            ring_id: u128::from(word(header, 16)) | u128::from(word(header, 24)) << 64,
            position: word(header, 32),
            missing: word(header, 40),
        })
    }
}

fn word(header: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|byte| header[at + byte]))
}

fn checksum(header: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(content);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(snapshot: &Snapshot, content: &[u8]) -> Vec<u8> {
        [&snapshot.encode(content)[..], content].concat()
    }

    const SNAPSHOT: Snapshot = Snapshot { ring_id: 1 << 99 | 7, position: 1 << 40, missing: 3 };

    #[test]
    fn a_snapshot_comes_back_as_it_was() {
        let file = file(&SNAPSHOT, b"content");
        assert_eq!(Snapshot::decode(&file, SNAPSHOT.ring_id), Ok((SNAPSHOT, &b"content"[..])));
        assert_eq!(Snapshot::decode(&file, 7), Err(SnapshotError::OtherRing));
        assert_eq!(Snapshot::peek(&file[..SNAPSHOT_HEADER_BYTES]), Ok(SNAPSHOT));
        assert_eq!(Snapshot::peek(&file[..SNAPSHOT_HEADER_BYTES - 1]), Err(SnapshotError::NotOne));
    }

    #[test]
    fn a_file_of_another_length_is_refused_by_its_header() {
        let file = file(&SNAPSHOT, b"content");
        let check = |bytes: u64| Snapshot::check_length(&file[..SNAPSHOT_HEADER_BYTES], bytes);
        assert_eq!(check(file.len() as u64), Ok(()));
        for bytes in [0, file.len() as u64 - 1, file.len() as u64 + 1, u64::MAX] {
            assert_eq!(check(bytes), Err(SnapshotError::Damaged), "{bytes}");
        }
        assert_eq!(Snapshot::check_length(b"short", 5), Err(SnapshotError::NotOne));
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_seen() {
        let whole = file(&SNAPSHOT, b"content");
        for at in (0..60).chain(64..whole.len()) {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            // The four bytes behind the version are not used, but for the checksum.
            assert!(Snapshot::decode(&changed, SNAPSHOT.ring_id).is_err(), "byte {at}");
        }
        for length in 0..whole.len() {
            assert!(Snapshot::decode(&whole[..length], SNAPSHOT.ring_id).is_err(), "{length} bytes");
        }
        let mut newer = whole;
        newer[8] = 9;
        assert_eq!(Snapshot::decode(&newer, SNAPSHOT.ring_id), Err(SnapshotError::Version { found: 9 }));
    }
}
