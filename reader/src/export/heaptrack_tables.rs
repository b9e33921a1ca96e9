//! The tables of heaptrack's text format. What is named for the first time is written at once: strings, frames
//! (instruction pointers), stacks (traces), and a stack with a size (allocation infos). Each is known by its number in the
//! file. Numbers are hexadecimal; all but the last kind count from 1, and 0 is none.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use crate::visible::is_hidden;

/// Pairs of stack and size that are told apart; further ones are written each time that they occur.
const MAX_INFOS: usize = 1 << 18;

#[derive(Debug, Default)]
pub(super) struct Tables {
    strings: HashMap<String, u64>,
    frames: HashMap<String, u64>,
    /// By the stack below, and the frame on top of it.
    stacks: HashMap<(u64, u64), u64>,
    infos: HashMap<(u64, u64), u64>,
    written_infos: u64,
}

impl Tables {
    /// The stack with these frames, the innermost first.
    pub(super) fn stack(&mut self, frames: &[String], to: &mut dyn Write) -> io::Result<u64> {
        let mut stack = 0;
        for frame in frames.iter().rev() {
            let frame = self.frame(frame, to)?;
            stack = match self.stacks.get(&(stack, frame)) {
                Some(&known) => known,
                None => {
                    writeln!(to, "t {frame:x} {stack:x}")?;
                    let number = self.stacks.len() as u64 + 1;
                    self.stacks.insert((stack, frame), number);
                    number
                }
            };
        }
        Ok(stack)
    }

    /// So many bytes of this stack.
    pub(super) fn info(&mut self, stack: u64, size: u64, to: &mut dyn Write) -> io::Result<u64> {
        if self.written_infos == 0 {
            // The reader takes the first one for freed right after it was allocated, whenever it is freed: this is never.
            writeln!(to, "a 0 {stack:x}")?;
            self.written_infos = 1;
        }
        if let Some(&known) = self.infos.get(&(stack, size)) {
            return Ok(known);
        }
        writeln!(to, "a {size:x} {stack:x}")?;
        let number = self.written_infos;
        self.written_infos += 1;
        if self.infos.len() < MAX_INFOS {
            self.infos.insert((stack, size), number);
        }
        Ok(number)
    }

    fn frame(&mut self, frame: &str, to: &mut dyn Write) -> io::Result<u64> {
        if let Some(&known) = self.frames.get(frame) {
            return Ok(known);
        }
        let Parts { function, module, address, place } = Parts::of(frame);
        let module = self.string(module, to)?;
        let function = function.map(|name| self.string(&shown_whole(name), to)).transpose()?;
        let place = place.map(|(file, line)| self.string(file, to).map(|file| (file, line))).transpose()?;
        write!(to, "i {address:x} {module:x}")?;
        if let Some(function) = function {
            write!(to, " {function:x}")?;
            if let Some((file, line)) = place {
                write!(to, " {file:x} {line:x}")?;
            }
        }
        writeln!(to)?;
        let number = self.frames.len() as u64 + 1;
        self.frames.insert(frame.to_owned(), number);
        Ok(number)
    }

    fn string(&mut self, text: &str, to: &mut dyn Write) -> io::Result<u64> {
        if let Some(&known) = self.strings.get(text) {
            return Ok(known);
        }
        writeln!(to, "s {}", one_line(text))?;
        let number = self.strings.len() as u64 + 1;
        self.strings.insert(text.to_owned(), number);
        Ok(number)
    }
}

/// A text without what would end its line.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect()
}

/// A name that heaptrack's views show as it is. They end a stack at `main`, and would not show what is further out; and they
/// leave out what is in angle brackets, which of `<module>` or `<listcomp>` is all.
fn shown_whole(function: &str) -> String {
    let bracketed = function.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    match (function, bracketed) {
        ("main" | "__libc_start_main", _) => format!("{function}()"),
        (_, Some(name)) if !name.contains(['<', '>']) => format!("({name})"),
        _ => function.to_owned(),
    }
}

/// What a frame says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    function: Option<&'a str>,
    module: &'a str,
    /// Within its module.
    address: u64,
    place: Option<(&'a str, u64)>,
}

impl<'a> Parts<'a> {
    /// Takes apart what [`crate::Sites`] makes: `function (file:line)` of Python, `function (module+0x1f, file:line)`,
    /// `function (module+0x1f)` or `module+0x1f` of native code. What is none of these stands in for a call site.
    fn of(frame: &'a str) -> Self {
        if let Some((module, address)) = in_module(frame) {
            return Self { function: None, module, address, place: None };
        }
        let Some((function, rest)) = frame.strip_suffix(')').and_then(|frame| frame.split_once(" (")) else {
            return Self { function: Some(frame), module: "ttmem", address: 0, place: None };
        };
        let (first, further) = rest.split_once(", ").map_or((rest, None), |(first, further)| (first, Some(further)));
        match in_module(first) {
            Some((module, address)) => {
                Self { function: Some(function), module, address, place: further.map(file_and_line) }
            }
            None => Self { function: Some(function), module: "Python", address: 0, place: Some(file_and_line(rest)) },
        }
    }
}

fn in_module(text: &str) -> Option<(&str, u64)> {
    let (module, address) = text.rsplit_once("+0x")?;
    Some((module, u64::from_str_radix(address, 16).ok()?))
}

fn file_and_line(text: &str) -> (&str, u64) {
    text.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?))).unwrap_or((text, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(function: Option<&'a str>, module: &'a str, address: u64, place: Option<(&'a str, u64)>) -> Parts<'a> {
        Parts { function, module, address, place }
    }

    #[test]
    fn a_frame_is_taken_apart() {
        for (frame, expected) in [
            ("forward (/x/a, b (1).py:7)", parts(Some("forward"), "Python", 0, Some(("/x/a, b (1).py", 7)))),
            ("<module> (<string>)", parts(Some("<module>"), "Python", 0, Some(("<string>", 0)))),
            ("ns::f<..> (lib.so+0x1f)", parts(Some("ns::f<..>"), "lib.so", 0x1f, None)),
            ("f (lib.so+0x1f, a.cpp:9)", parts(Some("f"), "lib.so", 0x1f, Some(("a.cpp", 9)))),
            ("lib.so+0x1f", parts(None, "lib.so", 0x1f, None)),
            ("size 24576", parts(Some("size 24576"), "ttmem", 0, None)),
        ] {
            assert_eq!(Parts::of(frame), expected);
        }
    }

    #[test]
    fn names_are_shown_whole() {
        for (name, expected) in
            [("main", "main()"), ("<module>", "(module)"), ("f<..>", "f<..>"), ("<a as b<c>>", "<a as b<c>>")]
        {
            assert_eq!(shown_whole(name), expected);
        }
    }

    #[test]
    fn what_is_named_again_is_not_written_again() -> io::Result<()> {
        let (mut tables, mut text) = (Tables::default(), Vec::new());
        let frames = |names: [&str; 2]| names.map(str::to_owned);
        let stack = tables.stack(&frames(["f (a.py:16)", "main (a.py:1)"]), &mut text)?;
        let info = tables.info(stack, 256, &mut text)?;
        assert_eq!((stack, info), (2, 1));
        assert_eq!(tables.stack(&frames(["f (a.py:16)", "main (a.py:1)"]), &mut text)?, stack);
        assert_eq!(tables.info(stack, 256, &mut text)?, info);
        tables.stack(&frames(["f (a.py:16)", "g (a\nb.py:1)"]), &mut text)?;
        let expected = "s Python\ns main()\ns a.py\ni 0 1 2 3 1\nt 1 0\ns f\ni 0 1 4 3 10\nt 2 1\na 0 2\na 100 2\n\
            s g\ns a b.py\ni 0 1 5 6 1\nt 3 0\nt 2 3\n";
        assert_eq!(String::from_utf8_lossy(&text), expected);
        Ok(())
    }
}
