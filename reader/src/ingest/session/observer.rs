//! What looks on while a session applies its records.

use ttmem_wire::{Pool, Record};

use crate::Account;

/// Sees each record of a session, as it is applied or after that.
pub(crate) trait Observer {
    /// The session begins with this account, which a checkpoint may have filled; or begins anew, since it was overtaken.
    fn begin(&mut self, _account: &mut Account) {}

    /// Applies records, all of them at once unless it has to look at each.
    fn apply(&mut self, account: &mut Account, records: &[Record], pools: &mut dyn FnMut(u32) -> Option<Pool>) {
        account.take(records, pools);
    }

    /// These records were applied, and their call sites looked for.
    fn keep(&mut self, _account: &Account, _records: &[Record]) {}
}

impl<F: FnMut(&Account, &[Record])> Observer for F {
    fn keep(&mut self, account: &Account, records: &[Record]) {
        self(account, records);
    }
}
