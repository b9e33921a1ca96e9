//! Suppression files: what is known and meant to be, in rules like LeakSanitizer's. What a rule covers stays listed and is
//! told to be covered, but is no leak.
//!
//! A line is a rule: conditions that must all hold, each `key:value`, separated by spaces.
//!
//! ```text
//! # the embedding table stays
//! memory:DRAM size:36KiB.. site:*/embedding.py:*
//! leak:warm_up                          any frame that has this in it
//! memory:L1,L1_SMALL device:0-7 address:0x1000-0x2000
//! ```

use std::{fs, ops::RangeInclusive, path::Path};

use bytesize::ByteSize;
use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

use crate::{
    Failure,
    report::{RegionReport, Report},
};

/// What a rule hid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressionUse {
    /// The rule as it was written.
    pub rule: String,
    /// Where: the file's line, from 1.
    pub line: u64,
    /// Regions that it covered, over all processes and devices.
    pub regions: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The rules of a file.
#[derive(Clone, Debug, Default)]
pub struct Suppressions {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    text: String,
    line: u64,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
enum Condition {
    Memory(Vec<String>),
    Device(Vec<RangeInclusive<i64>>),
    Size(RangeInclusive<u64>),
    Address(RangeInclusive<u64>),
    Site(GlobMatcher),
}

impl Suppressions {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or a line is no rule: which, and what would be one.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| Failure::with(path, error))?;
        Self::parse(&text).map_err(|(line, what)| Failure::new(format!("{}:{line}: {what}", path.display())))
    }

    /// Reads a file if one is named: without one, there are no rules.
    ///
    /// # Errors
    /// Those of [`Suppressions::read`].
    pub fn read_if_named(path: Option<&Path>) -> Result<Self, Failure> {
        path.map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// Reads the text of a file; an error has its line and what is wrong there.
    fn parse(text: &str) -> Result<Self, (u64, String)> {
        let mut rules = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split_once('#').map_or(text, |(rule, _)| rule).trim();
            if text.is_empty() {
                continue;
            }
            let conditions = text.split_whitespace().map(condition).collect::<Result<_, _>>();
            rules.push(Rule { text: text.to_owned(), line, conditions: conditions.map_err(|what| (line, what))? });
        }
        Ok(Self { rules })
    }

    /// Marks what the rules cover in the report: the first that fits counts.
    pub fn apply(&self, report: &mut Report) {
        let mut uses: Vec<SuppressionUse> = self
            .rules
            .iter()
            .map(|rule| SuppressionUse { rule: rule.text.clone(), line: rule.line, regions: 0, bytes: 0 })
            .collect();
        for process in &mut report.processes {
            for region in process.live.iter_mut().chain(&mut process.released_at_close) {
                if let Some(at) = self.rules.iter().position(|rule| rule.covers(region)) {
                    region.suppressed_by = Some(self.rules[at].text.clone());
                    uses[at].regions += 1;
                    uses[at].bytes = uses[at].bytes.saturating_add(region.size);
                }
            }
        }
        report.suppressions = uses;
    }
}

impl Rule {
    fn covers(&self, region: &RegionReport) -> bool {
        self.conditions.iter().all(|condition| match condition {
            Condition::Memory(names) => names.iter().any(|name| name.eq_ignore_ascii_case(&region.memory)),
            Condition::Device(ranges) => ranges.iter().any(|range| range.contains(&i64::from(region.device_id))),
            Condition::Size(range) => range.contains(&region.size),
            Condition::Address(range) => range.contains(&region.address),
            Condition::Site(glob) => region.site.iter().any(|frame| glob.is_match(frame)),
        })
    }
}

fn condition(word: &str) -> Result<Condition, String> {
    let keys = "memory:, device:, size:, address:, site: or leak:";
    let (key, value) = word.split_once(':').ok_or_else(|| format!("{word:?} is no condition: begin it with {keys}"))?;
    let glob = |pattern: &str| {
        Glob::new(pattern).map(|glob| Condition::Site(glob.compile_matcher())).map_err(|error| error.to_string())
    };
    match key {
        "memory" => {
            let names: Vec<String> = value.split(',').map(str::to_owned).collect();
            match names.iter().find(|name| name.to_ascii_uppercase().parse::<Memory>().is_err()) {
                Some(name) => Err(format!("{name:?} is no memory: DRAM, L1, L1_SMALL, TRACE, SYSTEM_MEMORY or CB")),
                None => Ok(Condition::Memory(names)),
            }
        }
        "device" => value
            .split(',')
            .map(|part| range(part, "-", i64::MIN..=i64::MAX, |text| text.parse().ok()))
            .collect::<Option<_>>()
            .map(Condition::Device)
            .ok_or_else(|| format!("device:{value}: write ids or ranges of them, as 0,4-7")),
        "size" => range(value, "..", 0..=u64::MAX, size)
            .map(Condition::Size)
            .ok_or_else(|| format!("size:{value}: write bytes or a range of them, as 4096, 36KiB.. or 1KiB..1MiB")),
        "address" => range(value, "-", 0..=u64::MAX, address)
            .map(Condition::Address)
            .ok_or_else(|| format!("address:{value}: write an address or a range, as 0x1000-0x1fff")),
        "site" => glob(value),
        "leak" => glob(&format!("*{value}*")),
        other => Err(format!("{other:?} is no condition: use {keys}")),
    }
}

/// `A`, `A<separator>B`, or with either end left out, both ends in it.
fn range<T: Copy + PartialOrd>(
    text: &str,
    separator: &str,
    all: RangeInclusive<T>,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<RangeInclusive<T>> {
    // A minus sign is no separator.
    let split = text.char_indices().skip(1).find(|&(at, _)| text[at..].starts_with(separator)).map(|(at, _)| at);
    let split = split.or_else(|| text.starts_with("..").then_some(0));
    let end = |text: &str, open: T| if text.is_empty() { Some(open) } else { parse(text) };
    let range = match split {
        None => parse(text).map(|one| one..=one)?,
        Some(at) => end(&text[..at], *all.start())?..=end(&text[at + separator.len()..], *all.end())?,
    };
    (range.start() <= range.end()).then_some(range)
}

/// Bytes, with or without a unit.
pub(crate) fn size(text: &str) -> Option<u64> {
    text.parse::<ByteSize>().ok().map(|size| size.as_u64())
}

fn address(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(memory: &str, device_id: i32, address: u64, size: u64, site: &str) -> RegionReport {
        let json = serde_json::json!({
            "device_id": device_id, "memory": memory, "address": address, "size": size, "size_per_bank": null,
            "holders": 1, "reports": 1, "state": "live", "allocated_at_ns": 0, "site": [site],
        });
        serde_json::from_value(json).unwrap()
    }

    fn covers(rule: &str, region: &RegionReport) -> bool {
        Suppressions::parse(rule).unwrap().rules[0].covers(region)
    }

    #[test]
    fn every_condition_must_hold() {
        let one = region("L1", 3, 0x1800, 4096, "matmul at /home/me/model.py:41");
        for rule in [
            "memory:L1",
            "memory:dram,l1",
            "device:3",
            "device:0-1,3",
            "device:-7-3",
            "size:4096",
            "size:4KiB..",
            "size:..4096",
            "size:1KiB..1MiB",
            "address:0x1000-0x1fff",
            "address:6144",
            "site:*/model.py:*",
            "leak:model.py",
            "memory:L1 device:3 size:1.. leak:matmul # with a comment",
        ] {
            assert!(covers(rule, &one), "{rule}");
        }
        for rule in [
            "memory:DRAM",
            "device:4-",
            "size:4097..",
            "address:0x1801-0x1fff",
            "site:model.py",
            "leak:softmax",
            "memory:L1 device:2",
        ] {
            assert!(!covers(rule, &one), "{rule}");
        }
    }

    #[test]
    fn what_is_no_rule_is_told_with_its_line() {
        let told = |text: &str| Suppressions::parse(text).unwrap_err();
        assert_eq!(told("# fine\n\nmemory:L1 colour:red").0, 3);
        for text in
            ["memory", "memory:L7", "device:x", "device:5-1", "size:many", "address:0xzz", "site:[", "size:", "device:"]
        {
            assert_eq!(told(text).0, 1, "{text}");
        }
        assert!(told("colour:red").1.contains("memory:"), "{}", told("colour:red").1);
    }
}
