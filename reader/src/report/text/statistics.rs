//! What was allocated in all: `--stats`.

use std::fmt::{self, Write};

use super::{Screen, stack, table::Table};
use crate::{
    analysis::{Churn, ChurnSource},
    report::words::{bytes, count, growth::amount},
};

/// Columns of the longest bar.
const BAR: u64 = 40;

/// All of it.
pub(super) fn write(out: &mut impl Write, screen: &Screen, churn: &Churn) -> fmt::Result {
    let life = if churn.is_by_marks { "within their iteration" } else { "before 256 further allocations" };
    screen.heading(out, "Allocated in total", ", over all devices; program memory is left out")?;
    screen.wrapped(
        out,
        "  ",
        &format!("{}; of these freed {life}: {}", amount(churn.all), amount(churn.short_lived)),
    )?;
    let mut table = Table::new(["bytes", "allocations", "short-lived"]);
    for (memory, all, short) in &churn.memories {
        table.row(memory.to_string(), [bytes(all.bytes), count(all.allocations), count(short.allocations)]);
    }
    table.write(out, "", screen)?;
    writeln!(out)?;
    screen.heading(out, "Sizes", "")?;
    let most = churn.sizes.iter().copied().max().unwrap_or(0).max(1);
    for (power, &number) in churn.sizes.iter().enumerate().filter(|&(_, &number)| number > 0) {
        // At least a mark where there is any.
        let bar = u128::from(number) * u128::from(BAR) / u128::from(most);
        let bar = "#".repeat(usize::try_from(bar).unwrap_or(0).max(1));
        writeln!(out, "{:>12} and more{:>12}  {bar}", bytes(1 << power), count(number))?;
    }
    writeln!(out)?;
    for (title, sources) in [
        ("Most bytes", &churn.largest),
        ("Most often", &churn.most_frequent),
        ("Most short-lived", &churn.most_short_lived),
    ] {
        write_sources(out, screen, title, sources)?;
    }
    Ok(())
}

fn write_sources(out: &mut impl Write, screen: &Screen, title: &str, sources: &[ChurnSource]) -> fmt::Result {
    if sources.is_empty() {
        return Ok(());
    }
    screen.heading(out, title, "")?;
    for (source, frames) in sources.iter().zip(stack::apart(sources.iter().map(|source| &source.site))) {
        let size = source.size.map_or_else(|| "several sizes".to_owned(), bytes);
        let short = count(source.short_lived.allocations);
        let what = format!("{} {} of {size}, {short} short-lived", source.memory, count(source.all.allocations));
        screen.wrapped(out, &format!("{:>12}  ", bytes(source.all.bytes)), &what)?;
        stack::write_frames(out, screen, 14, &source.site, frames)?;
    }
    writeln!(out)
}
