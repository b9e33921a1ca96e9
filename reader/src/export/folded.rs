//! Folded stacks, as flamegraph.pl and inferno read them: `outermost;...;innermost value`.

use std::io::{self, Write};

use super::{
    Exporter, Output, Value,
    stacks::{Stacks, note_if_empty},
};
use crate::replay::{Step, Steps};
use crate::visible::is_hidden;

pub(super) struct Folded<'a> {
    steps: &'a Steps,
    value: Value,
    stacks: Stacks,
    output: &'a mut Output,
}

impl<'a> Folded<'a> {
    pub(super) fn new(steps: &'a Steps, value: Value, output: &'a mut Output) -> Self {
        Self { steps, value, stacks: Stacks::default(), output }
    }
}

impl Exporter for Folded<'_> {
    fn step(&mut self, step: &Step<'_>) -> io::Result<()> {
        self.stacks.step(step);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        let Self { steps, value, stacks, output } = *self;
        let mut is_empty = true;
        for (frames, tally) in stacks.by_frames(steps) {
            let value = tally.value(value);
            if value > 0 {
                is_empty = false;
                let mut frames: Vec<String> = frames.iter().map(|frame| escaped(frame)).collect();
                if let Some(last) = frames.last_mut() {
                    *last = without_number(last);
                }
                writeln!(output, "{} {value}", frames.join(";"))?;
            }
        }
        Ok(note_if_empty(is_empty))
    }
}

/// A frame may hold neither the separator nor a line's end.
fn escaped(frame: &str) -> String {
    frame
        .chars()
        .map(|c| {
            if c == ';' {
                ':'
            } else if is_hidden(c) {
                ' '
            } else {
                c
            }
        })
        .collect()
}

/// Two numbers at a line's end are the values of two profiles that are compared: a stack may not end in one by itself, as
/// "size 4096" does.
fn without_number(frame: &str) -> String {
    match frame.rsplit_once(' ') {
        Some((before, last)) if last.parse::<f64>().is_ok() => format!("{before}_{last}"),
        _ => frame.to_owned(),
    }
}
