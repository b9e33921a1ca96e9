//! Regions as bytes: what most of a saved ledger is. A reader that drains saves it between two batches of events, which wait
//! meanwhile; so it is made for the processor, without a branch for each byte, and not by the general way.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeSeq};

use crate::region::{Entry, Region};

/// Numbers of an entry: the address, and the region's fields.
const FIELDS: usize = Region::FIELDS + 1;
/// How many bytes each number has, in four bits, comes before them.
const LENGTHS: usize = FIELDS.div_ceil(2);
const MAX_BYTES: usize = LENGTHS + FIELDS * 8;
/// So many are written at once: their bytes stay in the processor's cache until they are copied to where they are wanted.
const AT_ONCE: usize = 256;

/// Appends all entries, `count` of them. Of each: the lengths of its numbers, then their bytes, the lowest first, without
/// zeros above.
pub(crate) fn serialize<'a, S: Serializer>(
    count: usize,
    mut regions: impl Iterator<Item = (u64, &'a Region)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let parts = count.div_ceil(AT_ONCE);
    let mut sequence = serializer.serialize_seq(Some(parts))?;
    let mut buffer = vec![0; count.min(AT_ONCE) * MAX_BYTES];
    for _ in 0..parts {
        let mut end = 0;
        for (address, region) in regions.by_ref().take(AT_ONCE) {
            end += pack(&mut buffer[end..], address, region);
        }
        sequence.serialize_element(&Part(&buffer[..end]))?;
    }
    sequence.end()
}

/// Returns how many bytes it took.
#[inline]
fn pack(buffer: &mut [u8], address: u64, region: &Region) -> usize {
    let buffer = &mut buffer[..MAX_BYTES];
    let mut at = LENGTHS;
    let mut lengths = 0_u64;
    for (index, number) in std::iter::once(address).chain(region.fields()).enumerate() {
        let length = u64::from(71 - number.leading_zeros()) / 8;
        lengths |= length << (index * 4);
        // All eight bytes: the next number begins behind those that count.
        buffer[at..at + 8].copy_from_slice(&number.to_le_bytes());
        at += length as usize;
    }
    buffer[..LENGTHS].copy_from_slice(&lengths.to_le_bytes()[..LENGTHS]);
    at
}

/// The bytes of some entries.
struct Part<'a>(&'a [u8]);

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

fn number(bytes: &mut &[u8], length: usize) -> Option<u64> {
    if length > 8 {
        return None;
    }
    let (number, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let mut whole = [0; 8];
    whole[..length].copy_from_slice(number);
    Some(u64::from_le_bytes(whole))
}

fn entry(bytes: &mut &[u8]) -> Option<Entry> {
    let lengths = number(bytes, LENGTHS)?;
    let length = |index: usize| (lengths >> (index * 4) & 0xf) as usize;
    let address = number(bytes, length(0))?;
    let mut fields = [0; Region::FIELDS];
    for (index, field) in fields.iter_mut().enumerate() {
        *field = number(bytes, length(index + 1))?;
    }
    Some(Entry { address, region: Region::from_fields(fields)? })
}

/// What [`serialize`] wrote.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    let parts: Vec<&[u8]> = Deserialize::deserialize(deserializer)?;
    let mut entries = Vec::new();
    for mut bytes in parts {
        while !bytes.is_empty() {
            entries.push(entry(&mut bytes).ok_or_else(|| D::Error::custom("not a region"))?);
        }
    }
    Ok(entries)
}
