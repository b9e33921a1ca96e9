//! A file for speedscope.app: <https://www.speedscope.app/file-format-schema.json>, a sampled profile, a stack each.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use serde_json::json;

use super::{
    Exporter, Output, Value,
    stacks::{Stacks, note_if_empty},
};
use crate::{
    replay::{Step, Steps},
    visible::visible_json,
};

pub(super) struct Speedscope<'a> {
    steps: &'a Steps,
    value: Value,
    stacks: Stacks,
    output: &'a mut Output,
}

impl<'a> Speedscope<'a> {
    pub(super) fn new(steps: &'a Steps, value: Value, output: &'a mut Output) -> Self {
        Self { steps, value, stacks: Stacks::default(), output }
    }
}

impl Exporter for Speedscope<'_> {
    fn step(&mut self, step: &Step<'_>) -> io::Result<()> {
        self.stacks.step(step);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        let Self { steps, value, stacks, output } = *self;
        let (mut frames, mut known) = (Vec::new(), HashMap::new());
        let (mut samples, mut weights, mut total) = (Vec::new(), Vec::new(), 0_u64);
        for (stack, tally) in stacks.by_frames(steps) {
            let weight = tally.value(value);
            if weight == 0 {
                continue;
            }
            let sample: Vec<usize> = stack
                .into_iter()
                .map(|name| {
                    *known.entry(name).or_insert_with_key(|name| {
                        frames.push(json!({ "name": name }));
                        frames.len() - 1
                    })
                })
                .collect();
            samples.push(sample);
            weights.push(weight);
            total = total.saturating_add(weight);
        }
        let (name, unit) = match value {
            Value::LiveBytes => ("live bytes", "bytes"),
            Value::LiveObjects => ("live objects", "none"),
            Value::AllocatedBytes => ("allocated bytes", "bytes"),
            Value::AllocatedObjects => ("allocated objects", "none"),
        };
        let is_empty = samples.is_empty();
        let file = json!({
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "exporter": concat!("ttmem ", env!("CARGO_PKG_VERSION")),
            "name": "device memory",
            "activeProfileIndex": 0,
            "shared": { "frames": frames },
            "profiles": [{
                "type": "sampled",
                "name": name,
                "unit": unit,
                "startValue": 0,
                "endValue": total,
                "samples": samples,
                "weights": weights,
            }],
        });
        writeln!(output, "{}", visible_json(file.to_string()))?;
        Ok(note_if_empty(is_empty))
    }
}
