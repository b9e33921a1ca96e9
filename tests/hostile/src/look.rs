//! Looks at what was read, in every way that there is.

use std::{fs, path::Path};

use ttmem_reader::{
    SiteStyle, Suppressions, Tell,
    analysis::{Analysis, Snapshot, difference},
    export::{Format, Options, Value, export},
    html::Drawing,
    replay::{At, Input, Steps, moment},
    report::{Report, Screen, write_difference, write_text},
};

use crate::place::folder;

const STYLE: SiteStyle = SiteStyle { full: false, raw_names: false };

/// The report on these processes, as text and as JSON, and that back again.
pub(crate) fn processes<T: Tell>(processes: &[T]) {
    let analysis = Analysis::new(processes, &Suppressions::default(), STYLE);
    let mut text = String::new();
    write_text(&mut text, &analysis, &Screen::plain()).expect("a string takes all");
    let json = Report::new(&analysis, STYLE, None).to_json();
    Report::from_json(json.as_bytes()).expect("what was written can be read");
}

/// Replays a file: one of the things that are made of a replay, by choice.
pub(crate) fn input(path: &Path, choice: u8) {
    let Ok(input) = Input::open(path, false) else { return };
    let formats = [
        Format::Perfetto,
        Format::PytorchSnapshot,
        Format::Pprof,
        Format::Speedscope,
        Format::Folded,
        Format::Heaptrack,
        Format::Csv,
        Format::Jsonl,
    ];
    match choice >> 3 {
        choice @ 0..=7 => {
            let Ok(steps) = Steps::of(input) else { return };
            let options = Options {
                format: formats[usize::from(choice)],
                at: At::Peak,
                value: Value::LiveBytes,
                events: true,
                max_entries: 100,
                max_lanes: 8,
                max_rows: 100,
                to: Some(folder().join("export")),
            };
            // Of a damaged recording the overview does not look into every block.
            let _ = export(&steps, &options);
        }
        8..=11 => {
            let Ok((drawing, processes)) = Drawing::of(input) else { return };
            let analysis = Analysis::new(&processes, &Suppressions::default(), STYLE);
            let report = Report::new(&analysis, STYLE, None);
            drawing.page(&processes, &analysis, &report);
        }
        12..=15 => drop(moment(&input, &At::Peak)),
        _ => {}
    }
}

/// A report in JSON: judged anew, and compared with itself.
pub(crate) fn report(json: &[u8]) {
    let Ok(report) = Report::from_json(json) else { return };
    let analysis = || report.analysis(&Suppressions::default(), STYLE);
    let [a, b] = ["a", "b"].map(|label| Snapshot::at_end(analysis(), label.to_owned()));
    let difference = difference(&a, &b, true);
    assert_eq!(difference.bytes_change, 0, "nothing has changed");
    let mut text = String::new();
    write_difference(&mut text, &difference, &Screen::plain()).expect("a string takes all");
    write_text(&mut text, &analysis(), &Screen::plain()).expect("a string takes all");
}

/// A suppression file.
pub(crate) fn suppressions(text: &[u8]) {
    let path = folder().join("rules");
    fs::write(&path, text).expect("room for rules");
    let Ok(rules) = Suppressions::read(&path) else { return };
    Report::from_json(&crate::seeds::report()[..]).expect("a sound report").analysis(&rules, STYLE);
}
