//! Pictures on a terminal that is not there.

use std::{sync::Arc, time::Duration};

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind},
    style::{Color, Modifier},
};
use ttmem_ledger::L1Pressure;
use ttmem_wire::Memory;

use super::{
    detail::{AllocationsDetail, Detail, DeviceDetail, Piece, Question},
    draw::draw,
    example,
    state::{Panel, State},
    style::Style,
};
use crate::{
    CallSite, View,
    analysis::{Course, Growth, Loop, ProcessAnalysis},
};

const PLAIN: Style = Style { has_colours: false, has_blocks: false };
const COLOURED: Style = Style { has_colours: true, has_blocks: true };

/// The screen of a terminal, and what it shows.
struct Shown {
    state: State,
    terminal: Terminal<TestBackend>,
}

impl Shown {
    fn new(style: Style, (wide, tall): (u16, u16), view: View) -> Self {
        let mut state = State::new(style, None);
        state.show(view, Duration::ZERO);
        let mut shown = Self { state, terminal: Terminal::new(TestBackend::new(wide, tall)).unwrap() };
        shown.draw();
        shown
    }

    fn draw(&mut self) -> Vec<String> {
        self.terminal.draw(|frame| draw(frame, &mut self.state)).unwrap();
        let buffer = self.terminal.backend().buffer();
        let area = buffer.area;
        let row = |y: u16| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..area.height).map(row).collect()
    }

    fn text(&mut self) -> String {
        self.draw().join("\n")
    }

    fn press(&mut self, keys: &[KeyCode]) -> String {
        for &key in keys {
            self.state.handle(&Event::Key(KeyEvent::new(key, KeyModifiers::NONE)));
        }
        self.text()
    }

    fn type_in(&mut self, text: &str) -> String {
        self.press(&text.chars().map(KeyCode::Char).collect::<Vec<_>>())
    }

    fn click(&mut self, what: &str) -> String {
        let rows = self.draw();
        let row =
            rows.iter().position(|row| row.contains(what)).unwrap_or_else(|| panic!("{what}\n{}", rows.join("\n")));
        let kind = MouseEventKind::Down(MouseButton::Left);
        let mouse = MouseEvent { kind, column: 3, row: row as u16, modifiers: KeyModifiers::NONE };
        self.state.handle(&Event::Mouse(mouse));
        self.text()
    }
}

#[test]
fn the_whole_picture() {
    let seen = Shown::new(PLAIN, (100, 22), example::two_processes()).text();
    assert_eq!(seen, include_str!("picture.txt").trim_end_matches('\n'), "\n{seen}");
}

#[test]
fn no_size_is_too_small_and_no_row_too_long() {
    for style in [PLAIN, COLOURED] {
        for view in
            [example::two_processes(), example::many_devices(32), View::of(vec![], [].into(), Default::default())]
        {
            for wide in [1, 19, 20, 68, 80, 99, 100, 120, 200, 300] {
                for tall in [1, 3, 4, 5, 10, 22, 24, 90] {
                    let mut shown = Shown::new(style, (wide, tall), view.clone());
                    shown.press(&[KeyCode::Char('?')]);
                    shown.press(&[KeyCode::Esc, KeyCode::Tab, KeyCode::End, KeyCode::Enter, KeyCode::PageDown]);
                }
            }
        }
    }
}

#[test]
fn a_large_window_has_every_device_and_no_blank_half() {
    let mut shown = Shown::new(PLAIN, (200, 50), example::many_devices(32));
    for tick in 0..400 {
        shown.state.show(example::many_devices(32), Duration::from_millis(100 * tick));
    }
    let rows = shown.draw();
    let text = rows.join("\n");
    for id in 0..32 {
        assert!(text.contains(&format!(" {id:<8} DRAM")), "device {id}\n{text}");
    }
    assert!(text.contains("HISTORY of DRAM") && text.contains("HISTORY of L1"), "{text}");
    let blank = rows.iter().filter(|row| row.is_empty()).count();
    assert!(blank <= 2, "{blank} blank rows\n{text}");
    let right = rows.iter().filter(|row| row.len() > 100).count();
    assert!(right >= 25, "only {right} rows reach beyond the middle\n{text}");
    // In a small one those that are alike share a row, and the rest are scrolled to.
    let text = Shown::new(PLAIN, (80, 24), example::many_devices(32)).text();
    assert!(text.contains("of 32 rows"), "{text}");
}

#[test]
fn a_filter_and_one_process_alone_hold_for_everything() {
    let mut shown = Shown::new(PLAIN, (100, 24), example::two_processes());
    let all = shown.text();
    assert!(all.contains("2 processes, 4 devices  DRAM 49.0 MiB") && all.contains("peak 49.0 MiB"), "{all}");
    let eighth = |text: &str| {
        assert!(text.contains("1 of 2 processes, 1 device  DRAM 1.0 MiB"), "{text}");
        assert!(text.contains("peak 1.0 MiB") && !text.contains(" 1        DRAM"), "{text}");
        assert!(text.contains("1.0 MiB         1 x    1.0 MiB DRAM") && !text.contains("6.0 MiB DRAM"), "{text}");
    };
    shown.type_in("/rank 8");
    eighth(&shown.press(&[KeyCode::Enter]));
    assert_eq!(shown.press(&[KeyCode::Esc]), all);
    eighth(&shown.press(&[KeyCode::Down, KeyCode::Enter]));
    assert!(shown.text().contains("HISTORY of DRAM, pid 8") && shown.text().contains("pid 8 alone"));
    assert_eq!(shown.state.question(), Some(Question::Process(8)));
    shown.press(&[KeyCode::Esc]);
    let text = shown.type_in("/nothing");
    assert!(text.contains("No process has \"nothing\"") && text.contains("0 of 2 processes"), "{text}");
}

#[test]
fn an_empty_screen_says_what_to_start() {
    let text = Shown::new(PLAIN, (80, 24), View::of(vec![], [].into(), Default::default())).text();
    assert!(text.contains("ttmem run -- python model.py") && text.contains("0 processes, 0 devices"), "{text}");
}

#[test]
fn enter_opens_what_has_the_cursor_and_escape_closes_it() {
    let mut shown = Shown::new(PLAIN, (100, 30), example::two_processes());
    shown.press(&[KeyCode::Tab, KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
    let question = Question::Allocations { pid: 7, memory: Memory::Dram, size: 4096, site: 3 };
    assert_eq!(shown.state.question(), Some(question));
    let found = AllocationsDetail {
        allocations: 3,
        devices: vec![0, 1, 2],
        shared: 1,
        ages: Some((4000, 5)),
        places: vec![(0, 0x1000), (1, 0x1000), (2, 0x1000)],
        ..AllocationsDetail::default()
    };
    shown.state.detail = Some(Arc::new(Detail::Allocations(found)));
    let text = shown.text();
    for line in [
        "3 ALLOCATIONS of pid 7   (Esc closes)",
        "size      4.0 KiB of DRAM each, 12.0 KiB in all",
        "on        devices 0-2",
        "age       5 s to 66 min",
        "          1 with several owners",
        "tensor    bf16 [1, 1, 32, 32] TILE, interleaved",
        "op        ttnn.empty",
        "stack     tensor (model.py:12)",
        "          forward (model.py:20)",
        "at        device 0 0x1000, device 1 0x1000, device 2 0x1000",
    ] {
        assert!(text.lines().any(|row| row == line), "{line}\n{text}");
    }
    assert!(!text.contains("HISTORY"), "it takes the place of what is below the devices\n{text}");
    assert!(shown.press(&[KeyCode::Esc]).contains("HISTORY"));
    shown.press(&[KeyCode::Tab, KeyCode::Enter]);
    assert_eq!(shown.state.question(), Some(Question::Device(0)));
    assert!(shown.press(&[KeyCode::Enter]).contains("HISTORY"));
    assert_eq!(shown.state.question(), None);
}

#[test]
fn a_device_has_its_l1_as_a_map() {
    let mut shown = Shown::new(PLAIN, (100, 30), example::two_processes());
    shown.click(" 2        DRAM");
    assert_eq!((shown.state.question(), shown.state.focus), (Some(Question::Device(2)), Panel::Devices));
    let piece = |address, end, memory| Piece { address, end, memory, site: Arc::<CallSite>::default() };
    let core = L1Pressure {
        capacity_per_bank: Some(1000),
        x: 4,
        y: 2,
        program_bytes: 250,
        persistent_bytes: 0,
        buffer_bytes: Some(250),
        free_bytes: Some(500),
        site: 0,
    };
    let device = DeviceDetail {
        device: 2,
        core: Some(core),
        pieces: vec![
            piece(0, 250, Some(Memory::CircularBuffer)),
            piece(250, 750, None),
            piece(750, 1000, Some(Memory::L1)),
        ],
        span: Some((0, 1000)),
        ..DeviceDetail::default()
    };
    shown.state.detail = Some(Arc::new(Detail::Device(device)));
    let text = shown.text();
    assert!(text.contains("L1 of core (4, 2), the fullest: programs 250 B, buffers 250 B, 500 B free between them"));
    let map = format!("{}{}{}", "%".repeat(25), ".".repeat(50), "#".repeat(25));
    assert!(text.lines().any(|row| row == map), "{text}");
    assert!(text.contains("      0xfa      0x2ee      500 B  free"), "{text}");
    shown.state.detail = None;
    assert!(shown.text().contains("It is gone."));
}

#[test]
fn a_process_alone_has_its_verdict_and_what_grows() {
    let mut shown = Shown::new(PLAIN, (100, 30), example::two_processes());
    shown.press(&[KeyCode::Enter]);
    let growth = vec![Growth::example(Loop::Marks("step #".into()), Course::Grows)];
    let mut process = ProcessAnalysis::example(Vec::new(), growth);
    process.pid = 7;
    shown.state.detail = Some(Arc::new(Detail::Process(Box::new(process))));
    let text = shown.text();
    assert!(text.contains("40 marks \"step #\"") && text.contains("LIVE ALLOCATIONS of pid 7"), "{text}");
}

#[test]
fn colours_can_be_read_on_black_and_on_white() {
    let shown = Shown::new(COLOURED, (120, 40), example::two_processes());
    let cells = &shown.terminal.backend().buffer().content;
    let used = |colour: Color| cells.iter().any(|cell| cell.fg == colour);
    for colour in [Color::Cyan, Color::Green, Color::Magenta] {
        assert!(used(colour), "{colour}");
    }
    for colour in [Color::Blue, Color::Yellow, Color::DarkGray, Color::White, Color::Black] {
        assert!(!used(colour), "{colour}");
    }
    // Text has the terminal's own colour, warnings apart.
    let letters = cells.iter().filter(|cell| cell.symbol().chars().all(char::is_alphanumeric));
    assert!(
        letters.clone().count() > 500 && letters.into_iter().all(|cell| [Color::Reset, Color::Red].contains(&cell.fg))
    );
    assert!(cells.iter().all(|cell| cell.bg == Color::Reset));
    let plain = Shown::new(PLAIN, (120, 40), example::two_processes());
    assert!(plain.terminal.backend().buffer().content.iter().all(|cell| cell.fg == Color::Reset));
}

#[test]
fn what_is_nearly_full_stands_out_without_colours_too() {
    let mut view = example::two_processes();
    view.capacities.insert((3, Memory::Dram), ((12 << 20) / 8 + 1, Some(8)));
    let view = View::of(view.processes, view.kinds, view.capacities);
    let shown = Shown::new(PLAIN, (100, 24), view);
    let cells = &shown.terminal.backend().buffer().content;
    let bold = cells
        .chunks(100)
        .filter(|row| row[1].symbol() == "3")
        .flatten()
        .filter(|cell| cell.modifier.contains(Modifier::BOLD));
    assert_eq!(bold.map(|cell| cell.symbol()).collect::<String>().trim(), "99%");
}

#[test]
fn a_frozen_picture_stays_and_its_time_is_not_lost() {
    let mut shown = Shown::new(PLAIN, (100, 24), example::one_process(7, 1 << 20));
    shown.type_in(" ");
    let frozen = shown.text();
    assert!(frozen.contains("FROZEN"));
    shown.state.show(example::one_process(7, 9 << 20), Duration::from_secs(1));
    shown.state.show(example::one_process(7, 1 << 20), Duration::from_secs(2));
    assert_eq!(shown.text(), frozen);
    let text = shown.type_in(" ");
    assert!(text.contains("peak 9.0 MiB"), "{text}");
}
