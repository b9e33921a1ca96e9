//! The one line that answers the question.

use super::{bytes, group, model::ProcessReport, units::ranges};

/// What a process's events say about leaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is left.
    Clean(String),
    /// Something is left, or went only with its device.
    Left(String),
    /// Events were lost: nobody can say.
    Inconclusive(String),
}

/// The verdict on a process.
pub fn verdict(process: &ProcessReport) -> Verdict {
    if process.events.lost > 0 {
        return Verdict::Inconclusive(format!("Inconclusive: {} events were lost.", process.events.lost));
    }
    // Circular buffers are no buffers: they are told of only where nothing else is left.
    let left = process
        .live
        .iter()
        .filter(|region| region.memory != "CB")
        .fold(0_u64, |sum, region| sum.saturating_add(region.size));
    let buffers = process.live.iter().filter(|region| region.memory != "CB").count();
    let circular = process.live.len() - buffers;
    let mut ids: Vec<i32> = process.live.iter().map(|region| region.device_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let when = if process.ended.is_some() { "when the process ended" } else { "now" };
    if buffers > 0 {
        let noun = if buffers == 1 { "buffer is" } else { "buffers are" };
        return Verdict::Left(format!(
            "{buffers} {noun} live {when}: {} in all, on device{} {}.",
            bytes(left),
            if ids.len() == 1 { "" } else { "s" },
            ranges(&ids)
        ));
    }
    if circular > 0 {
        return Verdict::Left(format!(
            "No buffer is live {when}, but {circular} circular buffers are ({}).",
            group::name(&ids).replace(", each", "")
        ));
    }
    if !process.released_at_close.is_empty() {
        return Verdict::Clean(format!(
            "Nothing is live {when}; {} went only when the device was closed.",
            if process.released_at_close.len() == 1 {
                "1 region".to_owned()
            } else {
                format!("{} regions", process.released_at_close.len())
            }
        ));
    }
    Verdict::Clean(format!("No leak: nothing is live {when}, and every buffer was freed by its owner."))
}

/// Bytes that the process holds, over all devices; as many as can be told.
pub fn live_bytes(process: &ProcessReport) -> u64 {
    let memories = process.devices.iter().flat_map(|device| device.memory.values());
    memories.fold(0, |sum, memory| sum.saturating_add(memory.live_bytes))
}
