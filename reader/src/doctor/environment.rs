//! Environment variables: values that make no sense, turn tracking off or make it cost more, and names that are mistyped.

use std::ffi::{OsStr, OsString};

use super::Check;
use crate::variables::{VARIABLES, mistyped};

const WHAT: &str = "environment";

/// What these variables do, those with an empty value left out.
pub(super) fn variables(all: &[(OsString, OsString)]) -> Vec<Check> {
    let value = |name: &str| {
        let found = all.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_os_str())
    };
    let mut checks = Vec::new();
    let mut sound = Vec::new();
    for variable in VARIABLES {
        let Some(value) = value(variable.name) else { continue };
        let (name, shown) = (variable.name, value.to_string_lossy());
        let unset = format!("unset {name}");
        match (variable.effect(value), variable.fault(value)) {
            (Some(effect), _) if effect.turns_off => {
                checks.push(Check::wrong(WHAT, format!("{name}={shown}: {}", effect.what), unset));
            }
            (Some(effect), _) => checks.push(Check::note(WHAT, format!("{name}={shown}: {}", effect.what), unset)),
            (None, Some(fault)) => {
                let check = if variable.is_fatal() { Check::wrong } else { Check::note };
                checks.push(check(WHAT, format!("{name}={shown}: {fault}"), format!("change it, or {unset}")));
            }
            (None, None) => sound.push(name),
        }
    }
    for (name, _) in all.iter().filter(|(_, value)| !value.is_empty()) {
        let name = name.to_string_lossy();
        if let Some(meant) = mistyped(&name) {
            let advice = match meant {
                Some(meant) => format!("did you mean {meant}?"),
                None => "`ttmem --help` lists all variables".to_owned(),
            };
            checks.push(Check::note(WHAT, format!("{name}: no such variable, nobody reads it"), advice));
        }
    }
    if value("LD_PRELOAD").is_some_and(|value| value.to_string_lossy().contains(crate::launch::LIBRARY)) {
        let found = "LD_PRELOAD has the library already: every program of this shell reports, and no reader drains it";
        checks.push(Check::note(WHAT, found, "unset LD_PRELOAD; `ttmem run` sets it for its program alone"));
    }
    if value("TT_METAL_SHM_TRACKING_DISABLED") != Some(OsStr::new("1")) {
        let found = "tt-metal's own tracking is on beside ttmem: with many programs on many chips it is slow";
        let advice = "TT_METAL_SHM_TRACKING_DISABLED=1 turns it off; docs/cost-on-ttnn.md has figures";
        checks.push(Check::note(WHAT, found, advice));
    }
    if checks.is_empty() {
        checks.push(Check::good(
            WHAT,
            match &sound[..] {
                [] => "no variable of ttmem is set".to_owned(),
                sound => format!("no variable turns tracking off; set, and sound: {}", sound.join(", ")),
            },
        ));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn what_turns_tracking_off_or_makes_no_sense_is_wrong_and_the_rest_a_note() {
        let check = |name: &str, value: &str| {
            let quiet = ("TT_METAL_SHM_TRACKING_DISABLED".into(), "1".into());
            let checks = variables(&[(name.into(), value.into()), quiet]);
            assert_eq!(checks.len(), 1, "{checks:?}");
            checks[0].verdict
        };
        for (name, value, verdict) in [
            ("TTMEM_DISABLE", "1", Verdict::Wrong),
            ("TTMEM_DISABLE", "0", Verdict::Good),
            ("TT_ALLOC_TRACKING_ENABLED", "0", Verdict::Wrong),
            ("TT_ALLOC_TRACKING_ENABLED", "1", Verdict::Good),
            ("TT_ALLOC_TRACKING_ENABLED", "maybe", Verdict::Note),
            ("TTMEM_STACKS", "off", Verdict::Note),
            ("TTMEM_STACKS", "lua", Verdict::Wrong),
            ("TTMEM_STACKS", "python", Verdict::Good),
            ("TTMEM_LOG", "off", Verdict::Note),
            ("TTMEM_LOG", "loud", Verdict::Note),
            ("TTMEM_FOLD", "0", Verdict::Note),
            ("TTMEM_FOLD", "maybe", Verdict::Note),
            ("TTMEM_CLOCK", "monotonic", Verdict::Note),
            ("TTMEM_CLOCK", "sundial", Verdict::Wrong),
            ("TTMEM_ON_FULL", "drop", Verdict::Note),
            ("TTMEM_ON_FULL", "block", Verdict::Wrong),
            ("TTMEM_RING_BYTES", "65536", Verdict::Good),
            ("TTMEM_RING_BYTES", "64k", Verdict::Wrong),
            ("TTMEM_SUPPRESSIONS", "/no/such/file", Verdict::Wrong),
            ("TTMEM_BIN", "/no/such/file", Verdict::Wrong),
            ("TTMEM_BIN", "/bin/sh", Verdict::Good),
            ("TTMEM_ONFULL", "drop", Verdict::Note),
            ("TTMEM_QUUX", "1", Verdict::Note),
            ("LD_PRELOAD", "/usr/lib/libttmem.so", Verdict::Note),
            ("LD_PRELOAD", "/usr/lib/other.so", Verdict::Good),
        ] {
            assert_eq!(check(name, value), verdict, "{name}={value}");
        }
        assert_eq!(variables(&[]).len(), 1);
        assert_eq!(variables(&[])[0].verdict, Verdict::Note, "tt-metal's own tracking");
        let mistyped = variables(&[("TTMEM_ONFULL".into(), "drop".into())]);
        assert_eq!(mistyped[0].advice.as_deref(), Some("did you mean TTMEM_ON_FULL?"));
    }
}
