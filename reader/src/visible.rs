//! Names that programs gave, where people and other programs see them. A name may hold anything: an escape sequence of the terminal, a
//! line's end that makes one line two, a control that turns the direction of what follows.

use std::{borrow::Cow, path::Path};

/// The text without characters that are not seen, and change how others are: an end of line is `\n`, a tab `\t`, another U+FFFD.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return text.into();
    }
    text.replace('\n', "\\n").replace('\t', "\\t").replace(is_hidden, "\u{fffd}").into()
}

/// A path as one line.
pub(crate) fn visible_path(path: &Path) -> String {
    visible(&path.display().to_string()).into_owned()
}

/// JSON with escapes in the place of these characters: serde writes those of ASCII so, and no others. Beyond ASCII they are in strings
/// alone.
pub(crate) fn visible_json(json: String) -> String {
    if !json.contains(is_hidden_beyond_ascii) {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden_beyond_ascii(c) {
            text += &format!("\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// Controls, ends of lines, and what changes the direction of text (UAX #9).
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

pub(crate) fn is_hidden_beyond_ascii(c: char) -> bool {
    // DEL too: JSON may hold it.
    c >= '\u{7f}' && is_hidden(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_shown_or_escaped() {
        assert_eq!(visible("a\u{1b}[31m\nb\u{202e}c\u{9b}"), "a\u{fffd}[31m\\nb\u{fffd}c\u{fffd}");
        assert!(matches!(visible("plain é 中"), Cow::Borrowed(_)));
        let name = "a\u{202e}\u{7f}\u{85}\u{2028}\"\\é";
        let json = visible_json(serde_json::to_string(name).unwrap());
        assert!(json.chars().all(|c| !is_hidden(c)) && json.contains("\\u202e"), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
    }
}
