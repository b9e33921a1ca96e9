//! The builds of ttnn that ttmem was tested with. No build is refused for its version: what it exports decides.

use std::ops::RangeInclusive;

/// In words.
pub(crate) const BUILDS: &str = "ttnn 0.66 to 0.81";

const MINORS: RangeInclusive<u32> = 66..=81;

/// Whether this version, as a wheel's metadata have it, is one of them.
pub(crate) fn is_tested(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    let (major, minor): (Option<u32>, Option<u32>) = (numbers.next().flatten(), numbers.next().flatten());
    major == Some(0) && minor.is_some_and(|minor| MINORS.contains(&minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_tested_by_its_first_two_numbers() {
        for version in ["0.66.0", "0.67.4", "0.75.0rc1", "0.81.1", "0.81.0.dev20261001+g0"] {
            assert!(is_tested(version), "{version}");
        }
        for version in ["0.82.0", "0.8.1", "1.81.0", "0.65.1", "unknown", ""] {
            assert!(!is_tested(version), "{version}");
        }
    }
}
