//! The picture: devices as bars, history, processes, kinds of regions.

use std::collections::VecDeque;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Modifier,
    text::{Line, Span},
    widgets::{Clear, Paragraph},
};
use ttmem_wire::Memory;

use super::{
    bars,
    state::{Sort, State},
    style::Style,
};
use crate::{
    DeviceMemory, DeviceView,
    analysis::{Alike, alike},
    report::{bytes, count, stack_line},
};

const HELP: &[&str] = &[
    "space      freeze the picture          q        quit",
    "s          sort the processes          m        memory of the graph",
    "/          show what has this text     Esc      show all again",
    "up, down   go to a process             Enter    look at it alone",
    "g          one row a device            PgUp/Dn  more devices",
    "The mouse: a click looks at a process alone, the wheel scrolls.",
    "",
    "L1: program memory from the left, buffers from the right, to one",
    "scale, per bank. A full bar is the capacity, of which a share is in",
    "use (%); before an allocator was seen, the peak of any device.",
    "~ not all events are in this sum: another reader took them before,",
    "or some were lost. `ttmem report` and the other reader have more.",
];

/// Rows that the graph needs.
const GRAPH: u16 = 5;

pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State) {
    let area = frame.area();
    if area.width < 20 || area.height < 4 {
        frame.render_widget(Paragraph::new("ttmem top: a larger terminal, please"), area);
        return;
    }
    let devices = rows_of_devices(state);
    let wanted = devices.len() as u16 + 1;
    let graph = if area.height >= 22 { GRAPH } else { 0 };
    let most = (area.height - 2 - graph) * 45 / 100;
    let [head, bars, history, processes, kinds, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(wanted.min(most.max(2))),
        Constraint::Length(graph),
        Constraint::Length((state.processes().len() as u16 + 1).clamp(2, 2 + area.height / 4)),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    draw_head(frame, state, head);
    draw_devices(frame, state, bars, devices);
    if graph > 0 {
        draw_history(frame, state, history);
    }
    draw_processes(frame, state, processes);
    draw_kinds(frame, state, kinds);
    draw_foot(frame, state, foot);
    if state.has_help {
        draw_help(frame, state.style, area);
    }
}

fn draw_head(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let style = state.style;
    let processes = state.view.processes.len() as u64;
    let devices = state.view.devices.len() as u64;
    let mut spans = vec![
        Span::styled("ttmem top", style.title()),
        Span::raw(format!(
            "  {} {}, {} {}",
            count(processes),
            crate::report::noun(processes, "process", "processes"),
            count(devices),
            crate::report::noun(devices, "device", "devices")
        )),
    ];
    for memory in [Memory::Dram, Memory::L1] {
        spans.push(Span::raw("  "));
        spans.push(Span::styled(memory.to_string(), style.memory(memory)));
        spans.push(Span::raw(format!(" {}", bytes(state.view.live_bytes(memory)))));
    }
    if state.is_frozen {
        spans.push(Span::styled("  FROZEN", style.warning()));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

/// Ids of devices that are drawn alike, and the first of them.
fn rows_of_devices(state: &State) -> Vec<Alike<DeviceView>> {
    let is_shown = |device: &&DeviceView| state.only.is_none_or(|pid| device.pids.contains(&pid));
    let shown = state.view.devices.iter().filter(is_shown).cloned();
    let alone = |device: &DeviceView| (!state.is_grouped).then_some(device.device_id);
    alike(shown, |device| device.device_id, |device| (device.memory.clone(), device.is_exact, alone(device)))
}

fn draw_devices(frame: &mut Frame<'_>, state: &mut State, area: Rect, rows: Vec<Alike<DeviceView>>) {
    let room = usize::from(area.height.saturating_sub(1));
    state.first_device = state.first_device.min(rows.len().saturating_sub(room));
    state.device_rows = area;
    let style = state.style;
    let hidden = rows.len().saturating_sub(room);
    let title = if hidden > 0 { format!("DEVICES  {} of {} rows", room, rows.len()) } else { "DEVICES".to_owned() };
    let wide = usize::from(area.width);
    // Over the figures at the end of a row.
    let row = Room::new(wide);
    let before_free = 10 + 5 + row.bar + 10 + 5;
    let title = if row.has_free { format!("{title:<before_free$}{:>FREE$}", "free") } else { title };
    let free = if row.has_free { format!("{:>11}", "free") } else { String::new() };
    let figures = format!("{:>10} {:>10}{:>5}{free}", "CBs/core", "L1/bank", "");
    let gap = row.has_l1.then(|| wide.saturating_sub(title.len() + figures.len() + row.unused));
    let title = gap.map_or_else(|| title.clone(), |gap| format!("{title}{}{figures}", " ".repeat(gap)));
    let mut lines = vec![Line::styled(title, style.title())];
    lines.extend(
        rows.iter().skip(state.first_device).take(room).map(|row| device_line(state, &row.devices, &row.first, wide)),
    );
    if rows.is_empty() {
        lines.push(Line::styled("no process that runs has reported an event", style.faint()));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// Name, label and figures of DRAM; then of L1; then what is free of both.
const FIGURES: [usize; 3] = [10 + 5 + 10 + 5 + 1, 3 + 21 + 5, 2 * FREE];

/// Bytes that are free, and a space.
const FREE: usize = 11;

/// What a row has room for.
struct Room {
    /// Cells of each bar.
    bar: usize,
    has_l1: bool,
    has_free: bool,
    /// What two bars of one length leave at the end of a row.
    unused: usize,
}

impl Room {
    fn new(wide: usize) -> Self {
        let (has_l1, has_free) = (wide >= 68, wide >= 100);
        let figures = FIGURES[0] + if has_l1 { FIGURES[1] } else { 0 } + if has_free { FIGURES[2] } else { 0 };
        let (rest, bars) = (wide.saturating_sub(figures), if has_l1 { 2 } else { 1 });
        Self { bar: rest / bars, has_l1, has_free, unused: rest % bars }
    }

    /// How much of a capacity is used, and what is free of it.
    fn share(&self, used: u64, capacity: Option<u64>, free: Option<u64>) -> String {
        let free = if self.has_free { free.map_or_else(String::new, bars::size) } else { String::new() };
        let wide = if self.has_free { FREE } else { 0 };
        format!("{}{free:>wide$}", bars::percent(used, capacity))
    }
}

/// "0-7   DRAM ####....   1.5 GiB  38%  2.5 GiB  L1 %%%...###  123.8 KiB  64.0 KiB  12%  1.2 MiB".
fn device_line(state: &State, ids: &[i32], device: &DeviceView, wide: usize) -> Line<'static> {
    let style = state.style;
    let name = crate::report::plain_name(ids);
    let name = name.trim_start_matches("devices ").trim_start_matches("device ");
    let mark = if device.is_exact { " " } else { "~" };
    let of = |memory: Memory| device.memory.iter().find(|one| one.memory == memory);
    let mut spans = vec![Span::raw(format!("{mark}{:<8} ", style.ellipsis(name, 8)))];
    let room = Room::new(wide);
    let seen = |memory: Memory| state.seen.get(&memory).copied().unwrap_or(0);
    let empty = DeviceMemory {
        memory: Memory::Dram,
        live_bytes: 0,
        live_buffers: 0,
        live_bytes_per_bank: Some(0),
        peak_bytes: 0,
        capacity_per_bank: None,
        capacity_bytes: None,
        free_bytes: None,
    };
    let dram = of(Memory::Dram).copied().unwrap_or(empty);
    let (used, all) = bars::fill(&dram, seen(Memory::Dram));
    spans.push(Span::styled("DRAM ", style.memory(Memory::Dram)));
    spans.extend(bars::bar(style, Memory::Dram, used, all, room.bar));
    let capacity = dram.capacity_per_bank.filter(|_| dram.live_bytes_per_bank.is_some());
    spans.push(Span::raw(bars::size(dram.live_bytes) + &room.share(used, capacity, dram.free_bytes) + " "));
    if room.has_l1 {
        let l1 = of(Memory::L1).copied().unwrap_or(empty);
        let programs = device.program_bytes;
        let buffers = l1.live_bytes_per_bank.unwrap_or(l1.live_bytes);
        let all = l1.capacity_per_bank.unwrap_or(bars::L1_OF_A_CORE).max(programs.saturating_add(buffers));
        spans.push(Span::styled("L1 ", style.memory(Memory::L1)));
        spans.extend(bars::l1_bar(style, programs, buffers, all, room.bar));
        spans.push(Span::styled(bars::size(programs), style.memory(Memory::CircularBuffer)));
        let used = programs.saturating_add(buffers);
        let free = l1.capacity_per_bank.map(|capacity| capacity.saturating_sub(used));
        spans.push(Span::raw(format!(" {}{}", bars::size(buffers), room.share(used, l1.capacity_per_bank, free))));
    }
    Line::from(spans)
}

fn draw_history(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let style = state.style;
    let empty = VecDeque::new();
    let history: Vec<u64> = state.history.get(&state.memory).unwrap_or(&empty).iter().copied().collect();
    let wide = usize::from(area.width);
    let shown = &history[history.len().saturating_sub(wide)..];
    let most = shown.iter().copied().max().unwrap_or(0);
    let title = format!("HISTORY of {}, all devices: {:.0} s, peak {}", state.memory, wide as f64 / 10.0, bytes(most));
    let mut lines = vec![Line::styled(style.ellipsis(&title, wide), style.title())];
    let columns = bars::columns(style, shown, wide, usize::from(area.height.saturating_sub(1)));
    lines.extend(columns.into_iter().map(|row| Line::styled(row, style.memory(state.memory))));
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_processes(frame: &mut Frame<'_>, state: &mut State, area: Rect) {
    let style = state.style;
    let room = usize::from(area.height.saturating_sub(1));
    if state.cursor < state.first_process {
        state.first_process = state.cursor;
    }
    if state.cursor >= state.first_process + room.max(1) {
        state.first_process = state.cursor + 1 - room.max(1);
    }
    state.first_process = state.first_process.min(state.processes().len().saturating_sub(room));
    state.process_rows = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let arrow = |sort: Sort, name: &str| if state.sort == sort { format!("{name}*") } else { name.to_owned() };
    let head = format!(
        "{:>8} {:>4} {:>12} {:>12} {:<7} {}",
        arrow(Sort::Pid, "PID"),
        "RANK",
        arrow(Sort::Memory, "LIVE"),
        arrow(Sort::Events, "EVENTS"),
        "DEVICES",
        arrow(Sort::Command, "COMMAND")
    );
    let wide = usize::from(area.width);
    let mut lines = vec![Line::styled(head, style.title())];
    for (at, process) in state.processes().into_iter().enumerate().skip(state.first_process).take(room) {
        let rank = process.rank.map(|rank| rank.to_string()).unwrap_or_default();
        let live = format!("{}{}", if process.is_exact { "" } else { "~" }, bytes(process.live_bytes));
        let ids = crate::report::plain_name(&process.devices);
        let ids = ids.trim_start_matches("devices ").trim_start_matches("device ");
        let command = style.ellipsis(&process.command, wide.saturating_sub(48).max(8));
        let row = format!(
            "{:>8} {rank:>4} {live:>12} {:>12} {:<7} {command}",
            process.pid,
            count(process.events),
            style.ellipsis(ids, 7)
        );
        let mut line = Line::raw(format!("{row:<wide$}"));
        if state.only == Some(process.pid) {
            line = line.style(style.title().add_modifier(Modifier::UNDERLINED));
        }
        if at == state.cursor {
            line = line.patch_style(style.chosen());
        }
        lines.push(line);
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_kinds(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let style = state.style;
    let title = match state.only {
        Some(pid) => format!("LIVE ALLOCATIONS of pid {pid}, most bytes first"),
        None => "LIVE ALLOCATIONS, most bytes first".to_owned(),
    };
    let mut lines = vec![Line::styled(title, style.title())];
    let fits = |kind: &&crate::KindView| state.only.is_none_or(|pid| kind.pid == pid);
    let wide = usize::from(area.width);
    for kind in state.view.kinds.iter().filter(fits).take(usize::from(area.height.saturating_sub(1))) {
        let what = format!(
            "{} {:>9} x {} {:<8} pid {}  ",
            bars::size(kind.bytes),
            count(kind.allocations),
            bars::size(kind.size),
            kind.memory.to_string(),
            kind.pid
        );
        let place = style.ellipsis(&stack_line(&kind.site), wide.saturating_sub(what.len()));
        lines.push(Line::raw(style.ellipsis(&format!("{what}{place}"), wide)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_foot(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let style = state.style;
    let line = if state.is_typing || !state.filter.is_empty() {
        let end = if state.is_typing { "_" } else { "   (Esc: all)" };
        Line::raw(format!("/{}{end}", state.filter))
    } else if let Some(why) = state.view.processes.iter().find_map(|process| Some((process.pid, process.why.as_ref()?)))
    {
        Line::styled(style.ellipsis(&format!("~ pid {}: {}", why.0, why.1), usize::from(area.width)), style.warning())
    } else {
        Line::styled("? help  q quit  space freeze  s sort  m memory  g devices  / filter", style.faint())
    };
    frame.render_widget(Paragraph::new(line), area);
}

fn draw_help(frame: &mut Frame<'_>, style: Style, area: Rect) {
    let (wide, tall) = (68.min(area.width), (HELP.len() as u16 + 2).min(area.height));
    let place = Rect { x: (area.width - wide) / 2, y: (area.height - tall) / 2, width: wide, height: tall };
    let mut lines = vec![Line::styled("HELP: any key closes it", style.title())];
    lines.extend(HELP.iter().map(|&line| Line::raw(line)));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines), place);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ratatui::{Terminal, backend::TestBackend};
    use ttmem_ledger::Totals;

    use super::*;
    use crate::{CallSite, Frame, KindView, ProcessView, View};

    /// Four devices, of which one has circular buffers; two processes, one of which was met late.
    fn view() -> View {
        let process = |pid, is_exact, live_bytes| ProcessView {
            pid,
            command: format!("python model.py --rank {pid}"),
            rank: (pid == 7).then_some(1),
            events: 123_456,
            lost: 0,
            is_exact,
            why: (!is_exact).then(|| "another reader took 5 of its events".to_owned()),
            live_bytes,
            devices: vec![0, 1, 2, 3],
            books: vec![(0, Memory::Dram, Totals::default())],
            headroom: Vec::new(),
        };
        let memory = |memory, live_bytes, a_bank, capacity_per_bank| DeviceMemory {
            memory,
            live_bytes,
            live_buffers: 2,
            live_bytes_per_bank: Some(a_bank),
            peak_bytes: live_bytes * 2,
            capacity_per_bank,
            capacity_bytes: capacity_per_bank.map(|one| one * 8),
            free_bytes: capacity_per_bank.map(|one| (one - a_bank) * 8),
        };
        let device = |device_id| DeviceView {
            device_id,
            memory: vec![
                memory(Memory::Dram, 12 << 20, 1 << 20, (device_id == 3).then_some(4 << 20)),
                memory(Memory::L1, 48 << 20, 768 << 10, (device_id == 3).then_some(1 << 20)),
                memory(Memory::CircularBuffer, if device_id == 0 { 384 << 10 } else { 0 }, 0, None),
            ],
            program_bytes: if device_id == 0 { 384 << 10 } else { 0 },
            pids: vec![7],
            is_exact: true,
        };
        let frames = ["tensor (model.py:12)", "forward (model.py:20)"].map(Frame::parse);
        let site = Arc::new(CallSite { op: Some("ttnn.empty".into()), frames: frames.into() });
        let kind = |size, allocations| KindView {
            pid: 7,
            memory: Memory::Dram,
            size,
            site: site.clone(),
            allocations,
            bytes: size * allocations,
        };
        View {
            schema: crate::view::SCHEMA,
            processes: vec![process(7, true, 240 << 20), process(8, false, 1 << 20)],
            devices: (0..4).map(device).collect(),
            kinds: vec![kind(6 << 20, 8), kind(4096, 3)],
        }
    }

    fn picture(style: Style, wide: u16, tall: u16, change: impl Fn(&mut State)) -> Vec<String> {
        let mut state = State::new(style);
        state.show(view());
        change(&mut state);
        let mut terminal = Terminal::new(TestBackend::new(wide, tall)).unwrap();
        terminal.draw(|frame| draw(frame, &mut state)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y: u16| (0..wide).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..tall).map(row).collect()
    }

    const PLAIN: Style = Style { has_colours: false, has_blocks: false };

    #[test]
    fn the_whole_picture() {
        let seen = picture(PLAIN, 100, 22, |_| {});
        let wanted = include_str!("picture.txt");
        assert_eq!(seen.join("\n"), wanted.trim_end_matches('\n'), "\n{}", seen.join("\n"));
    }

    #[test]
    fn no_size_is_too_small_and_no_row_too_long() {
        let blocks = Style { has_colours: true, has_blocks: true };
        for style in [PLAIN, blocks] {
            for wide in [1, 19, 20, 67, 68, 69, 80, 99, 100, 300] {
                for tall in [1, 3, 4, 5, 10, 21, 22, 23, 24, 90] {
                    for help in [false, true] {
                        picture(style, wide, tall, |state| state.has_help = help);
                    }
                }
            }
        }
    }
}
