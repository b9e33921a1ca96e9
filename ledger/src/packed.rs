//! Regions as bytes: what most of a saved ledger is. A reader that drains saves it between two batches of events, which wait
//! meanwhile; so it is made for the processor, without a branch for each byte, and not by the general way.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

use crate::region::{Entry, Region};

/// Numbers of an entry: the address, and the region's fields.
const FIELDS: usize = Region::FIELDS + 1;
/// How many bytes each number has, in four bits, comes before them.
const LENGTHS: usize = FIELDS.div_ceil(2);
const MAX_BYTES: usize = LENGTHS + FIELDS * 8;

/// Appends all entries. Of each: the lengths of its numbers, then their bytes, the lowest first, without zeros above.
pub(crate) fn serialize<'a, S: Serializer>(
    count: usize,
    regions: impl Iterator<Item = (u64, &'a Region)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut bytes = Vec::with_capacity(count * 32);
    let mut buffer = [0; MAX_BYTES];
    for (address, region) in regions {
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
        bytes.extend_from_slice(&buffer[..at]);
    }
    serializer.serialize_bytes(&bytes)
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
    let mut bytes: &[u8] = Deserialize::deserialize(deserializer)?;
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        entries.push(entry(&mut bytes).ok_or_else(|| D::Error::custom("not a region"))?);
    }
    Ok(entries)
}
