//! Regions as bytes: what most of a saved ledger is, so it is written field by field into one small buffer each, and not
//! through the general way, which takes four times as long.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

use crate::region::{Entry, Region};

/// Fields of an entry, each as a number of at most ten bytes.
const FIELDS: usize = Region::FIELDS + 1;
const MAX_BYTES: usize = FIELDS * 10;

/// Appends all entries, seven bits a byte, the lowest first.
pub(crate) fn serialize<'a, S: Serializer>(
    count: usize,
    regions: impl Iterator<Item = (u64, &'a Region)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut bytes = Vec::with_capacity(count * 32);
    for (address, region) in regions {
        let mut buffer = [0; MAX_BYTES];
        let mut at = 0;
        for mut number in std::iter::once(address).chain(region.fields()) {
            while number >= 0x80 {
                buffer[at] = number as u8 | 0x80;
                number >>= 7;
                at += 1;
            }
            buffer[at] = number as u8;
            at += 1;
        }
        bytes.extend_from_slice(&buffer[..at]);
    }
    serializer.serialize_bytes(&bytes)
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return None;
        }
        number |= part << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn entry(bytes: &mut &[u8]) -> Option<Entry> {
    let address = number(bytes)?;
    let mut fields = [0; Region::FIELDS];
    for field in &mut fields {
        *field = number(bytes)?;
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
