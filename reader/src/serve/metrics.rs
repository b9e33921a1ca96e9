//! The metrics, made anew at each scrape: a process that has gone has no numbers left.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};
use ttmem_ledger::{Headroom, Totals};
use ttmem_wire::Memory;

use crate::{
    Session,
    view::{ProcessView, View},
};

/// Characters of a command line: labels are kept by Prometheus for as long as its data.
const COMMAND: usize = 120;

type Labels = Vec<(&'static str, String)>;

/// The page that Prometheus reads.
pub(super) fn text(sessions: &[Session]) -> String {
    let mut registry = Registry::with_prefix("ttmem");
    let mut view = View::new(sessions, Arc::default());
    view.look_for_headroom(sessions);
    registry.register_collector(Box::new(Held(view)));
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Held(View);

/// A number of a memory, how it is called, and what it is.
type Figure = (&'static str, &'static str, Option<Unit>, bool, fn(&Totals) -> Option<u64>);

/// What is left of a memory, how it is called, and what it is.
type Left = (&'static str, &'static str, fn(&Headroom) -> Option<u64>);

const LEFT: [Left; 3] = [
    ("capacity", "Bytes of the memory in all its banks", |left| Some(left.capacity())),
    ("free", "Bytes of the memory that the process leaves free", Headroom::free),
    ("largest_free_block", "The largest free block of the memory, over all its banks", Headroom::largest_free_block),
];

impl Collector for Held {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures: [Figure; 7] = [
            ("live", "Bytes live on the device", Some(Unit::Bytes), false, |totals| Some(totals.live_bytes)),
            ("peak", "The most bytes that were live at once", Some(Unit::Bytes), false, |totals| {
                Some(totals.peak_bytes)
            }),
            ("live_per_bank", "Bytes live in each bank of the memory", Some(Unit::Bytes), false, |totals| {
                totals.live_bytes_per_bank
            }),
            ("live_buffers", "Allocations that are live", None, false, |totals| Some(totals.live_buffers)),
            ("allocations", "Reports of an allocation", None, true, |totals| Some(totals.allocations)),
            ("frees", "Reports of a free", None, true, |totals| Some(totals.frees)),
            ("released_at_close", "Allocations that a close of the device released", None, true, |totals| {
                Some(totals.released_at_close)
            }),
        ];
        for (name, help, unit, is_counter, figure) in figures {
            let values = self.0.processes.iter().flat_map(|process| {
                process.books.iter().filter_map(move |(device, memory, totals)| {
                    Some((place_labels(process, *device, *memory), figure(totals)?))
                })
            });
            family(&mut encoder, (name, help, unit.as_ref()), is_counter, values)?;
        }
        for (name, help, figure) in LEFT {
            let values = self.0.processes.iter().flat_map(|process| {
                process.headroom.iter().filter_map(move |(device, memory, left)| {
                    Some((place_labels(process, *device, *memory), figure(left)?))
                })
            });
            family(&mut encoder, (name, help, Some(&Unit::Bytes)), false, values)?;
        }
        let each = |figure: fn(&ProcessView) -> u64| {
            self.0.processes.iter().map(move |process| (labels(process), figure(process)))
        };
        family(
            &mut encoder,
            ("events", "Events that the process reported", None),
            true,
            each(|process| process.events),
        )?;
        family(&mut encoder, ("events_lost", "Events that were lost", None), true, each(|process| process.lost))?;
        let help = "1 where every event is in the sums; 0 where another reader took some before, or some were lost";
        family(&mut encoder, ("exact", help, None), false, each(|process| u64::from(process.is_exact)))?;
        encode_number(&mut encoder, self.0.processes.len() as u64)
    }
}

fn labels(process: &ProcessView) -> Labels {
    vec![
        ("pid", process.pid.to_string()),
        ("process", crate::report::shorten(&process.command, COMMAND)),
        ("rank", process.rank.map(|rank| rank.to_string()).unwrap_or_default()),
    ]
}

fn place_labels(process: &ProcessView, device: i32, memory: Memory) -> Labels {
    let place = [("device", device.to_string()), ("memory", memory.to_string())];
    labels(process).into_iter().chain(place).collect()
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<&Unit>),
    is_counter: bool,
    values: impl Iterator<Item = (Labels, u64)>,
) -> fmt::Result {
    // Made before: the descriptor is written even where nobody has a value, and its kind must be known then.
    let kind = if is_counter { ConstCounter::new(0_u64).metric_type() } else { ConstGauge::new(0_u64).metric_type() };
    let mut metrics = encoder.encode_descriptor(name, help, unit, kind)?;
    for (labels, value) in values {
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let metric = metrics.encode_family(&labels)?;
        if is_counter { ConstCounter::new(value).encode(metric)? } else { ConstGauge::new(value).encode(metric)? }
    }
    Ok(())
}

/// How many processes there are: a number that nobody's labels go with.
fn encode_number(encoder: &mut DescriptorEncoder<'_>, number: u64) -> fmt::Result {
    let number = ConstGauge::new(number);
    let metric = encoder.encode_descriptor("processes", "Processes that have a ring", None, number.metric_type())?;
    number.encode(metric)
}
