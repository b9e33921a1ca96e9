//! A sentence for each pattern: what was seen, and what it means.

use ttmem_ledger::{Finding, narrow};

use super::{
    devices::plain,
    place,
    units::{bytes, count, noun},
};
use crate::{
    analysis::{Allocation, Held, Observation},
    sites::TensorText,
    tested,
};

/// The ids of all findings, in the order of a report. docs/ledger.md has a section on each.
pub const FINDING_IDS: &[&str] = &[
    "events-lost",
    "drained-elsewhere",
    "miscounted",
    "unreadable-events",
    "unattributed-events",
    "sites-full",
    "parts-unseen",
    "build-untested",
    "held-by-fewer",
    "allocators-overlap",
    "addresses-unknown",
    "cached",
    "unmatched-frees",
    "released-at-close",
    "out-of-memory",
    "no-cb-release",
    "after-trace",
    "redundant",
];

/// The id of a pattern, for `ttmem explain`.
pub(crate) fn id(observation: &Observation) -> &'static str {
    match observation {
        Observation::EventsLost(_) => "events-lost",
        Observation::DrainedElsewhere(_) => "drained-elsewhere",
        Observation::Miscounted { .. } => "miscounted",
        Observation::UnreadableEvents(_) => "unreadable-events",
        Observation::UnattributedEvents(_) => "unattributed-events",
        Observation::SitesFull(_) => "sites-full",
        Observation::PartsUnseen(_) => "parts-unseen",
        Observation::BuildUntested(_) => "build-untested",
        Observation::NoCircularBufferRelease { .. } => "no-cb-release",
        Observation::AfterTrace { .. } => "after-trace",
        Observation::Redundant { .. } => "redundant",
        Observation::Ledger(finding) => match finding {
            Finding::HeldByFewerThanReported { .. } => "held-by-fewer",
            Finding::AllocatorsOverlap { .. } => "allocators-overlap",
            Finding::AddressesUnknown { .. } => "addresses-unknown",
            Finding::Cached { .. } => "cached",
            Finding::NoCircularBufferRelease { .. } => "no-cb-release",
            Finding::UnmatchedFrees { .. } => "unmatched-frees",
            Finding::ReleasedAtClose { .. } => "released-at-close",
            Finding::OutOfMemory { .. } => "out-of-memory",
        },
    }
}

/// The sentence about it.
pub(crate) fn sentence(observation: &Observation) -> String {
    let events = |number: u64, one: &str, many: &str| format!("{} {}", count(number), noun(number, one, many));
    match observation {
        Observation::EventsLost(lost) => format!(
            "{} lost: what is shown as live may be free, and the other way round. By default a program waits while its \
             events are drained, and 100 ms without progress; TTMEM_ON_FULL=block:10000 waits longer, and a larger ring \
             (TTMEM_RING_BYTES) holds longer bursts.",
            events(*lost, "event was", "events were")
        ),
        Observation::DrainedElsewhere(elsewhere) => format!(
            "{} drained by another reader (as `ttmem run` does): not in these sums, but in its report.",
            events(*elsewhere, "event was", "events were")
        ),
        Observation::Miscounted { reported, known } => format!(
            "{} reported, but {} {} accounted for: the ring file is damaged.",
            events(*reported, "event was", "events were"),
            count(*known),
            noun(*known, "is", "are")
        ),
        Observation::UnreadableEvents(unreadable) => format!(
            "{} of a kind that this ttmem does not know: use the ttmem of the library's release.",
            events(*unreadable, "event is", "events are")
        ),
        Observation::UnattributedEvents(homeless) => {
            format!("{} no known device or memory: in no sum.", events(*homeless, "event names", "events name"))
        }
        Observation::SitesFull(without) => format!(
            "{} without a call site: there are too many different ones.",
            events(*without, "allocation is", "allocations are")
        ),
        Observation::PartsUnseen(parts) => format!(
            "This build of tt-metal does not show, or not in full: {}.",
            parts.iter().map(|part| part.name()).collect::<Vec<_>>().join(", ")
        ),
        Observation::BuildUntested(version) => format!(
            "ttnn {version} was never tested with this ttmem ({} were). The names that it exports fit, so it is tracked.",
            tested::BUILDS
        ),
        Observation::NoCircularBufferRelease { devices, buffers } => without_release(devices, *buffers),
        Observation::AfterTrace { held, largest } => after_trace(*held, largest),
        Observation::Redundant { held, largest } => redundant(*held, largest),
        Observation::Ledger(finding) => of_ledger(finding),
    }
}

fn after_trace(held: Held, largest: &Allocation) -> String {
    let by = place::made_by(&largest.site).map_or_else(String::new, |by| format!(", by {by}"));
    format!(
        "{} {} made after a trace was captured, and the trace is not released ({}): the trace may write there when it is \
         replayed; the largest: {} of {}{by}.",
        count(held.allocations),
        noun(held.allocations, "allocation was", "allocations were"),
        bytes(held.bytes),
        bytes(largest.size),
        largest.memory
    )
}

fn redundant(held: Held, largest: &Allocation) -> String {
    let what = largest.tensor.as_deref().map_or_else(String::new, |tensor| format!("{}, ", TensorText(tensor)));
    let by = place::made_by(&largest.site).map_or_else(String::new, |by| format!(", by {by}"));
    format!(
        "{} {} beside an older tensor of the same shape and type ({} twice), of which {} a copy; the largest: {what}{}{by}. \
         Whether both are needed the program alone knows.",
        count(held.allocations),
        noun(held.allocations, "tensor is live", "tensors are live"),
        bytes(held.bytes),
        noun(held.allocations, "it may be", "they may be"),
        bytes(largest.size)
    )
}

fn without_release(devices: &[i32], buffers: u64) -> String {
    let place = plain(devices);
    let each = if devices.len() == 1 { "" } else { "each of " };
    format!(
        "{buffers} circular {} live on {each}{place}: no circular-buffer release was ever reported for {place}. Programs \
         in the program cache keep theirs; that is not a leaked tensor.",
        noun(buffers, "buffer is", "buffers are")
    )
}

fn of_ledger(finding: &Finding) -> String {
    let size = |sum: &u128| bytes(narrow(*sum));
    match finding {
        Finding::HeldByFewerThanReported { regions, bytes } => format!(
            "{regions} {} reported more often than freed ({}): several owners of the same bytes, as a view or a \
             program-cache binary beside its buffer. Counted once each; the last owner has not freed it.",
            noun(*regions, "allocation was", "allocations were"),
            size(bytes)
        ),
        Finding::AllocatorsOverlap { device, memory, regions } => format!(
            "{regions} {} of {memory} on device {device} in bytes that another allocator has handed out too: a mesh and \
             its submesh are in use at the same time.",
            noun(*regions, "allocation lies", "allocations lie")
        ),
        Finding::AddressesUnknown { regions, bytes } => format!(
            "{regions} {} an address of its own on each core ({}), which this build of tt-metal does not show: the sizes are \
             exact, the addresses are not.",
            noun(*regions, "allocation has", "allocations have"),
            size(bytes)
        ),
        Finding::Cached { regions, bytes } => format!(
            "{regions} {} held by the program cache ({}): kernel binaries and their like, which go when the cache is \
             cleared.",
            noun(*regions, "allocation is", "allocations are"),
            size(bytes)
        ),
        Finding::NoCircularBufferRelease { device, buffers } => without_release(&[*device], *buffers),
        Finding::UnmatchedFrees { frees } => format!(
            "{frees} {} nothing that was live: freed twice, or allocated before tracking began. No total changed.",
            noun(*frees, "free matched", "frees matched")
        ),
        Finding::ReleasedAtClose { regions, bytes } => format!(
            "{regions} {} live when the device was closed ({}): released by the close, not by their owners.",
            noun(*regions, "allocation was", "allocations were"),
            size(bytes)
        ),
        Finding::OutOfMemory { times, clashes } => {
            let requests = times - clashes;
            let refused = format!("the allocator refused {requests} {}", noun(requests, "request", "requests"));
            let clashed = format!(
                "{clashes} {} refused since the circular buffers did not fit into L1",
                noun(*clashes, "program was", "programs were")
            );
            match (requests, clashes) {
                (_, 0) => format!("{refused}."),
                (0, _) => format!("{clashed}."),
                _ => format!("{refused}; {clashed}."),
            }
        }
    }
}
