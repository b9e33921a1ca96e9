//! A call site in a few words.

use crate::sites::{CallSite, Frame};

use super::units::from_here;

/// "ttnn.empty at attention (server.py:39)", as far as it is known.
pub(crate) fn made_by(site: &CallSite) -> Option<String> {
    let frame = site.telling(1).first().map(|frame| from_here(&frame.to_string()));
    let caller =
        caller(site).map_or_else(String::new, |caller| format!(", called by {}", from_here(&caller.to_string())));
    match (&site.op, frame) {
        (Some(op), Some(frame)) => Some(format!("{op} at {frame}{caller}")),
        (Some(op), None) => Some(op.to_string()),
        (None, Some(frame)) => Some(format!("{frame}{caller}")),
        (None, None) => None,
    }
}

/// "ttnn.empty: tensor (server.py:20) < attention (server.py:39)", as far as it is known.
pub(crate) fn stack_line(site: &CallSite) -> String {
    frame_texts(site, &site.telling(2)).join(" < ")
}

/// The frames as text, the op in front of the first.
pub(crate) fn frame_texts(site: &CallSite, frames: &[&Frame]) -> Vec<String> {
    let mut texts: Vec<String> = frames.iter().map(|frame| from_here(&frame.to_string())).collect();
    if let Some(op) = &site.op {
        match texts.first_mut() {
            Some(first) => *first = format!("{op}: {first}"),
            None => texts.push(op.to_string()),
        }
    }
    texts
}

/// The caller, where it is a line of another function that says more than the first.
fn caller(site: &CallSite) -> Option<&Frame> {
    site.telling(2).get(1).copied()
}

/// "asked by ttnn.matmul at model.py:41", as far as it is known, behind a comma.
pub(crate) fn asked(site: &CallSite) -> String {
    let by = site.op.as_ref().map_or_else(String::new, |op| format!(" by {op}"));
    let at = site.telling(1).first().map(|frame| from_here(&frame.to_string()));
    let at = at.as_deref().and_then(short).map_or_else(String::new, |at| format!(" at {at}"));
    if by.is_empty() && at.is_empty() { String::new() } else { format!(", asked{by}{at}") }
}

/// File and line of a frame, without the folders.
pub(crate) fn short(frame: &str) -> Option<&str> {
    let (_, place) = frame.strip_suffix(')')?.split_once(" (")?;
    let place = place.rsplit_once(", ").map_or(place, |(_, source)| source);
    let place = place.rsplit_once('/').map_or(place, |(_, file)| file);
    place.rsplit_once(':').is_some_and(|(_, line)| line.bytes().all(|byte| byte.is_ascii_digit())).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn places_have_no_folders() {
        assert_eq!(short("f (/a/b/model.py:41)"), Some("model.py:41"));
        assert_eq!(short("app::f (app+0x10, /a/b.cpp:7)"), Some("b.cpp:7"));
        assert_eq!(short("app::f (app+0x10)"), None);
        assert_eq!(short("app+0x10"), None);
    }
}
