//! Every event, one JSON object a line. Members that an event does not have are left out.

use std::io::{self, Write};

use super::{Exporter, Output, rows::event_row};
use crate::{replay::Step, visible::visible_json};

pub(super) struct Jsonl<'a> {
    output: &'a mut Output,
}

impl<'a> Jsonl<'a> {
    pub(super) fn new(output: &'a mut Output) -> Self {
        Self { output }
    }
}

impl Exporter for Jsonl<'_> {
    fn step(&mut self, step: &Step<'_>) -> io::Result<()> {
        if let Some(row) = event_row(step) {
            let json = visible_json(serde_json::to_string(&row)?);
            writeln!(self.output, "{json}")?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}
