//! A call site in a list: the op, the function and the first callers that matter; or all frames.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use super::Screen;
use crate::{
    report::words::{frame_texts, shorten},
    sites::{CallSite, Frame, tell_apart},
};

/// Frames of a stack line.
pub(super) const FRAMES: usize = 2;

/// Of the call sites of a list what each shows: those that would look alike show the callers in which they differ.
pub(super) fn apart<'a>(sites: impl IntoIterator<Item = &'a Arc<CallSite>>) -> Vec<Vec<&'a Frame>> {
    let sites: Vec<&CallSite> = sites.into_iter().map(|site| &**site).collect();
    tell_apart(&sites, FRAMES)
}

/// Writes it, `indent` columns from the left. Where it does not fit a line, each frame has its own: a path is to be copied.
pub(super) fn write(out: &mut impl Write, screen: &Screen, indent: usize, site: &CallSite) -> fmt::Result {
    write_frames(out, screen, indent, site, site.telling(FRAMES))
}

/// The same with these frames, unless all are wanted.
pub(super) fn write_frames(
    out: &mut impl Write,
    screen: &Screen,
    indent: usize,
    site: &CallSite,
    frames: Vec<&Frame>,
) -> fmt::Result {
    let frames: Vec<&Frame> = if screen.full_stacks { site.frames.iter().collect() } else { frames };
    let texts = frame_texts(site, &frames);
    let room = screen.width.saturating_sub(indent);
    let line = texts.join(" < ");
    if !screen.full_stacks && texts.len() > 1 && line.chars().count() <= room {
        return screen.faint(out, &format!("{:indent$}{line}", ""));
    }
    for text in &texts {
        let text = if screen.full_stacks { text.clone() } else { short(text, room) };
        screen.faint(out, &format!("{:indent$}{text}", ""))?;
    }
    Ok(())
}

/// A frame within `room`: of its path the end counts.
pub(super) fn short(frame: &str, room: usize) -> String {
    let too_long = frame.chars().count().saturating_sub(room);
    let Some((function, place)) = frame.split_once(" (").filter(|_| too_long > 0) else { return frame.to_owned() };
    let cut = place.char_indices().skip(too_long + 2).find(|(_, c)| *c == '/').map(|(at, _)| at);
    cut.map_or_else(|| shorten(frame, room), |at| format!("{function} (..{}", &place[at..]))
}
