//! What was opened: the L1 map of a device, or where allocations of one kind come from.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};
use ttmem_wire::Memory;

use super::{
    super::{
        bars,
        detail::{AllocationsDetail, Detail, DeviceDetail, Piece, Question},
        state::State,
        style::Style,
    },
    graph::duration,
};
use crate::report::{bytes, count, from_here, headroom, noun, plain_name, stack_line};

/// Addresses of a line.
const PLACES: usize = 4;

pub(in super::super) fn draw(frame: &mut Frame<'_>, state: &mut State, area: Rect) {
    let wide = usize::from(area.width);
    let style = state.style;
    let lines = match (&state.opened, state.detail.as_deref()) {
        (Some(Question::Device(_)), Some(Detail::Device(device))) => of_device(style, device, wide),
        (Some(question), Some(Detail::Allocations(found))) => of_allocations(state, question, found, wide),
        (Some(_), _) => vec![Line::raw("It is gone. Esc closes this.")],
        (None, _) => Vec::new(),
    };
    let room = usize::from(area.height);
    state.scrolled = state.scrolled.min(lines.len().saturating_sub(room));
    frame.render_widget(Paragraph::new(lines).scroll((state.scrolled as u16, 0)), area);
}

fn of_device(style: Style, device: &DeviceDetail, wide: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(format!("DEVICE {}   (Esc closes)", device.device), style.title())];
    let each =
        device.headroom.iter().map(|&one| Line::raw(style.ellipsis(&format!("free: {}", headroom(&[one])), wide)));
    lines.extend(each);
    let Some(core) = device.core else {
        lines.push(Line::raw("Nothing is known of its L1: no program was placed, and no allocator seen."));
        return lines;
    };
    lines.push(Line::default());
    let free = core.free_bytes.map_or_else(String::new, |free| format!(", {} free between them", bytes(free)));
    let buffers = core.buffer_bytes.map_or_else(|| "?".to_owned(), bytes);
    let title = format!(
        "L1 of core ({}, {}), the fullest: programs {}, buffers {buffers}{free}",
        core.x,
        core.y,
        bytes(core.program_bytes)
    );
    lines.push(Line::styled(style.ellipsis(&title, wide), style.title()));
    lines.push(map(style, device, wide));
    lines.push(Line::styled(format!("{:>10} {:>10} {:>10}  OF", "FROM", "TO", "BYTES"), style.title()));
    lines.extend(device.pieces.iter().map(|piece| of_piece(style, piece, wide)));
    lines
}

/// The core's addresses from left to right, to scale.
fn map(style: Style, device: &DeviceDetail, wide: usize) -> Line<'static> {
    let first = device.pieces.first().map_or(0, |piece| piece.address);
    let end = device.pieces.iter().map(|piece| piece.end).max().unwrap_or(0);
    let (first, end) = device.span.map_or((first, end), |span| (span.0.min(first), span.1.max(end)));
    let cell = |address: u64| {
        let cells = u128::from(address.saturating_sub(first)) * wide as u128 / u128::from((end - first).max(1));
        cells as usize
    };
    let mut cells: Vec<Option<Memory>> = vec![None; wide];
    for piece in device.pieces.iter().filter(|piece| piece.memory.is_some()) {
        let from = cell(piece.address).min(wide.saturating_sub(1));
        let to = cell(piece.end).clamp(from + 1, wide.max(from + 1));
        cells.iter_mut().take(to).skip(from).for_each(|one| *one = piece.memory);
    }
    let spans = cells.chunk_by(|one, other| one == other).map(|alike| match alike[0] {
        None => Span::styled(style.empty().repeat(alike.len()), style.faint()),
        Some(memory) if memory.is_of_programs() => {
            Span::styled(style.programs().repeat(alike.len()), style.memory(memory))
        }
        Some(memory) => Span::styled(style.full().repeat(alike.len()), style.memory(memory)),
    });
    Line::from(spans.collect::<Vec<_>>())
}

fn of_piece(style: Style, piece: &Piece, wide: usize) -> Line<'static> {
    let [from, to] = [piece.address, piece.end].map(|address| format!("{address:#x}"));
    let place = format!("{from:>10} {to:>10} {}  ", bars::size(piece.end - piece.address));
    match piece.memory {
        None => Line::styled(format!("{place}free"), style.faint()),
        Some(memory) => Line::from(vec![
            Span::raw(place.clone()),
            Span::styled(if memory.is_of_programs() { style.programs() } else { style.full() }, style.memory(memory)),
            Span::raw(format!(
                " {:<10}{}",
                memory.to_string(),
                style.ellipsis(&stack_line(&piece.site), wide.saturating_sub(place.len() + 12))
            )),
        ]),
    }
}

fn of_allocations(state: &State, question: &Question, found: &AllocationsDetail, wide: usize) -> Vec<Line<'static>> {
    let style = state.style;
    let Question::Allocations { pid, memory, size, site } = *question else { return Vec::new() };
    let all = count(found.allocations);
    let title = format!("{all} {} of pid {pid}   (Esc closes)", noun(found.allocations, "ALLOCATION", "ALLOCATIONS"));
    let mut lines = vec![Line::styled(title, style.title())];
    let mut say = |name: &str, text: &str| {
        lines.push(Line::raw(style.ellipsis(&format!("{name:<9} {text}"), wide)));
    };
    say("size", &format!("{} of {memory} each, {} in all", bytes(size), bytes(size.saturating_mul(found.allocations))));
    say("on", &plain_name(&found.devices));
    if let Some((oldest, newest)) = found.ages {
        let [oldest, newest] = [oldest, newest].map(|age| duration(std::time::Duration::from_secs(age)));
        let age = if found.allocations == 1 { oldest } else { format!("{newest} to {oldest}") };
        say("age", &age);
    }
    for (number, what) in [(found.shared, "with several owners"), (found.cached, "held by the program cache")] {
        if number > 0 {
            say("", &format!("{} {what}", count(number)));
        }
    }
    let is_it = |kind: &&crate::KindView| (kind.pid, kind.memory, kind.size, kind.site_id) == (pid, memory, size, site);
    if let Some(kind) = state.view.kinds.iter().find(is_it) {
        if let Some(tensor) = &kind.tensor {
            say("tensor", tensor);
        }
        if let Some(op) = &kind.site.op {
            say("op", op);
        }
        let frames: Vec<String> = kind.site.texts().iter().map(|frame| from_here(frame)).collect();
        if frames.is_empty() {
            say("stack", "not known");
        }
        frames.iter().enumerate().for_each(|(at, frame)| say(if at == 0 { "stack" } else { "" }, frame));
    }
    for (at, places) in found.places.chunks(PLACES).enumerate() {
        let places = places.iter().map(|(device, address)| format!("device {device} {address:#x}"));
        say(if at == 0 { "at" } else { "" }, &places.collect::<Vec<_>>().join(", "));
    }
    lines
}
