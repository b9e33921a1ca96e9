//! What changed between two moments: two runs, or two marks of one.

mod snapshot;
mod text;

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap};

use serde::Serialize;

pub use snapshot::{Runs, Snapshot};
pub use text::write_diff;

/// The name of the schema.
pub const SCHEMA: &str = "ttmem-diff/1";

/// What B has other than A.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The first moment.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// Regions that B has more, over all devices; circular buffers are left out, here and below, since they overlap.
    pub regions_change: i64,
    /// Bytes that B has more.
    pub bytes_change: i64,
    /// What came, went, grew and shrank: the largest change first.
    pub changes: Vec<Change>,
    /// Regions that both have alike.
    pub unchanged_regions: u64,
    /// Their bytes.
    pub unchanged_bytes: u64,
    /// What it comes to, in a sentence.
    pub text: String,
}

/// One of the two moments.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// Which file, and which moment of it.
    pub label: String,
    /// Regions that were held then, over all devices.
    pub regions: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why the sums may be wrong, where they may.
    pub inconclusive: Option<String>,
}

/// What a kind of regions did. A kind is a memory, a call site and a size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `appeared`, `went`, `grew` or `shrank`.
    pub change: Cow<'static, str>,
    /// Which memory.
    pub memory: String,
    /// Bytes of one region.
    pub size: u64,
    /// The call site, innermost frame first; empty where it is not known.
    pub site: Vec<String>,
    /// On which devices, each alike.
    pub devices: Vec<i32>,
    /// Regions in A, on each of them.
    pub regions_a: u64,
    /// Regions in B, on each of them.
    pub regions_b: u64,
    /// Bytes that B has more, over these devices.
    pub bytes_change: i64,
    /// All of them are held by the program cache.
    pub cached: bool,
}

type Kind<'a> = (&'a str, &'a [String], u64);

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Numbers {
    a: u64,
    b: u64,
    is_leakable: bool,
}

/// Compares two moments.
pub fn diff(a: &Snapshot, b: &Snapshot) -> Diff {
    let mut kinds: BTreeMap<Kind<'_>, BTreeMap<i32, Numbers>> = BTreeMap::new();
    for (side, regions) in [(0, &a.regions), (1, &b.regions)] {
        for region in regions {
            let kind = (region.memory.as_str(), region.site.as_slice(), region.size);
            let numbers = kinds.entry(kind).or_default().entry(region.device_id).or_default();
            *(if side == 0 { &mut numbers.a } else { &mut numbers.b }) += 1;
            numbers.is_leakable |= !region.cached;
        }
    }
    let mut changes = Vec::new();
    let (mut unchanged_regions, mut unchanged_bytes) = (0_u64, 0_u64);
    for ((memory, site, size), devices) in kinds {
        let mut alike: BTreeMap<Numbers, Vec<i32>> = BTreeMap::new();
        for (device, numbers) in devices {
            alike.entry(numbers).or_default().push(device);
        }
        for (numbers, devices) in alike {
            let Numbers { a, b, is_leakable } = numbers;
            let number = devices.len() as u64;
            let same = a.min(b).saturating_mul(number);
            if memory != "CB" {
                unchanged_regions += same;
                unchanged_bytes = unchanged_bytes.saturating_add(same.saturating_mul(size));
            }
            let change = match (a, b) {
                (0, _) => "appeared",
                (_, 0) => "went",
                _ if a < b => "grew",
                _ if a > b => "shrank",
                _ => continue,
            };
            let more = signed(b.saturating_mul(number)) - signed(a.saturating_mul(number));
            changes.push(Change {
                change: change.into(),
                memory: memory.to_owned(),
                size,
                site: site.to_vec(),
                devices,
                regions_a: a,
                regions_b: b,
                bytes_change: more.saturating_mul(signed(size)),
                cached: !is_leakable,
            });
        }
    }
    changes.sort_by_key(|change| (change.memory == "CB", Reverse(change.bytes_change.unsigned_abs())));
    let buffers = || changes.iter().filter(|change| change.memory != "CB");
    let regions_change = buffers().fold(0_i64, |sum, change| {
        sum.saturating_add(
            (signed(change.regions_b) - signed(change.regions_a)).saturating_mul(change.devices.len() as i64),
        )
    });
    let bytes_change = buffers().fold(0_i64, |sum, change| sum.saturating_add(change.bytes_change));
    let text = text::sentence(a, b, regions_change, bytes_change, changes.is_empty());
    Diff {
        schema: SCHEMA,
        a: side(a),
        b: side(b),
        regions_change,
        bytes_change,
        changes,
        unchanged_regions,
        unchanged_bytes,
        text,
    }
}

fn side(snapshot: &Snapshot) -> Side {
    let buffers = || snapshot.regions.iter().filter(|region| region.memory != "CB");
    Side {
        label: snapshot.label.clone(),
        regions: buffers().count() as u64,
        bytes: buffers().fold(0, |sum, region| sum.saturating_add(region.size)),
        inconclusive: snapshot.inconclusive.clone(),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
