//! From a code object's line table to lines: what CPython's `co_lines()` does.

use ttmem_wire::sites::LineTable;

/// The line of the instruction at byte `at`; `None` where the code has none there.
pub(super) fn line_at(format: LineTable, table: &[u8], first_line: u32, at: u64) -> Option<u32> {
    let mut ranges: Box<dyn Iterator<Item = Range> + '_> = match format {
        LineTable::Pairs => Box::new(Pairs { table, at: 0, line: first_line.into() }),
        LineTable::Locations => Box::new(Locations { table, at: 0, line: first_line.into() }),
    };
    ranges.find(|range| range.end > at).and_then(|range| range.line)
}

/// Instructions up to `end` (a byte offset) belong to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    end: u64,
    line: Option<u32>,
}

fn number(line: i64) -> Option<u32> {
    u32::try_from(line).ok()
}

/// 3.10: pairs of bytes, so many more bytes of code, so many more lines; -128 for none.
struct Pairs<'a> {
    table: &'a [u8],
    at: u64,
    line: i64,
}

impl Iterator for Pairs<'_> {
    type Item = Range;

    fn next(&mut self) -> Option<Range> {
        let (&[bytes, lines], rest) = self.table.split_first_chunk()?;
        self.table = rest;
        self.at += u64::from(bytes);
        let lines = lines as i8;
        if lines == -128 {
            return Some(Range { end: self.at, line: None });
        }
        self.line += i64::from(lines);
        Some(Range { end: self.at, line: number(self.line) })
    }
}

/// 3.11 on: entries that begin with a byte of which bit 7 is set; see CPython's `Objects/locations.md`.
struct Locations<'a> {
    table: &'a [u8],
    at: u64,
    line: i64,
}

impl Locations<'_> {
    /// Six bits a byte, lowest first; bit 6 says that there are more.
    fn varint(bytes: &mut &[u8]) -> Option<u64> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (&byte, rest) = bytes.split_first()?;
            *bytes = rest;
            value |= u64::from(byte & 63).checked_shl(shift)?;
            shift += 6;
            if byte & 64 == 0 {
                return Some(value);
            }
        }
    }

    fn signed(bytes: &mut &[u8]) -> Option<i64> {
        let value = Self::varint(bytes)?;
        let size = (value >> 1) as i64;
        Some(if value & 1 == 1 { -size } else { size })
    }
}

impl Iterator for Locations<'_> {
    type Item = Range;

    fn next(&mut self) -> Option<Range> {
        let (&first, rest) = self.table.split_first()?;
        self.at += (u64::from(first & 7) + 1) * 2;
        let mut bytes = rest;
        let kind = first >> 3 & 15;
        let more = match kind {
            // None, then no column or the long form, then one line up to two further on, then the same line.
            13 | 14 => Self::signed(&mut bytes)?,
            10..=12 => i64::from(kind) - 10,
            _ => 0,
        };
        self.line = self.line.saturating_add(more);
        // Whatever else the entry has: the next one begins with a bit 7.
        let length = bytes.iter().position(|byte| byte & 0x80 != 0).unwrap_or(bytes.len());
        self.table = &bytes[length..];
        Some(Range { end: self.at, line: if kind == 15 { None } else { number(self.line) } })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A program of many shapes, compiled by real Pythons: each code object's table and what `co_lines()` makes of it.
    const DUMP: &str = r#"
import sys, types, inspect, argparse, dataclasses
def lines(code):
    print("code", code.co_firstlineno, code.co_linetable.hex() or "-")
    for start, end, line in code.co_lines():
        if start != end:
            print(start, end, -1 if line is None else line)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            lines(constant)
for module in (inspect, argparse, dataclasses):
    lines(compile(open(module.__file__).read(), module.__file__, "exec"))
lines(compile("\n" * 70000 + "def f(a):\n" + "  x = (1,\n" * 300 + ")" * 300 + "\n" * 400 + "\n  return x", "far", "exec"))
"#;

    #[test]
    fn every_instruction_has_the_line_that_python_says() {
        let home = std::env::var("PYENV_ROOT").or_else(|_| std::env::var("HOME").map(|home| home + "/.pyenv"));
        let mut found = 0;
        for version in ["3.10", "3.11", "3.12", "3.13"] {
            let mut candidates = vec![format!("python{version}")];
            let installed = home.iter().filter_map(|home| std::fs::read_dir(format!("{home}/versions")).ok()).flatten();
            let installed =
                installed.filter_map(|entry| Some(entry.ok()?.path().join("bin/python").display().to_string()));
            candidates.extend(installed.filter(|path| path.contains(&format!("/{version}."))));
            let python = candidates.iter().find_map(|python| {
                let output = Command::new(python).args(["-c", DUMP]).output().ok()?;
                output.status.success().then(|| String::from_utf8(output.stdout).expect("text"))
            });
            let Some(text) = python else {
                eprintln!("SKIPPED: no CPython {version}");
                continue;
            };
            let format = if version == "3.10" { LineTable::Pairs } else { LineTable::Locations };
            let checked = check(format, &text);
            assert!(checked > 10_000, "{version}: {checked}");
            found += 1;
        }
        assert!(found > 0 || std::env::var_os("TTMEM_REQUIRE_PYTHON").is_none(), "no CPython at all");
    }

    fn check(format: LineTable, text: &str) -> u64 {
        let (mut first, mut table, mut checked) = (0, Vec::new(), 0);
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if words[0] == "code" {
                first = words[1].parse().unwrap();
                let hex = words[2].trim_matches('-');
                table =
                    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
                continue;
            }
            let [start, end, line] = [0, 1, 2].map(|at| words[at].parse::<i64>().unwrap());
            for at in (start..end).step_by(2) {
                assert_eq!(
                    line_at(format, &table, first, at as u64),
                    u32::try_from(line).ok(),
                    "{format:?} {first} {at}"
                );
                checked += 1;
            }
        }
        checked
    }

    #[test]
    fn tables_that_end_early_give_nothing() {
        for format in [LineTable::Pairs, LineTable::Locations] {
            assert_eq!(line_at(format, &[], 5, 0), None);
            for length in 0..4 {
                line_at(format, &[0xF7, 0xFF, 0x40, 0x40][..length], u32::MAX, u64::MAX);
            }
        }
        assert_eq!(line_at(LineTable::Locations, &[0xEF, 0x7F, 0x7F], 5, 0), None);
    }
}
