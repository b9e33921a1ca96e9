//! Answers: a short text, and the same as JSON in the model of reports (schema `ttmem-report/1`).

use serde_json::{Map, Value};

use super::tools::Tool;
use crate::{
    SiteStyle,
    analysis::{Analysis, By},
    report::{Part, Report, Screen, View, write_part, write_view},
};

/// The answer of a tool.
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) json: Value,
}

/// Keys of a process in every answer: which process it is, and how far its sums can be trusted.
const ABOUT: [&str; 8] = ["pid", "command", "started_at", "ended", "events", "is_cut", "cut_after", "findings"];

/// Makes the answer of an analysis.
pub(super) fn answer(tool: Tool, mut analysis: Analysis, by: By, limit: usize) -> Answer {
    let screen = Screen::plain();
    let mut text = String::new();
    let (written, keys): (_, &[&str]) = match tool {
        Tool::Live => {
            analysis.select_exit();
            (write_view(&mut text, &analysis, View::By(by), &screen), &["at"])
        }
        Tool::Growth => (write_part(&mut text, &analysis, Part::Growth, &screen), &["verdict", "growth"]),
        Tool::Peak => (write_part(&mut text, &analysis, Part::Peaks, &screen), &["devices", "peaks"]),
        Tool::Refusals => (write_part(&mut text, &analysis, Part::Refusals, &screen), &["out_of_memory"]),
    };
    debug_assert!(written.is_ok(), "writing to a string does not fail");
    text.truncate(text.trim_end().len());
    let report = Report::new(&analysis, SiteStyle::default(), (tool == Tool::Live).then_some(by));
    let mut json = serde_json::to_value(report).unwrap_or_default();
    if let Some(processes) = json["processes"].as_array_mut() {
        for process in processes.iter_mut().filter_map(Value::as_object_mut) {
            process.retain(|key, _| ABOUT.contains(&key.as_str()) || keys.contains(&key.as_str()));
            // Its rows are the answer; the list itself may have a million.
            if let Some(moment) = process.get_mut("at").and_then(Value::as_object_mut) {
                moment.remove("live");
            }
        }
    }
    if let Some(members) = json.as_object_mut() {
        members.retain(|key, _| {
            ["schema", "ttmem_version", "processes"].contains(&key.as_str())
                || (key == "growth_over_runs" && tool == Tool::Growth)
        });
        members.values_mut().for_each(|value| shorten(value, limit));
    }
    Answer { text, json }
}

/// Leaves the first `limit` of each list of objects, and counts the others in `<list>_left_out` beside it.
fn shorten(value: &mut Value, limit: usize) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|one| shorten(one, limit)),
        Value::Object(members) => {
            let mut left_out = Map::new();
            for (name, member) in members.iter_mut() {
                if let Value::Array(list) = member
                    && list.len() > limit
                    && list[0].is_object()
                {
                    left_out.insert(format!("{name}_left_out"), (list.len() - limit).into());
                    list.truncate(limit);
                }
                shorten(member, limit);
            }
            members.extend(left_out);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_objects_are_cut_and_counted_and_stacks_are_whole() {
        let mut value = json!({ "a": [{ "site": [1, 2, 3], "b": [{}, {}, {}] }, {}, {}], "c": [{}] });
        shorten(&mut value, 2);
        let first = json!({ "site": [1, 2, 3], "b": [{}, {}], "b_left_out": 1 });
        assert_eq!(value, json!({ "a": [first, {}], "a_left_out": 1, "c": [{}] }));
    }
}
