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

use std::{cell::RefCell, collections::HashMap, io::Read, ops::RangeInclusive, path::Path, sync::Arc};

use bytesize::ByteSize;
use globset::{Glob, GlobMatcher};
use ttmem_wire::Memory;

use super::super::{Allocation, GrowthSource};
use crate::{Failure, plain_file, sites::CallSite};

/// A larger file is no suppression file.
const MAX_BYTES: u64 = 1 << 20;
/// More rules, or a longer one, are no list that a person keeps; a pattern takes a thousand times its length of memory.
const MAX_RULES: usize = 2000;
const MAX_RULE_BYTES: usize = 1000;

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
        // As an empty file: it overrides the variable.
        if path == Path::new("/dev/null") {
            return Ok(Self::default());
        }
        let mut text = String::new();
        plain_file::open_small(path, MAX_BYTES)?
            .read_to_string(&mut text)
            .map_err(|error| Failure::with(path, error))?;
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
    pub(crate) fn parse(text: &str) -> Result<Self, (u64, String)> {
        let mut rules = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split_once('#').map_or(text, |(rule, _)| rule).trim();
            if text.is_empty() {
                continue;
            }
            if text.len() > MAX_RULE_BYTES {
                return Err((line, format!("a rule of {} bytes; at most {MAX_RULE_BYTES} are read", text.len())));
            }
            if rules.len() == MAX_RULES {
                return Err((line, format!("more than {MAX_RULES} rules")));
            }
            let conditions = text.split_whitespace().map(condition).collect::<Result<_, _>>();
            rules.push(Rule { text: text.to_owned(), line, conditions: conditions.map_err(|what| (line, what))? });
        }
        Ok(Self { rules })
    }

    /// The rules as they were written, each with its line, from 1.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rules.iter().map(|rule| (rule.text.as_str(), rule.line))
    }

    /// The rules, to be asked about many things. Call sites must live as long.
    pub(crate) fn matcher(&self) -> Matcher<'_> {
        Matcher { rules: &self.rules, sites: RefCell::default() }
    }
}

/// Finds the rule that covers something: the first that does. Each call site is matched once.
pub(crate) struct Matcher<'a> {
    rules: &'a [Rule],
    sites: RefCell<HashMap<(usize, usize), bool>>,
}

impl Matcher<'_> {
    /// The place of the rule that covers an allocation.
    pub(crate) fn covering(&self, one: &Allocation) -> Option<usize> {
        self.first(&one.site, |condition| match condition {
            Condition::Memory(names) => has_memory(names, one.memory),
            Condition::Device(ranges) => ranges.iter().any(|range| range.contains(&i64::from(one.device))),
            Condition::Size(range) => range.contains(&one.size),
            Condition::Address(range) => range.contains(&one.address),
            Condition::Site(_) => true,
        })
    }

    /// The place of the rule that covers all that a source of growth can make: where devices, or sizes, are conditions, those that
    /// it is known to have; an address is none that a source has.
    pub(crate) fn covering_source(&self, source: &GrowthSource) -> Option<usize> {
        let is_on = |ranges: &[RangeInclusive<i64>], device: &i32| {
            ranges.iter().any(|range| range.contains(&i64::from(*device)))
        };
        self.first(&source.site, |condition| match condition {
            Condition::Memory(names) => has_memory(names, source.memory),
            Condition::Device(ranges) => {
                !source.devices.is_empty() && source.devices.iter().all(|device| is_on(ranges, device))
            }
            Condition::Size(range) => source.size.is_some_and(|size| range.contains(&size)),
            Condition::Address(_) => false,
            Condition::Site(_) => true,
        })
    }

    fn first(&self, site: &Arc<CallSite>, holds: impl Fn(&Condition) -> bool) -> Option<usize> {
        (0..self.rules.len()).find(|&at| self.rules[at].conditions.iter().all(&holds) && self.fits_site(at, site))
    }

    /// Whether the conditions on call sites hold.
    fn fits_site(&self, at: usize, site: &Arc<CallSite>) -> bool {
        let globs = || {
            self.rules[at].conditions.iter().filter_map(|condition| match condition {
                Condition::Site(glob) => Some(glob),
                _ => None,
            })
        };
        if globs().next().is_none() {
            return true;
        }
        *self.sites.borrow_mut().entry((at, Arc::as_ptr(site) as usize)).or_insert_with(|| {
            let frames: Vec<String> = site.users().map(ToString::to_string).collect();
            globs().all(|glob| frames.iter().any(|frame| glob.is_match(frame)))
        })
    }
}

fn has_memory(names: &[String], memory: Memory) -> bool {
    let text = memory.to_string();
    names.iter().any(|name| name.eq_ignore_ascii_case(&text))
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
    use crate::sites::Frame;

    fn allocation(memory: Memory, device: i32, address: u64, size: u64, frame: &str) -> Allocation {
        let site = CallSite { frames: [Frame::parse(frame)].into(), ..CallSite::default() };
        Allocation { memory, device, address, size, site: site.into(), ..Allocation::example() }
    }

    fn covers(rule: &str, one: &Allocation) -> bool {
        Suppressions::parse(rule).unwrap().matcher().covering(one) == Some(0)
    }

    #[test]
    fn every_condition_must_hold() {
        let one = allocation(Memory::L1, 3, 0x1800, 4096, "matmul (/home/me/model.py:41)");
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
    fn what_is_no_rule_is_an_error_with_its_line() {
        let refused = |text: &str| Suppressions::parse(text).unwrap_err();
        assert_eq!(refused("# fine\n\nmemory:L1 colour:red").0, 3);
        for text in
            ["memory", "memory:L7", "device:x", "device:5-1", "size:many", "address:0xzz", "site:[", "size:", "device:"]
        {
            assert_eq!(refused(text).0, 1, "{text}");
        }
        assert!(refused("colour:red").1.contains("memory:"), "{}", refused("colour:red").1);
    }
}
