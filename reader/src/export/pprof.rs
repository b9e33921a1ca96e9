//! A profile for pprof: profile.proto (<https://github.com/google/pprof/blob/main/proto/profile.proto>), gzipped.

use std::{collections::HashMap, io, io::Write};

use flate2::{Compression, write::GzEncoder};
use prost::Message;

use super::{
    Exporter, Output,
    stacks::{Stacks, note_if_empty},
};
use crate::replay::{Step, Steps};

pub(super) struct Pprof<'a> {
    steps: &'a Steps,
    stacks: Stacks,
    output: &'a mut Output,
    until_ns: u64,
}

impl<'a> Pprof<'a> {
    pub(super) fn new(steps: &'a Steps, output: &'a mut Output) -> Self {
        Self { steps, stacks: Stacks::default(), output, until_ns: 0 }
    }
}

impl Exporter for Pprof<'_> {
    fn step(&mut self, step: &Step<'_>) -> io::Result<()> {
        self.stacks.step(step);
        self.until_ns = self.until_ns.max(step.time_ns);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        let Self { steps, stacks, output, until_ns } = *self;
        let mut made = Builder::default();
        made.text("");
        for (name, unit) in
            [("live_bytes", "bytes"), ("live_objects", "count"), ("alloc_bytes", "bytes"), ("alloc_objects", "count")]
        {
            let kind = ValueType { kind: made.text(name), unit: made.text(unit) };
            made.profile.sample_type.push(kind);
        }
        made.profile.default_sample_type = made.text("live_bytes");
        let started = steps.chosen().map(|(_, process)| process.started_ns).min().unwrap_or(0);
        made.profile.time_nanos = signed(started);
        made.profile.duration_nanos = signed(until_ns.saturating_sub(started));
        let mut is_empty = true;
        for (source, tally) in stacks.sorted() {
            let process = &steps.processes()[source.process];
            let location_id = source.frames(process).into_iter().map(|frame| made.location(frame)).collect();
            let labels = [("device", i64::from(source.device)), ("pid", i64::from(process.pid))];
            let mut label: Vec<Label> =
                labels.map(|(key, num)| Label { key: made.text(key), num, ..Label::default() }).into();
            label.push(Label {
                key: made.text("memory"),
                text: made.text(&source.memory.to_string()),
                ..Label::default()
            });
            is_empty &= tally.live_objects == 0;
            let value = [tally.live_bytes, tally.live_objects, tally.allocated_bytes, tally.allocated_objects];
            made.profile.sample.push(Sample { location_id, value: value.map(signed).into(), label });
        }
        let mut gzip = GzEncoder::new(output, Compression::default());
        gzip.write_all(&made.profile.encode_to_vec())?;
        gzip.finish()?;
        Ok(note_if_empty(is_empty))
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[derive(Default)]
struct Builder {
    profile: Profile,
    texts: HashMap<String, i64>,
    /// Locations and functions have the same numbers, from 1.
    locations: HashMap<String, u64>,
}

impl Builder {
    fn text(&mut self, text: &str) -> i64 {
        if let Some(&at) = self.texts.get(text) {
            return at;
        }
        let at = self.profile.string_table.len() as i64;
        self.profile.string_table.push(text.to_owned());
        self.texts.insert(text.to_owned(), at);
        at
    }

    fn location(&mut self, frame: String) -> u64 {
        if let Some(&id) = self.locations.get(&frame) {
            return id;
        }
        let id = self.profile.location.len() as u64 + 1;
        let name = self.text(&frame);
        self.profile.function.push(Function { id, name, system_name: name });
        self.profile.location.push(Location { id, line: vec![Line { function_id: id }] });
        self.locations.insert(frame, id);
        id
    }
}

// The fields of profile.proto that are written.

#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    text: i64,
    #[prost(int64, tag = "3")]
    num: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
}
