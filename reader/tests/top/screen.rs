//! A real terminal, and `ttmem top` in it.

use std::{
    io::{Read, Write},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::common::Folder;

pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// `ttmem top` in a terminal of its own.
pub(crate) struct Screen {
    pub(crate) child: Box<dyn Child + Send + Sync>,
    pub(crate) master: Box<dyn MasterPty + Send>,
    input: Box<dyn Write + Send>,
    parser: Arc<Mutex<vt100::Parser>>,
    /// Everything that was written to the terminal.
    pub(crate) raw: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    pub(crate) fn new(folder: &Folder, size: (u16, u16), variables: &[(&str, &str)]) -> Self {
        Self::started(folder, size, variables, "exec \"$0\" top")
    }

    /// By a shell's command, in which `$0` is ttmem.
    pub(crate) fn started(folder: &Folder, size: (u16, u16), variables: &[(&str, &str)], start: &str) -> Self {
        let (rows, cols) = size;
        let pair = native_pty_system().openpty(PtySize { rows, cols, ..PtySize::default() }).unwrap();
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", start, env!("CARGO_BIN_EXE_ttmem")]);
        command.env("TTMEM_DIR", folder.0.join("rings"));
        command.env_remove("NO_COLOR");
        command.env("TERM", "xterm");
        command.env("LC_ALL", "C.UTF-8");
        variables.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(rows.try_into().unwrap(), cols.try_into().unwrap(), 0)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let mut output = pair.master.try_clone_reader().unwrap();
        let (seen, kept) = (Arc::clone(&parser), Arc::clone(&raw));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                seen.lock().unwrap().process(&bytes[..count]);
                kept.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        let input = pair.master.take_writer().unwrap();
        Self { child, master: pair.master, input, parser, raw }
    }

    pub(crate) fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// Waits until the screen is as it should be, and all of it is drawn: two looks see the same. Returns it.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let (since, mut last) = (Instant::now(), String::new());
        loop {
            let text = self.text();
            if is_so(&text) && text == last {
                return text;
            }
            assert!(since.elapsed() < LIMIT, "{what}; the screen:\n{text}");
            last = text;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    /// Waits for its end; the terminal must be as it was before.
    pub(crate) fn end(mut self) -> u32 {
        let since = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.exit_code();
            }
            assert!(since.elapsed() < LIMIT, "still there:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        };
        std::thread::sleep(Duration::from_millis(100));
        let parser = self.parser.lock().unwrap();
        let screen = parser.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        code
    }
}
