//! JSON that lies in a page.

use std::io;

use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

use crate::visible::is_hidden_beyond_ascii;

/// JSON in which nothing can end the element that it lies in, or begin another, and in which nothing is hidden.
pub(super) fn for_page(value: &impl Serialize) -> String {
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut text, ForPage));
    String::from_utf8(text).unwrap_or_default()
}

struct ForPage;

impl Formatter for ForPage {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| is_markup(c) || is_hidden_beyond_ascii(c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            write!(writer, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

fn is_markup(c: char) -> bool {
    matches!(c, '<' | '>' | '&')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visible::visible_json;

    #[test]
    fn it_is_the_same_json_without_markup() {
        let text = "a</script>&amp;\u{202e}\u{7f}\u{85}\"\\\n é 中 \u{feff}<";
        let plain = visible_json(serde_json::to_string(text).unwrap());
        let json = for_page(&text);
        assert!(!json.contains(['<', '>', '&']));
        assert_eq!(json, plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
