//! A call site as types: its frames, and which of them one line for it shows.

use std::{fmt, sync::Arc};

use ttmem_recording::{NativeFrame, PythonFrame, Site};

use super::{
    SiteStyle, Symbols,
    names::short_name,
    origin::{Origin, is_importing, is_ttnn, module_name},
};

/// Where in the program memory is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CallSite {
    /// The operation of ttnn, as users write it.
    pub op: Option<Arc<str>>,
    /// All frames, innermost first: native ones, then Python's.
    pub frames: Arc<[Frame]>,
}

/// A function that stands on the stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Its name; empty where it is not known. Native functions below Python are looked up for full stacks only.
    pub function: Arc<str>,
    /// Its source file; of a native function whose source is not known, its library or program.
    pub file: Arc<str>,
    /// The line that it was at.
    pub line: Option<u32>,
    /// Of a native function, where it returns to in its library or program.
    pub address: Option<u64>,
    /// Of a native function, its library or program; else empty.
    pub module: Arc<str>,
    /// Whose code it is.
    pub origin: Origin,
}

/// Frames of the user's own code that a line for a stack shows, where there are as many.
const USERS: usize = 2;
/// A stack with so many native frames that are not tt-metal's, or so many in all, may have been cut.
const MOST: (usize, usize) = (16, 64);

impl CallSite {
    pub(super) fn new(site: &Site, op: Option<String>, style: SiteStyle, symbols: &mut Symbols) -> Self {
        let are_native_named = style.full || site.python.is_empty();
        let native = site.native.iter().filter(|frame| !module_name(frame).starts_with("libttmem."));
        let native = native.map(|frame| {
            let mut frame = frame.clone();
            if are_native_named {
                symbols.name(&mut frame);
            }
            Frame::native(&frame, style.raw_names)
        });
        let python = site.python.iter().map(Frame::python);
        Self { op: op.map(Arc::from), frames: native.chain(python).collect() }
    }

    /// The user's frames, innermost first, those of libraries with them; without the wrappers in front. The key `site` of
    /// reports.
    pub fn users(&self) -> impl Iterator<Item = &Frame> {
        let first_python = self.frames.iter().position(|frame| !frame.is_native()).unwrap_or(self.frames.len());
        let (native, python) = self.frames.split_at(first_python);
        let frames = if python.is_empty() { users_native(native) } else { users_python(python) };
        let is_alone = python.len() <= 1;
        frames.iter().filter(move |frame| is_alone || !frame.is_importing())
    }

    /// What one line for the stack shows: from the first frame that is not folded, `most` frames, and at least two of the
    /// user's own code where there are.
    pub fn telling(&self, most: usize) -> Vec<&Frame> {
        let chain = self.chain();
        telling(&chain, most).into_iter().map(|at| chain[at]).collect()
    }

    /// The user's frames as text.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.users().map(Frame::to_string).collect()
    }

    /// The frames that are not folded, innermost first; where there are none, the user's.
    pub(super) fn chain(&self) -> Vec<&Frame> {
        let chain: Vec<&Frame> = self.users().filter(|frame| !frame.origin.is_folded()).collect();
        if chain.is_empty() { self.users().collect() } else { chain }
    }
}

/// Which frames of a chain that are.
pub(super) fn telling(chain: &[&Frame], most: usize) -> Vec<usize> {
    let users = |at: &usize| chain[*at].origin.is_users();
    let mut shown: Vec<usize> = (0..chain.len().min(most.max(1))).collect();
    let missing = USERS.saturating_sub(shown.iter().filter(|at| users(at)).count());
    let more: Vec<usize> = (shown.len()..chain.len()).filter(users).take(missing).collect();
    // They take the places of the frames that say less, but not the innermost's.
    while !more.is_empty() && shown.len() > 1 && shown.len() + more.len() > most {
        match shown.iter().rposition(|at| *at > 0 && !users(at)) {
            Some(at) => shown.remove(at),
            None => break,
        };
    }
    shown.extend(more);
    shown
}

impl Frame {
    fn python(frame: &PythonFrame) -> Self {
        Self {
            function: frame.function.clone(),
            file: frame.file.clone(),
            line: frame.line,
            address: None,
            module: Arc::default(),
            origin: Origin::of_python(frame),
        }
    }

    fn native(frame: &NativeFrame, raw: bool) -> Self {
        let function = match &frame.symbol {
            Some(symbol) if raw => symbol.clone(),
            Some(symbol) => short_name(symbol).into(),
            None => Arc::default(),
        };
        let (file, line) = match &frame.line {
            Some((file, line)) => (file.clone(), Some(*line)),
            None => (frame.module.clone(), None),
        };
        let origin = Origin::of_native(frame);
        Self { function, file, line, address: Some(frame.address), module: frame.module.clone(), origin }
    }

    /// Whether it is a native function.
    pub fn is_native(&self) -> bool {
        self.address.is_some()
    }

    fn is_importing(&self) -> bool {
        !self.is_native() && is_importing(&self.file)
    }
}

/// `forward (model.py:12)`, `main (app+0x1234, app.cpp:7)`, or `app+0x1234` where no name is known.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, file, line, .. } = self;
        match (self.address, line) {
            (None, Some(line)) => write!(f, "{function} ({file}:{line})"),
            (None, None) => write!(f, "{function} ({file})"),
            (Some(address), line) => {
                let module = self.module.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("?");
                match line {
                    _ if function.is_empty() => write!(f, "{module}+{address:#x}"),
                    Some(line) => write!(f, "{function} ({module}+{address:#x}, {file}:{line})"),
                    None => write!(f, "{function} ({module}+{address:#x})"),
                }
            }
        }
    }
}

/// Without what stands in front of the user's own line.
fn users_python(frames: &[Frame]) -> &[Frame] {
    let is_wrapper =
        |frame: &Frame| is_ttnn(&frame.file) || frame.file.ends_with("/ctypes/__init__.py") || frame.is_importing();
    &frames[frames.iter().position(|frame| !is_wrapper(frame)).unwrap_or(0)..]
}

/// Without the frames of tt-metal and ours at the inner end, and those that start programs and threads at the outer.
fn users_native(frames: &[Frame]) -> &[Frame] {
    let is_outer = |frame: &Frame| frame.origin == Origin::System;
    let first = frames.iter().position(|frame| frame.origin != Origin::Metal && !is_outer(frame)).unwrap_or(0);
    let mut last = frames.iter().rposition(|frame| !is_outer(frame)).map_or(frames.len(), |at| at + 1);
    // A first thread's stack ends with `_start`, which calls libc, which calls main.
    let counted = frames.iter().filter(|frame| frame.origin != Origin::Metal).count();
    if last == frames.len() && counted < MOST.0 && frames.len() < MOST.1 {
        let start = last.saturating_sub(1);
        last = frames[..start].iter().rposition(|frame| !is_outer(frame)).map_or(last, |at| at + 1);
        if last == start {
            last = frames.len();
        }
    }
    frames.get(first..last.max(first + 1).min(frames.len())).unwrap_or(frames)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn python(function: &str, file: &str) -> PythonFrame {
        PythonFrame { function: function.into(), file: file.into(), line: Some(7) }
    }

    fn native(module: &str) -> NativeFrame {
        NativeFrame { module: module.into(), build_id: "".into(), address: 0x10, symbol: None, line: None }
    }

    pub(crate) fn call_site(python: &[PythonFrame], native: &[NativeFrame]) -> CallSite {
        let site = Site { id: 1, python: python.to_vec(), native: native.to_vec(), tensor: None };
        CallSite::new(&site, None, SiteStyle::default(), &mut Symbols::default())
    }

    fn text<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Vec<String> {
        frames.into_iter().map(Frame::to_string).collect()
    }

    fn functions<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Vec<&'a str> {
        frames.into_iter().map(|frame| &*frame.function).collect()
    }

    const PACKAGES: &str = "/v/lib/python3.10/site-packages";

    #[test]
    fn the_users_line_comes_first() {
        let frames = [
            python("__call__", "/v/lib/python3.10/site-packages/ttnn/decorators.py"),
            python("forward", "/home/u/model.py"),
            python("_call", "<frozen importlib._bootstrap>"),
            python("later", "/v/lib/python3.10/site-packages/ttnn/later.py"),
        ];
        let site = call_site(&frames, &[native("/v/libtt_metal.so")]);
        assert_eq!(
            text(site.users()),
            ["forward (/home/u/model.py:7)", "later (/v/lib/python3.10/site-packages/ttnn/later.py:7)"]
        );
        assert_eq!((site.frames.len(), site.frames[0].to_string().as_str()), (5, "libtt_metal.so+0x10"));
        // Where there is nothing else, a wrapper is better than nothing.
        let only = call_site(&frames[..1], &[]);
        assert_eq!((functions(only.users()), functions(only.telling(2))), (vec!["__call__"], vec!["__call__"]));
    }

    #[test]
    fn a_native_site_begins_outside_of_tt_metal_and_ends_before_libc() {
        let modules =
            ["/a/libttmem.so", "/b/libtt_metal.so", "/home/u/app", "/home/u/app", "/lib/libc.so.6", "/home/u/app"];
        let frames = modules.map(native);
        let site = call_site(&[], &frames);
        assert_eq!(text(site.users()), ["app+0x10", "app+0x10"]);
        assert_eq!(text(site.telling(1)), ["app+0x10", "app+0x10"]);
        assert_eq!(text(call_site(&[], &frames[..2]).users()), ["libtt_metal.so+0x10"]);
    }

    #[test]
    fn one_line_shows_who_called_the_helper_and_no_machinery() {
        let call_impl = python("_call_impl", &format!("{PACKAGES}/torch/nn/modules/module.py"));
        let runner = python("pytest_pyfunc_call", &format!("{PACKAGES}/_pytest/python.py"));
        let frames = [
            python("__call__", &format!("{PACKAGES}/ttnn/decorators.py")),
            python("tensor", "/home/u/server.py"),
            call_impl.clone(),
            python("<module>", "/home/u/server.py"),
            runner.clone(),
        ];
        let site = call_site(&frames, &[]);
        assert_eq!(functions(site.telling(1)), ["tensor", "<module>"]);
        assert_eq!(functions(site.telling(2)), ["tensor", "<module>"]);
        assert_eq!(functions(site.users()).len(), 4, "the key `site` folds nothing behind the first");
        // A library's own frame stays in front, and the user's come behind it.
        let library = |name: &str| python(name, &format!("{PACKAGES}/transformers/modeling.py"));
        let frames = [
            library("attention"),
            call_impl,
            library("layer"),
            python("generate", "/home/u/run.py"),
            python("main", "/home/u/run.py"),
            python("<module>", "/home/u/run.py"),
            runner,
        ];
        let site = call_site(&frames, &[]);
        assert_eq!(functions(site.telling(2)), ["attention", "generate", "main"]);
        assert_eq!(functions(site.telling(4)), ["attention", "layer", "generate", "main"]);
    }
}
