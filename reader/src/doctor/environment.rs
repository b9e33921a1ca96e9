//! Environment variables that turn tracking off, or make it cost more.

use std::ffi::{OsStr, OsString};

use super::Check;

const WHAT: &str = "environment";

/// What `get` says of the variables that matter.
pub(super) fn variables(get: &dyn Fn(&str) -> Option<OsString>) -> Vec<Check> {
    let value = |name: &str| get(name).filter(|value| !value.is_empty());
    let is = |name: &str, wanted: &[&str]| value(name).is_some_and(|value| wanted.iter().any(|&word| value == *word));
    let mut checks = Vec::new();
    // As the library understands them.
    if value("TTMEM_DISABLE").is_some() && !is("TTMEM_DISABLE", &["0", "false", "off", "no"]) {
        checks.push(Check::wrong(WHAT, "TTMEM_DISABLE is set: the library does nothing", "unset TTMEM_DISABLE"));
    }
    if is("TT_ALLOC_TRACKING_ENABLED", &["0"]) {
        let found = "TT_ALLOC_TRACKING_ENABLED=0: the library does nothing";
        checks.push(Check::wrong(WHAT, found, "unset TT_ALLOC_TRACKING_ENABLED, or set it to 1"));
    }
    if is("TTMEM_LOG", &["off", "none"]) {
        let found = "TTMEM_LOG=off: the library does not say why it is off";
        checks.push(Check::note(WHAT, found, "unset TTMEM_LOG while you look for what is wrong"));
    }
    if is("TTMEM_STACKS", &["off", "0", "none"]) {
        checks.push(Check::note(WHAT, "TTMEM_STACKS=off: reports name no lines", "unset TTMEM_STACKS"));
    }
    if value("LD_PRELOAD").is_some_and(|value| value.to_string_lossy().contains(crate::launch::LIBRARY)) {
        let found = "LD_PRELOAD has the library already: every program of this shell reports, and no reader drains it";
        checks.push(Check::note(WHAT, found, "unset LD_PRELOAD; `ttmem run` sets it for its program alone"));
    }
    if value("TT_METAL_SHM_TRACKING_DISABLED").as_deref() != Some(OsStr::new("1")) {
        let found = "tt-metal's own tracking is on beside ttmem: with many programs on many chips it is slow";
        checks.push(Check::note(
            WHAT,
            found,
            "TT_METAL_SHM_TRACKING_DISABLED=1 turns it off; docs/cost-on-ttnn.md has figures",
        ));
    }
    if checks.is_empty() {
        checks.push(Check::good(WHAT, "no variable turns tracking off"));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn what_turns_tracking_off_is_wrong_and_the_rest_a_note() {
        let check = |name: &str, value: &str| {
            let get = |asked: &str| match asked {
                _ if asked == name => Some(value.into()),
                "TT_METAL_SHM_TRACKING_DISABLED" => Some("1".into()),
                _ => None,
            };
            let checks = variables(&get);
            assert_eq!(checks.len(), 1, "{checks:?}");
            checks[0].verdict
        };
        assert_eq!(check("TTMEM_DISABLE", "1"), Verdict::Wrong);
        assert_eq!(check("TTMEM_DISABLE", "0"), Verdict::Good);
        assert_eq!(check("TT_ALLOC_TRACKING_ENABLED", "0"), Verdict::Wrong);
        assert_eq!(check("TT_ALLOC_TRACKING_ENABLED", "1"), Verdict::Good);
        assert_eq!(check("TTMEM_STACKS", "off"), Verdict::Note);
        assert_eq!(check("TTMEM_LOG", "off"), Verdict::Note);
        assert_eq!(check("LD_PRELOAD", "/usr/lib/libttmem.so"), Verdict::Note);
        assert_eq!(check("LD_PRELOAD", "/usr/lib/other.so"), Verdict::Good);
        assert_eq!(check("TT_METAL_SHM_TRACKING_DISABLED", "0"), Verdict::Note);
    }
}
