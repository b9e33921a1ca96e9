//! The first line and the last, the help, and what to start where nothing runs.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Clear, Paragraph},
};
use ttmem_wire::Memory;

use super::super::{bars, state::State, style::Style};
use crate::report::{bytes, count, noun};

const HELP: &[&str] = &[
    "q, F10         quit                  space, Z  freeze the picture",
    "up, down       move                  Tab       devices, processes,",
    "PgUp, PgDn     move further                    allocations",
    "Enter, click   open: a device's L1, a process's growth, an",
    "               allocation's stack and tensor; Esc closes it",
    "/, F3, F4      processes with this text, Esc shows all again",
    "s, F6          sort processes (M by memory, N by pid, I reversed)",
    "m              memory of the graph   + -       less time, or more",
    "g              devices that are alike share a row, or none do",
    "",
    "A full bar is the capacity; before an allocator was seen, the peak",
    "of any device. L1: program memory from the left, buffers from the",
    "right, in one bank; between them it is free.",
    "~ events are missing in this sum: another reader took them before,",
    "or they were lost. `ttmem report` has more.",
];

const START: &[&str] = &[
    "No process of this user reports device memory.",
    "",
    "Start a program, and it appears here:",
    "    ttmem run -- python model.py",
    "    ttmem record -o run.ttmem -- python model.py",
    "",
    "A program that runs already was started without ttmem: start it again.",
    "`ttmem doctor` says whether this machine is ready.",
];

pub(in super::super) fn draw_head(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let style = state.style;
    let [running, shown, devices] =
        [state.all.processes.len(), state.view.processes.len(), state.view.devices.len()].map(|number| number as u64);
    let part = if shown < running { format!("{} of ", count(shown)) } else { String::new() };
    let mut spans = vec![
        Span::styled("ttmem top", style.title()),
        Span::raw(format!(
            "  {part}{} {}, {} {}",
            count(running),
            noun(running, "process", "processes"),
            count(devices),
            noun(devices, "device", "devices")
        )),
    ];
    for memory in [Memory::Dram, Memory::L1] {
        let live = state.view.live_bytes(memory);
        let capacity = state.view.capacity(memory);
        spans.push(Span::styled(format!("  {memory}"), style.title()));
        spans.push(Span::raw(format!(" {}", bytes(live))));
        if let Some(all) = capacity.filter(|_| area.width >= 100) {
            spans.push(Span::raw(format!(" of {}", bytes(all))));
        }
        if capacity.is_some() {
            let share = bars::percent(live, capacity);
            spans.push(Span::styled(format!(" {}", share.trim()), style.fullness(live, capacity)));
        }
    }
    if state.frozen.is_some() {
        spans.push(Span::styled("  FROZEN", style.warning()));
    }
    if let Some(pid) = state.only {
        spans.push(Span::styled(format!("  pid {pid} alone"), style.title()));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

pub(in super::super) fn draw_foot(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let (style, wide) = (state.style, usize::from(area.width));
    let why = state.view.processes.iter().find_map(|process| Some((process.pid, process.why.as_ref()?)));
    let line = if state.is_typing || !state.filter.is_empty() {
        let end = if state.is_typing { "_" } else { "   (Esc: all)" };
        Line::raw(format!("/{}{end}", state.filter))
    } else if let Some((pid, why)) = why {
        Line::styled(style.ellipsis(&format!("~ pid {pid}: {why}"), wide), style.warning())
    } else if let Some(complaint) = state.complaints.first() {
        Line::styled(style.ellipsis(complaint, wide), style.warning())
    } else {
        let keys = "? help  q quit  Enter open  Esc back  / filter  space freeze  s sort  m memory";
        let more = if wide >= 110 { "  Tab panel  + - time  g devices" } else { "" };
        Line::styled(format!("{keys}{more}"), style.faint())
    };
    frame.render_widget(Paragraph::new(line), area);
}

pub(in super::super) fn draw_help(frame: &mut Frame<'_>, style: Style, area: Rect) {
    let (wide, tall) = (68.min(area.width), (HELP.len() as u16 + 2).min(area.height));
    let place = Rect { x: (area.width - wide) / 2, y: (area.height - tall) / 2, width: wide, height: tall };
    let mut lines = vec![Line::styled("HELP: any key closes it", style.title())];
    lines.extend(HELP.iter().map(|&line| Line::raw(line)));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines), place);
}

/// What to start, or why nothing is left.
pub(in super::super) fn draw_start(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let none_fits = format!("No process has \"{}\" in its command or pid. Esc shows all.", state.filter);
    let none_fits = [none_fits.as_str()];
    let lines: &[&str] = if state.all.processes.is_empty() { START } else { &none_fits };
    let widest = lines.iter().map(|line| line.len()).max().unwrap_or(0) as u16;
    let [wide, tall] = [widest.min(area.width), (lines.len() as u16).min(area.height)];
    let place =
        Rect { x: area.x + (area.width - wide) / 2, y: area.y + (area.height - tall) / 2, width: wide, height: tall };
    let room = usize::from(wide);
    let lines: Vec<Line<'_>> = lines.iter().map(|line| Line::raw(state.style.ellipsis(line, room))).collect();
    frame.render_widget(Paragraph::new(lines), place);
}
