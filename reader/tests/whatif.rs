//! The same requests placed in another way, on a bank small enough to work out by hand.

mod common;

use std::path::Path;

use common::{Folder, Story};
use ttmem_ledger::Policy;
use ttmem_reader::{
    analysis::{PlacedMemory, Question, what_if},
    replay::{Input, Steps},
    report::{Screen, WhatIfReport, write_what_if},
};
use ttmem_wire::{Event, EventKind, Memory, Target};

const BANK: Event = Event {
    sequence: 0,
    ticks: 0,
    thread: 7,
    kind: EventKind::Capacity,
    memory: Some(Memory::Dram),
    flags: 0,
    target: Target::Pool(0),
    extra: 8,
    address: 100,
    size: 100,
    size_per_bank: None,
    holder: 0,
    site: 0,
    text: None,
    cores: None,
    space: None,
};

/// Free are 100..140 and 150..160 when 10 bytes come; what is left then decides about 40 more.
fn story() -> Story {
    let mut story = Story::default();
    story.tell(BANK);
    let low = story.tensor(Memory::Dram, 100, 20, 8);
    let middle = story.tensor(Memory::Dram, 120, 20, 8);
    story.tensor(Memory::Dram, 140, 10, 8);
    let high = story.tensor(Memory::Dram, 150, 10, 8);
    story.tensor(Memory::Dram, 160, 40, 8);
    for free in [low, middle, high] {
        story.tell(free);
    }
    // Free: 100..140, 150..160.
    story.tensor(Memory::Dram, 100, 10, 8);
    let refused = Event { kind: EventKind::OutOfMemory, size: 320, size_per_bank: Some(40), ..BANK };
    story.tell(Event { address: 0, extra: 0, ..refused });
    story
}

fn ask(path: &Path, question: &Question) -> PlacedMemory {
    let steps = Steps::of(Input::open(path, false).unwrap()).unwrap();
    let mut all = what_if(&steps, question).unwrap();
    assert_eq!((all.len(), all[0].memories.len()), (1, 1));
    let mut text = String::new();
    write_what_if(&mut text, question, &all, &Screen::plain()).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let json = serde_json::to_value(WhatIfReport::new(question, &all)).unwrap();
    let schema = serde_json::from_str(include_str!("../../docs/whatif.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&json).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(json["processes"][0]["memories"][0]["as_predicted"], all[0].memories[0].as_predicted);
    all.remove(0).memories.remove(0)
}

#[test]
fn another_policy_leaves_other_blocks() {
    let folder = Folder::new("whatif");
    let path = folder.0.join("run.ttmem");
    story().write(&path, &["python", "train.py"], 2);
    let today = ask(&path, &Question::default());
    assert_eq!((today.allocations, today.as_predicted, today.left_out), (6, 6, 0));
    assert_eq!(today.devices, [0, 1]);
    assert_eq!(today.courses[0], today.courses[1], "today's policy is what was");
    assert_eq!((today.courses[0].peak, today.courses[0].least_block, today.courses[0].refusals), (100, 0, 1));
    assert_eq!((today.refused.len(), today.refused_that_fit), (1, 0));
    assert_eq!(today.refused[0].largest_block, 30);

    let best = ask(&path, &Question { policy: Policy::BestFit, ..Question::default() });
    assert_eq!((best.refused_that_fit, best.courses[1].refusals, best.refused[0].largest_block), (1, 0, 40));

    // The 40 bytes at the end no longer fit.
    let sizes = [(Memory::Dram, 90)].into();
    let smaller = ask(&path, &Question { sizes, ..Question::default() });
    assert_eq!((smaller.capacity, smaller.newly_refused.len()), ([100, 90], 1));
    assert_eq!((smaller.newly_refused[0].per_bank, smaller.courses[1].peak), (40, 60));
}

#[test]
fn addresses_of_another_policy_are_counted_and_a_site_must_be_there() {
    let folder = Folder::new("whatif-others");
    let path = folder.0.join("run.ttmem");
    let mut story = Story::default();
    story.tell(BANK);
    story.tensor(Memory::Dram, 100, 20, 8);
    // From the top: a buffer may ask for that. Then in the middle: no policy of tt-metal's.
    story.tensor(Memory::Dram, 180, 20, 8);
    story.tensor(Memory::Dram, 140, 20, 8);
    story.write(&path, &["python", "train.py"], 2);
    let found = ask(&path, &Question::default());
    assert_eq!((found.allocations, found.as_predicted), (3, 2));
    let steps = Steps::of(Input::open(&path, false).unwrap()).unwrap();
    let question = Question { without: vec!["model.py:41".into()], ..Question::default() };
    let error = what_if(&steps, &question).unwrap_err().to_string();
    assert!(error.starts_with("\"model.py:41\": no allocation was made there"), "{error}");
}
