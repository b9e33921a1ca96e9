//! The environment variables of ttmem, in one table: `ttmem run` refuses values that make no sense, its flags stand for variables,
//! and `ttmem doctor` checks each of them.

use std::{
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{Suppressions, named::nearest};

/// A variable that the user sets.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// The option of `ttmem run` and `ttmem record` that does the same.
    pub(crate) flag: Option<&'static str>,
    check: Check,
    /// Whether `ttmem run` refuses a value that makes no sense.
    pub(crate) is_refused: bool,
    /// Values that cost something, and what.
    pub(crate) effects: &'static [Effect],
}

/// What a value must be.
enum Check {
    /// Any value will do, or something else checks it.
    Any,
    /// One of the words that a message lists; others are taken too.
    Words(&'static str, &'static [&'static str]),
    /// What a message calls it, and whether a text is that.
    Text(&'static str, fn(&str) -> bool),
    /// A file of which something is expected; the reason why it is not that.
    File(fn(&Path) -> Option<String>),
}

/// What some values of a variable do to a report.
pub(crate) struct Effect {
    pub(crate) values: &'static [&'static str],
    pub(crate) what: &'static str,
    /// Whether nothing is tracked then.
    pub(crate) turns_off: bool,
}

const NO: &[&str] = &["0", "false", "off", "no"];
const SWITCH: &[&str] = &["0", "1", "false", "true", "off", "on", "no", "yes"];

/// Every variable that users set, as docs/environment.md lists them.
pub(crate) const VARIABLES: &[Variable] =
    &[
        // The doctor checks the folder and the library by themselves.
        Variable::new("TTMEM_DIR", Check::Any).flag("dir"),
        Variable::new("TTMEM_LIBRARY", Check::Any).flag("library"),
        // Any value but these turns tracking off: `Variable::effect`.
        Variable::new("TTMEM_DISABLE", Check::Any),
        Variable::new("TT_ALLOC_TRACKING_ENABLED", Check::Words("0 or 1", &["0", "1"])).effects(&[Effect {
            values: &["0"],
            what: "the library does nothing",
            turns_off: true,
        }]),
        Variable::new("TTMEM_RING_BYTES", Check::Text("a number of bytes from 4096 to 1 GiB", is_ring_size))
            .flag("ring-bytes")
            .refused(),
        Variable::new("TTMEM_ON_FULL", Check::Text("wait, drop or block:<ms up to 60000>", is_on_full))
            .flag("on-full")
            .refused()
            .effects(&[Effect {
                values: &["drop", "block:0"],
                what: "events are lost as soon as ring and queue are full",
                turns_off: false,
            }]),
        Variable::new(
            "TTMEM_STACKS",
            Check::Words("on, python, native or off", &["on", "1", "all", "python", "native", "off", "0", "none"]),
        )
        .flag("stacks")
        .refused()
        .effects(&[Effect { values: &["off", "0", "none"], what: "reports name no lines", turns_off: false }]),
        Variable::new("TTMEM_FOLD", Check::Words("0 or 1", SWITCH)).effects(&[Effect {
            values: NO,
            what: "a full ring that no reader drains loses events",
            turns_off: false,
        }]),
        Variable::new("TTMEM_CLOCK", Check::Words("auto or monotonic", &["auto", "monotonic"]))
            .flag("clock")
            .refused()
            .effects(&[Effect { values: &["monotonic"], what: "an event takes some 12 ns more", turns_off: false }]),
        Variable::new("TTMEM_LOG", Check::Words("off or on", &["off", "none", "on", "1"])).flag("log").effects(&[
            Effect { values: &["off", "none"], what: "the library does not say why it is off", turns_off: false },
        ]),
        Variable::new("TTMEM_SUPPRESSIONS", Check::File(suppressions_fault)).flag("suppressions"),
        Variable::new("TTMEM_BIN", Check::File(command_fault)),
        Variable::new("TTMEM_AUTOSTART", Check::Words("0 or 1", SWITCH)),
    ];

/// What ttmem sets for itself, or its tests set.
const OWN: &[&str] = &["TTMEM_FAILPOINT", "TTMEM_FAILPOINT_FILE", "TTMEM_PYTEST_PRELOADED"];

impl Variable {
    const fn new(name: &'static str, check: Check) -> Self {
        Self { name, flag: None, check, is_refused: false, effects: &[] }
    }

    const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    const fn refused(self) -> Self {
        Self { is_refused: true, ..self }
    }

    const fn effects(self, effects: &'static [Effect]) -> Self {
        Self { effects, ..self }
    }

    /// What is wrong with a value: the second half of a line that begins with it.
    pub(crate) fn fault(&self, value: &OsStr) -> Option<String> {
        let text = value.to_str();
        match self.check {
            Check::Any => None,
            Check::Words(wanted, words) => {
                (!text.is_some_and(|text| words.contains(&text))).then(|| format!("not {wanted}"))
            }
            Check::Text(wanted, is_sound) => (!text.is_some_and(is_sound)).then(|| format!("not {wanted}")),
            Check::File(fault) => fault(Path::new(value)),
        }
    }

    /// Whether a command fails on a value that makes no sense; else the library takes its default.
    pub(crate) fn is_fatal(&self) -> bool {
        self.is_refused || matches!(self.check, Check::File(_))
    }

    /// What a value costs, if it does.
    pub(crate) fn effect(&self, value: &OsStr) -> Option<&Effect> {
        const DISABLED: Effect = Effect { values: &[], what: "the library does nothing", turns_off: true };
        if self.name == "TTMEM_DISABLE" {
            return (!NO.iter().any(|no| value == *no)).then_some(&DISABLED);
        }
        self.effects.iter().find(|effect| effect.values.iter().any(|one| value == *one))
    }
}

/// Whether a name of the environment looks like one of ours and is none; the name that was meant, if one is near.
pub(crate) fn mistyped(name: &str) -> Option<Option<&'static str>> {
    // Names differ behind what all have in common.
    let rest = ["TTMEM_", "TT_MEM_", "TTMEM"].iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let known = || VARIABLES.iter().map(|variable| variable.name);
    if known().chain(OWN.iter().copied()).any(|known| known == name) {
        return None;
    }
    let near = nearest(rest, known().filter_map(|known| known.strip_prefix("TTMEM_")));
    Some(near.and_then(|near| known().find(|known| known.strip_prefix("TTMEM_") == Some(near))))
}

fn is_ring_size(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|bytes| (4096..=1 << 30).contains(&bytes))
}

fn is_on_full(text: &str) -> bool {
    let ms = |text: &str| text.parse::<u64>().is_ok_and(|ms| ms <= 60_000);
    matches!(text, "wait" | "drop") || text.strip_prefix("block:").is_some_and(ms)
}

fn suppressions_fault(path: &Path) -> Option<String> {
    Suppressions::read_if_named(Some(path)).err().map(|failure| failure.to_string())
}

fn command_fault(path: &Path) -> Option<String> {
    let is_command = |path: PathBuf| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    (!is_command(path.to_path_buf())).then(|| "no program; give the path of the command ttmem".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_is_one_of_ours_or_nobody_knows_which() {
        assert_eq!(mistyped("TTMEM_ONFULL"), Some(Some("TTMEM_ON_FULL")));
        assert_eq!(mistyped("TT_MEM_DIR"), Some(Some("TTMEM_DIR")));
        assert_eq!(mistyped("TTMEM_SUPRESSIONS"), Some(Some("TTMEM_SUPPRESSIONS")));
        assert_eq!(mistyped("TTMEM_QUUX"), Some(None));
        assert_eq!(mistyped("TTMEM_DIR"), None);
        assert_eq!(mistyped("TT_METAL_HOME"), None);
    }

    #[test]
    fn the_documentation_has_every_variable_and_flag() {
        let page = include_str!("../../docs/environment.md");
        for variable in VARIABLES {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", variable.name)));
            let row = row.unwrap_or_else(|| panic!("{} is not in docs/environment.md", variable.name));
            let flag = variable.flag.map(|flag| format!("`--{flag}`"));
            assert!(flag.is_none_or(|flag| row.contains(&flag)), "{row}");
        }
    }
}
