//! How full L1 is, in a sentence.

use super::{place, units::bytes};
use crate::analysis::Pressure;

/// "programs take 119.0 KiB of core (0, 0), buffers 64.0 KiB of each core; 1.2 MiB of 1.4 MiB are free between them ...", where
/// anything is taken, and of how much is known.
pub(crate) fn sentence(pressure: &Pressure) -> Option<String> {
    let l1 = &pressure.l1;
    let capacity =
        l1.capacity_per_bank.filter(|_| l1.program_bytes + l1.persistent_bytes > 0 || l1.buffer_bytes != Some(0))?;
    let buffers = l1.buffer_bytes.map_or_else(|| "an unknown part".to_owned(), bytes);
    let mut text = format!(
        "programs take {} of core ({}, {}), buffers {buffers} of each core",
        bytes(l1.program_bytes),
        l1.x,
        l1.y
    );
    if l1.persistent_bytes > 0 {
        text += &format!(", persistent arenas {} of that core", bytes(l1.persistent_bytes));
    }
    if let Some(free) = l1.free_bytes {
        text += &format!("; {} of {} are free between them", bytes(free), bytes(capacity));
    }
    if let Some(furthest) = place::made_by(&pressure.site).filter(|_| l1.program_bytes + l1.persistent_bytes > 0) {
        let what = if l1.program_bytes > 0 { "program" } else { "arena" };
        text += &format!(". The {what} that reaches furthest: {furthest}");
    }
    Some(text)
}
