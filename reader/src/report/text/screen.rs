//! What text is written on: its width, its styles, and paragraphs that fit.

use std::fmt::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::visible::visible;

/// The width where there is no terminal, and the most and the least that is used of one.
const WIDTH: usize = 80;
const WIDEST: usize = 140;
const NARROWEST: usize = 60;

/// The styles of the parts. Whether they reach the terminal is the stream's business.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Painter {
    pub heading: Style,
    pub good: Style,
    pub bad: Style,
    pub faint: Style,
}

impl Painter {
    /// With colours.
    pub fn coloured() -> Self {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        Self {
            heading: Style::new().bold(),
            good: colour(AnsiColor::Green).bold(),
            bad: colour(AnsiColor::Red).bold(),
            faint: Style::new().dimmed(),
        }
    }

    /// A word that stands out.
    pub fn strong(&self, word: &str) -> String {
        format!("{}{word}{:#}", self.heading, self.heading)
    }

    /// Without.
    pub fn plain() -> Self {
        Self { heading: Style::new(), good: Style::new(), bad: Style::new(), faint: Style::new() }
    }
}

/// What text is written on.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Its styles.
    pub paint: Painter,
    /// Its columns.
    pub width: usize,
    /// All frames of call sites.
    pub full_stacks: bool,
}

impl Screen {
    /// 80 columns without colours.
    pub fn plain() -> Self {
        Self { paint: Painter::plain(), width: WIDTH, full_stacks: false }
    }

    /// As wide as a terminal of `columns`, within reason.
    pub fn of_width(columns: Option<usize>, full_stacks: bool) -> Self {
        let width = columns.map_or(WIDTH, |columns| columns.clamp(NARROWEST, WIDEST));
        Self { paint: Painter::coloured(), width, full_stacks }
    }

    /// Writes a paragraph, its first line behind `lead` and the others below it.
    pub fn wrapped(&self, out: &mut impl Write, lead: &str, text: &str) -> fmt::Result {
        let indent = lead.chars().count();
        let mut column = indent;
        write!(out, "{lead}")?;
        for (at, word) in text.split_whitespace().enumerate() {
            let word = visible(word);
            let length = word.chars().count();
            if at > 0 && column + 1 + length > self.width {
                write!(out, "\n{:indent$}", "")?;
                column = indent;
            } else if at > 0 {
                write!(out, " ")?;
                column += 1;
            }
            write!(out, "{word}")?;
            column += length;
        }
        writeln!(out)
    }

    /// A heading, and what it is about.
    pub(super) fn heading(&self, out: &mut impl Write, title: &str, about: &str) -> fmt::Result {
        let faint = self.paint.faint;
        writeln!(out, "{}{faint}{about}{faint:#}", self.paint.strong(title))
    }

    /// A faint line.
    pub(super) fn faint(&self, out: &mut impl Write, line: &str) -> fmt::Result {
        let faint = self.paint.faint;
        writeln!(out, "{faint}{}{faint:#}", visible(line))
    }

    /// A paragraph of one style.
    pub(super) fn styled(&self, out: &mut impl Write, style: Style, lead: &str, text: &str) -> fmt::Result {
        write!(out, "{style}")?;
        self.wrapped(out, lead, text)?;
        write!(out, "{style:#}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_stay_within_the_width() {
        let mut text = String::new();
        let screen = Screen { width: 72, ..Screen::plain() };
        screen.wrapped(&mut text, "* ", &"word ".repeat(60)).unwrap();
        assert!(text.lines().count() > 3 && text.lines().all(|line| line.len() <= 72));
        assert!(text.lines().skip(1).all(|line| line.starts_with("  word")));
        assert_eq!(Screen::of_width(Some(400), false).width, WIDEST);
        text.clear();
        screen.wrapped(&mut text, "", "4 marks \"\u{1b}[31mred\"").unwrap();
        assert_eq!(text, "4 marks \"\u{fffd}[31mred\"\n", "what programs wrote colours nothing");
    }
}
