//! A sentence for each pattern: what was seen, and what it means.

use ttmem_ledger::Finding;

use super::{
    bytes, group,
    model::FindingReport,
    units::{count, noun},
};
use crate::Told;

/// The ids of all findings, in the order in which a report tells them. docs/ledger.md has a section on each.
pub const FINDING_IDS: &[&str] = &[
    "events-lost",
    "drained-elsewhere",
    "miscounted",
    "unreadable-events",
    "unattributed-events",
    "sites-full",
    "held-by-fewer",
    "allocators-overlap",
    "cached",
    "unmatched-frees",
    "released-at-close",
    "out-of-memory",
    "no-cb-release",
];

/// All sentences about a session, the accounting's first.
pub(super) fn sentences(told: &Told<'_>) -> Vec<FindingReport> {
    let mut findings = accounting(told);
    let mut without_release: Vec<(i32, u64)> = Vec::new();
    for finding in told.account.ledger().findings() {
        match finding {
            Finding::NoCircularBufferRelease { device, buffers } => without_release.push((device, buffers)),
            other => findings.push(sentence(&other)),
        }
    }
    findings.extend(without_circular_buffer_release(&without_release));
    findings
}

/// One sentence for devices that have it alike.
fn without_circular_buffer_release(devices: &[(i32, u64)]) -> Vec<FindingReport> {
    let mut groups: Vec<(u64, Vec<i32>)> = Vec::new();
    for &(device, buffers) in devices {
        match groups.iter_mut().find(|(count, _)| *count == buffers) {
            Some((_, ids)) => ids.push(device),
            None => groups.push((buffers, vec![device])),
        }
    }
    let sentence = |(buffers, ids): (u64, Vec<i32>)| {
        let place = group::plain_name(&ids);
        let each = if ids.len() == 1 { "" } else { "each of " };
        FindingReport {
            id: "no-cb-release".into(),
            text: format!(
                "{buffers} circular {} live on {each}{place}: no circular-buffer release was ever reported for {place}. \
                 Programs in the program cache keep theirs; that is not a leaked tensor.",
                noun(buffers, "buffer is", "buffers are")
            ),
        }
    };
    groups.into_iter().map(sentence).collect()
}

fn accounting(told: &Told<'_>) -> Vec<FindingReport> {
    let mut findings = Vec::new();
    let lost = told.counts.lost;
    if lost > 0 {
        findings.push(FindingReport {
            id: "events-lost".into(),
            text: format!(
                "{} {} lost: what is shown as live may be free, and the other way round. A larger ring \
                 (TTMEM_RING_BYTES) or TTMEM_ON_FULL=block:100 keeps them.",
                count(lost),
                noun(lost, "event was", "events were")
            ),
        });
    }
    let elsewhere = told.counts.drained_elsewhere;
    if elsewhere > 0 {
        findings.push(FindingReport {
            id: "drained-elsewhere".into(),
            text: format!(
                "{} {} drained by another reader (as `ttmem run` does): not in these sums, but in its report.",
                count(elsewhere),
                noun(elsewhere, "event was", "events were")
            ),
        });
    }
    let (reported, known) = (told.counts.reported, told.counts.drained.saturating_add(lost));
    if told.is_over && reported != known {
        findings.push(FindingReport {
            id: "miscounted".into(),
            text: format!(
                "{} events were reported, but {} are accounted for: the ring file is damaged.",
                count(reported),
                count(known)
            ),
        });
    }
    let unreadable = told.account.unreadable();
    if unreadable > 0 {
        findings.push(FindingReport {
            id: "unreadable-events".into(),
            text: format!(
                "{} {} of a kind that this ttmem does not know: use the ttmem of the library's release.",
                count(unreadable),
                noun(unreadable, "event is", "events are")
            ),
        });
    }
    let anomalies = told.account.ledger().anomalies();
    let homeless = anomalies.unknown_pools.saturating_add(anomalies.without_memory);
    if homeless > 0 {
        findings.push(FindingReport {
            id: "unattributed-events".into(),
            text: format!(
                "{} {} no known device or memory: in no sum.",
                count(homeless),
                noun(homeless, "event names", "events name")
            ),
        });
    }
    let without_site = told.account.sites().refused();
    if without_site > 0 {
        findings.push(FindingReport {
            id: "sites-full".into(),
            text: format!(
                "{} {} without a call site: there was no room for more of them.",
                count(without_site),
                noun(without_site, "allocation is", "allocations are")
            ),
        });
    }
    findings
}

fn sentence(finding: &Finding) -> FindingReport {
    let (id, text) = match finding {
        Finding::HeldByFewerThanReported { regions, bytes: size } => (
            "held-by-fewer",
            format!(
                "{regions} {} reported more often than freed ({}): several owners of the same bytes, as a view or a \
                 program-cache binary beside its buffer. Counted once each; the last owner has not let go.",
                noun(*regions, "region was", "regions were"),
                bytes(u64::try_from(*size).unwrap_or(u64::MAX))
            ),
        ),
        Finding::AllocatorsOverlap { device, memory, regions } => (
            "allocators-overlap",
            format!(
                "{regions} {} of {memory} on device {device} in bytes that another allocator has handed out too: a mesh \
                 and its submesh are in use at the same time.",
                noun(*regions, "region lies", "regions lie")
            ),
        ),
        Finding::Cached { regions, bytes: size } => (
            "cached",
            format!(
                "{regions} {} held by the program cache ({}): kernel binaries and their like, which go when the cache is \
                 cleared.",
                noun(*regions, "region is", "regions are"),
                bytes(u64::try_from(*size).unwrap_or(u64::MAX))
            ),
        ),
        Finding::NoCircularBufferRelease { .. } => ("no-cb-release", String::new()),
        Finding::UnmatchedFrees { frees } => (
            "unmatched-frees",
            format!(
                "{frees} {} nothing that was live: freed twice, or allocated before tracking began. No total changed.",
                noun(*frees, "free matched", "frees matched")
            ),
        ),
        Finding::ReleasedAtClose { regions, bytes: size } => (
            "released-at-close",
            format!(
                "{regions} {} still held when the device was closed ({}): released by the close, not by their owners.",
                noun(*regions, "region was", "regions were"),
                bytes(u64::try_from(*size).unwrap_or(u64::MAX))
            ),
        ),
        Finding::OutOfMemory { times, clashes } => {
            let requests = times - clashes;
            let refused = format!("the allocator refused {requests} {}", noun(requests, "request", "requests"));
            let clashed = format!(
                "{clashes} {} refused since the circular buffers found no room in L1",
                noun(*clashes, "program was", "programs were")
            );
            let text = match (requests, clashes) {
                (_, 0) => format!("{refused}."),
                (0, _) => format!("{clashed}."),
                _ => format!("{refused}; {clashed}."),
            };
            ("out-of-memory", text)
        }
    };
    FindingReport { id: id.into(), text }
}
