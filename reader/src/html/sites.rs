//! Call sites as people read them.

use crate::Account;

/// The frames of an interned call site, innermost first; empty where it is not known.
pub(super) fn frames(_account: &Account, _site: u32) -> Vec<String> {
    Vec::new()
}
