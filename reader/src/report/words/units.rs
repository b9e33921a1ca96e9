//! Numbers as people read them.

use std::{path::Path, sync::LazyLock};

use ttmem_wire::{CoreRange, Memory};

use crate::visible::visible;

/// Text that others wrote, fit for a terminal: `room` columns at most, and no control characters. Both ends of a long command
/// stay: its end says more than its middle.
pub fn shorten(text: &str, room: usize) -> String {
    let clean: Vec<char> = visible(text).chars().collect();
    if clean.len() <= room {
        return clean.into_iter().collect();
    }
    let head = room.saturating_sub(1) / 2;
    let tail = room.saturating_sub(1) - head;
    clean[..head].iter().chain(&['…']).chain(&clean[clean.len() - tail..]).collect()
}

/// A frame of a call site, fit for a terminal; of a path under the current folder the part from there.
pub fn from_here(frame: &str) -> String {
    // Asked once: reports and views have many frames, and nobody changes the folder.
    static HERE: LazyLock<String> = LazyLock::new(|| {
        let here = std::env::current_dir().ok();
        here.as_deref().and_then(Path::to_str).unwrap_or_default().to_owned()
    });
    relative_to(&visible(frame), &HERE)
}

fn relative_to(frame: &str, folder: &str) -> String {
    // "function (file:line)", or "function (module+0xaddress, file:line)".
    let place = |frame: &str, lead: &str| frame.replacen(&format!("{lead}{folder}/"), lead, 1);
    if folder.len() > 1 { place(&place(frame, " ("), ", ") } else { frame.to_owned() }
}

/// Bytes in binary units: exact below 1 KiB, else one decimal (none where it is zero).
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A rectangle of cores, as tt-metal writes it: "[0-0 - 7-7]".
pub(crate) fn cores(range: CoreRange) -> String {
    format!("[{}-{} - {}-{}]", range.first_x, range.first_y, range.last_x, range.last_y)
}

/// What a kind of program memory is called.
pub(crate) fn program_memory(memory: Memory) -> &'static str {
    match memory {
        Memory::DataflowBuffer => "dataflow buffers",
        Memory::Scratchpad => "scratchpads",
        _ => "circular buffers",
    }
}

/// The form of a noun (or verb) that goes with a number.
pub fn noun<'a>(number: u64, one: &'a str, many: &'a str) -> &'a str {
    if number == 1 { one } else { many }
}

/// A count that fits nine columns: whole, else in thousands, millions and so on, rounded down.
pub(crate) fn short_count(value: u64) -> String {
    const UNITS: [&str; 6] = ["", "k", "M", "G", "T", "P"];
    let (mut value, mut unit) = (value, 0);
    while value >= if unit == 0 { 10_000_000 } else { 1_000_000 } {
        value /= 1000;
        unit += 1;
    }
    count(value) + UNITS[unit]
}

/// A count with its thousands set apart.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Ascending device ids as ranges: "0-3, 7". What does not fit `room` is left out of the middle: "0, 2, … 62 (32 in total)".
pub(super) fn ranges(ids: &[i32], room: usize) -> String {
    let mut parts: Vec<(i32, i32)> = Vec::new();
    for &id in ids {
        match parts.last_mut().filter(|(_, last)| last.checked_add(1) == Some(id)) {
            Some((_, last)) => *last = id,
            None => parts.push((id, id)),
        }
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|&(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    let whole = parts.join(", ");
    let (Some(last), true) = (parts.last(), whole.len() > room) else { return whole };
    let end = format!("… {last} ({} in total)", ids.len());
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 && text.len() + part.len() + 2 + end.chars().count() > room {
            break;
        }
        text.push_str(part);
        text.push_str(", ");
    }
    text + &end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_keep_both_ends_and_no_escape_gets_through() {
        assert_eq!(shorten("python a/very/long/path/model.py --fast", 20), "python a/….py --fast");
        assert_eq!(shorten("a\u{1b}[31mb", 20), "a\u{fffd}[31mb");
        assert_eq!(shorten("python -c if x:\n\tpass\r", 40), "python -c if x:\\n\\tpass\u{fffd}");
        assert_eq!(shorten("abc", 0), "…");
    }

    #[test]
    fn sizes_are_in_the_unit_that_people_say() {
        let shown: Vec<String> =
            [0, 1023, 1024, 36_864, 1_048_524, 1_048_576, u64::MAX].into_iter().map(bytes).collect();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "36.0 KiB", "1023.9 KiB", "1.0 MiB", "16.0 EiB"]);
    }

    #[test]
    fn counts_and_ids_are_short() {
        assert_eq!((count(1_234_567), count(123), count(0)), ("1,234,567".into(), "123".into(), "0".into()));
        let short = [9_999_999, 10_000_000, 1_234_567_890, u64::MAX].map(short_count);
        assert_eq!(short, ["9,999,999", "10,000k", "1,234M", "18,446P"].map(String::from));
        assert_eq!(ranges(&[-1, 0, 1, 2, 7, 9, 10], 80), "-1-2, 7, 9-10");
        let even: Vec<i32> = (0..64).step_by(2).collect();
        assert_eq!(ranges(&even, 30), "0, 2, 4, 6, … 62 (32 in total)");
        assert_eq!(ranges(&even, 0), "0, … 62 (32 in total)");
        assert_eq!(ranges(&[], 0), "");
    }

    #[test]
    fn paths_are_relative_to_here() {
        assert_eq!(relative_to("f (/home/me/a/b.py:3)", "/home/me"), "f (a/b.py:3)");
        assert_eq!(relative_to("f (b+0x12, /home/me/b.c:3)", "/home/me"), "f (b+0x12, b.c:3)");
        assert_eq!(relative_to("f (/home/mean/b.py:3)", "/home/me"), "f (/home/mean/b.py:3)");
        assert_eq!(relative_to("f (/b.py:3)", "/"), "f (/b.py:3)");
    }
}
