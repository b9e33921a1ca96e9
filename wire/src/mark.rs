//! Names of marks: text that does not fit one record goes over several of the same thread.

use std::collections::HashMap;

use crate::{Event, EventKind, Memory, Target};

/// Bytes of text that one record carries.
pub const MARK_BYTES_PER_RECORD: usize = 32;

/// Longer names are cut here.
pub const MAX_MARK_BYTES: usize = 255;

/// The events that carry `name`, in order; at most [`MAX_MARK_BYTES`] of it. The time stamp, thread and sequence are left
/// to the caller.
pub fn split_mark(name: &[u8]) -> impl Iterator<Item = Event> + '_ {
    let name = &name[..name.len().min(MAX_MARK_BYTES)];
    let parts = name.len().div_ceil(MARK_BYTES_PER_RECORD).max(1);
    (0..parts).map(move |part| {
        let rest = &name[part * MARK_BYTES_PER_RECORD..];
        let taken = rest.len().min(MARK_BYTES_PER_RECORD);
        let mut text = [0; MARK_BYTES_PER_RECORD];
        text[..taken].copy_from_slice(&rest[..taken]);
        Event {
            kind: if part == 0 { EventKind::Mark } else { EventKind::MarkMore },
            memory: Some(Memory::Dram),
            target: Target::default(),
            extra: name.len() as u32,
            text: Some(text),
            ..Event::default()
        }
    })
}

/// Puts the parts of marks together again, thread by thread.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MarkAssembler {
    unfinished: HashMap<u32, (u64, usize, Vec<u8>)>,
}

impl MarkAssembler {
    /// Whether this could have come of events: asked of one that was read from a file.
    pub fn is_sound(&self) -> bool {
        self.unfinished.values().all(|(_, length, name)| *length <= MAX_MARK_BYTES && name.len() < *length)
    }

    /// Takes one mark record; returns the time stamp of the mark's first part and its name once it is whole. A part
    /// without its beginning (lost, or not a mark) gives nothing.
    pub fn push(&mut self, event: &Event) -> Option<(u64, String)> {
        let text = event.text?;
        match event.kind {
            EventKind::Mark => {
                let length = (event.extra as usize).min(MAX_MARK_BYTES);
                self.unfinished.insert(event.thread, (event.ticks, length, Vec::with_capacity(length)));
            }
            EventKind::MarkMore => {}
            _ => return None,
        }
        let (_, length, name) = self.unfinished.get_mut(&event.thread)?;
        let wanted = (*length - name.len()).min(MARK_BYTES_PER_RECORD);
        name.extend_from_slice(&text[..wanted]);
        if name.len() < *length {
            return None;
        }
        let (ticks, _, name) = self.unfinished.remove(&event.thread)?;
        Some((ticks, String::from_utf8_lossy(&name).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(name: &str) -> Option<String> {
        let mut assembler = MarkAssembler::default();
        let mut last = None;
        for event in split_mark(name.as_bytes()) {
            assert_eq!(last, None, "a mark is whole only with its last part");
            last = assembler.push(&Event::decode(&event.encode()).unwrap());
        }
        last.map(|(_, name)| name)
    }

    #[test]
    fn names_of_every_length_come_back_and_long_ones_are_cut() {
        for length in 0..300 {
            let name: String = (0..length).map(|i| char::from(b'a' + (i % 26) as u8)).collect();
            assert_eq!(through(&name).unwrap(), name[..length.min(MAX_MARK_BYTES)]);
        }
    }

    #[test]
    fn marks_of_two_threads_do_not_mix() {
        let long = "x".repeat(40);
        let mut parts: Vec<Event> = split_mark(long.as_bytes()).collect();
        parts[0].thread = 1;
        parts[1].thread = 1;
        let mut other = split_mark(b"short").next().unwrap();
        other.thread = 2;
        let mut assembler = MarkAssembler::default();
        assert_eq!(assembler.push(&parts[0]), None);
        assert_eq!(assembler.push(&other).unwrap().1, "short");
        assert_eq!(assembler.push(&parts[1]).unwrap().1, long);
    }
}
