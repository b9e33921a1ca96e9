//! A call site as people want to read it: their own line first.

use ttmem_recording::{NativeFrame, PythonFrame, Site};

use super::Symbols;

/// How call sites are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteStyle {
    /// All frames, those of ttnn and tt-metal too.
    pub full: bool,
    /// C++ names as the file has them.
    pub raw_names: bool,
}

/// A site with so many native frames may have been cut.
const MOST: usize = 16;

/// The frames, innermost first.
pub(crate) fn frames(site: &Site, style: SiteStyle, symbols: &mut Symbols) -> Vec<String> {
    let mut native = |frames: &[NativeFrame]| -> Vec<String> {
        frames
            .iter()
            .map(|frame| {
                let mut frame = frame.clone();
                symbols.name(&mut frame);
                native_frame(&frame, style.raw_names)
            })
            .collect()
    };
    if style.full {
        let not_ours: Vec<NativeFrame> =
            site.native.iter().filter(|frame| !module_name(frame).starts_with("libttmem.")).cloned().collect();
        let mut all = native(&not_ours);
        all.extend(site.python.iter().map(python_frame));
        return all;
    }
    if site.python.is_empty() {
        return native(users_native(&site.native));
    }
    users_python(&site.python).map(python_frame).collect()
}

/// The operation of ttnn that the memory is made for, as Python has it: the function of ttnn's C++ library that its Python
/// binding calls, where that is one of ttnn's own namespace.
pub(crate) fn operation(site: &Site, symbols: &mut Symbols) -> Option<String> {
    let is_binding = |frame: &NativeFrame| module_name(frame).starts_with("_ttnn.");
    let binding = site.native.iter().position(is_binding)?;
    let mut frame = site.native.get(binding.checked_sub(1)?)?.clone();
    if !module_name(&frame).starts_with("_ttnncpp.") {
        return None;
    }
    symbols.name(&mut frame);
    let name = short_name(frame.symbol.as_deref()?);
    let parts: Vec<&str> = name.trim_end_matches("<..>").split("::").collect();
    let is_plain = |part: &&str| part.starts_with(|c: char| c.is_ascii_lowercase()) && !part.contains(['<', '{', '(']);
    let is_inner = |part: &&str| ["detail", "operations", "prim", "device_operation"].contains(part);
    match parts.split_first()? {
        (&"ttnn", path) if !path.is_empty() && path.iter().all(is_plain) && !path.iter().any(is_inner) => {
            Some(format!("ttnn.{}", path.join(".")))
        }
        // Some are bound from the namespace that they are written in: ttnn::operations::matmul::matmul.
        (&"ttnn", ["operations", .., family, name]) if family == name && is_plain(name) => Some(format!("ttnn.{name}")),
        _ => None,
    }
}

fn module_name(frame: &NativeFrame) -> &str {
    frame.module.rsplit('/').next().unwrap_or_default()
}

/// Without what stands in front of the user's own line, and without Python's own importing.
fn users_python(frames: &[PythonFrame]) -> impl Iterator<Item = &PythonFrame> {
    let first = frames.iter().position(|frame| !is_wrapper(frame)).unwrap_or(0);
    frames[first..].iter().filter(move |frame| frames.len() == 1 || !is_importing(frame))
}

/// A frame of ttnn's own Python, or of Python's C bridge.
fn is_wrapper(frame: &PythonFrame) -> bool {
    let file = &frame.file;
    ["/site-packages/ttnn/", "/dist-packages/ttnn/", "/ttnn/ttnn/"].iter().any(|folder| file.contains(folder))
        || file.ends_with("/ctypes/__init__.py")
        || is_importing(frame)
}

fn is_importing(frame: &PythonFrame) -> bool {
    frame.file.starts_with("<frozen importlib")
}

/// Whether the frame is no line of the user's but of an installed library.
pub(crate) fn is_library(frame: &str) -> bool {
    ["/site-packages/", "/dist-packages/", "/lib/python3"].iter().any(|folder| frame.contains(folder))
}

/// Without the frames of tt-metal and ours at the inner end, and those that start programs and threads at the outer.
fn users_native(frames: &[NativeFrame]) -> &[NativeFrame] {
    let is_inner = |frame: &NativeFrame| {
        let name = module_name(frame);
        ["libttmem", "libtt_metal", "libtt-metal", "libtt_stl", "_ttnncpp", "_ttnn."]
            .iter()
            .any(|own| name.starts_with(own))
    };
    let is_outer = |frame: &NativeFrame| {
        let name = module_name(frame);
        ["libc.so", "libc-", "ld-linux", "libpthread", "libstdc++"].iter().any(|own| name.starts_with(own))
    };
    let first = frames.iter().position(|frame| !is_inner(frame) && !is_outer(frame)).unwrap_or(0);
    let mut last = frames.iter().rposition(|frame| !is_outer(frame)).map_or(frames.len(), |at| at + 1);
    // A first thread's stack ends with `_start`, which calls libc, which calls main.
    if last == frames.len() && frames.len() < MOST {
        let start = last.saturating_sub(1);
        last = frames[..start].iter().rposition(|frame| !is_outer(frame)).map_or(last, |at| at + 1);
        if last == start {
            last = frames.len();
        }
    }
    frames.get(first..last.max(first + 1).min(frames.len())).unwrap_or(frames)
}

fn python_frame(frame: &PythonFrame) -> String {
    match frame.line {
        Some(line) => format!("{} ({}:{line})", frame.function, frame.file),
        None => format!("{} ({})", frame.function, frame.file),
    }
}

fn native_frame(frame: &NativeFrame, raw: bool) -> String {
    let module = frame.module.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("?");
    let place = format!("{module}+{:#x}", frame.address);
    match &frame.symbol {
        Some(symbol) => {
            let name = if raw { symbol.to_string() } else { short_name(symbol) };
            match &frame.line {
                Some((file, line)) => format!("{name} ({place}, {file}:{line})"),
                None => format!("{name} ({place})"),
            }
        }
        None => place,
    }
}

/// A C++ or Rust name without its parameters, and with what is in angle brackets left out.
pub(crate) fn short_name(symbol: &str) -> String {
    // What a compiler split off, or made for certain arguments, is still the function.
    let clones = [".cold", ".part.", ".isra.", ".constprop.", ".lto_priv."];
    let end = clones.iter().filter_map(|clone| symbol.find(clone)).min().unwrap_or(symbol.len());
    let symbol = symbol.get(..end).filter(|symbol| !symbol.is_empty()).unwrap_or(symbol);
    let whole = addr2line::demangle_auto(symbol.into(), None).into_owned();
    if let Some(path) = whole.starts_with("_Z").then(|| mangled_path(&whole)).flatten() {
        return path;
    }
    // "int ns::f<char>(ns::g<h>)::{lambda(int)#1}::operator()(int) const" becomes "ns::f<..>::{lambda}::operator()".
    let mut name = String::new();
    let mut depth = 0_u32;
    let mut rest = whole.as_str();
    while let Some(c) = rest.chars().next() {
        if depth == 0 && (rest.starts_with("operator()") || rest.starts_with("(anonymous namespace)")) {
            let length = if rest.starts_with('o') { "operator()".len() } else { "(anonymous namespace)".len() };
            name.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        match c {
            '(' | '<' | '[' => {
                if depth == 0 && c == '<' {
                    name.push_str("<..>");
                }
                depth += 1;
            }
            ')' | '>' | ']' => depth = depth.saturating_sub(1),
            // What was read so far is the type that it returns.
            ' ' if depth == 0 && !name.ends_with("operator") => {
                if rest.trim_start().starts_with("const") || rest.trim_start().starts_with('[') {
                    break;
                }
                name.clear();
            }
            _ if depth == 0 => name.push(c),
            _ => {}
        }
        rest = &rest[c.len_utf8()..];
    }
    if name.is_empty() { whole } else { name }
}

/// The names in front of a mangled name that the library does not know how to read.
fn mangled_path(symbol: &str) -> Option<String> {
    let mut rest = symbol.trim_start_matches("_Z").trim_start_matches(['Z', 'N', 'K']);
    let mut names: Vec<String> = Vec::new();
    while rest.starts_with(|c: char| c.is_ascii_digit()) {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let length: usize = rest[..digits].parse().ok()?;
        names.push(rest.get(digits..digits.checked_add(length)?)?.to_owned());
        rest = rest.get(digits + length..)?;
    }
    if rest.starts_with('I') {
        names.last_mut()?.push_str("<..>");
    }
    (!names.is_empty()).then(|| names.join("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(function: &str, file: &str) -> PythonFrame {
        PythonFrame { function: function.into(), file: file.into(), line: Some(7) }
    }

    fn native(module: &str) -> NativeFrame {
        NativeFrame { module: module.into(), build_id: "".into(), address: 0x10, symbol: None, line: None }
    }

    fn told(site: &Site, full: bool) -> Vec<String> {
        frames(site, SiteStyle { full, raw_names: false }, &mut Symbols::default())
    }

    #[test]
    fn the_users_line_comes_first() {
        let site = Site {
            id: 1,
            python: vec![
                python("__call__", "/v/lib/python3.10/site-packages/ttnn/decorators.py"),
                python("forward", "/home/u/model.py"),
                python("_call", "<frozen importlib._bootstrap>"),
                python("later", "/v/lib/python3.10/site-packages/ttnn/later.py"),
            ],
            native: vec![native("/v/libtt_metal.so")],
        };
        assert_eq!(
            told(&site, false),
            ["forward (/home/u/model.py:7)", "later (/v/lib/python3.10/site-packages/ttnn/later.py:7)"]
        );
        assert_eq!(told(&site, true).len(), 5);
        assert_eq!(told(&site, true)[0], "libtt_metal.so+0x10");
        // Where there is nothing else, a wrapper is better than nothing.
        let only = Site { python: site.python[..1].to_vec(), ..site };
        assert!(told(&only, false)[0].starts_with("__call__"));
    }

    #[test]
    fn a_native_site_begins_outside_of_tt_metal_and_ends_before_libc() {
        let modules =
            ["/a/libttmem.so", "/b/libtt_metal.so", "/home/u/app", "/home/u/app", "/lib/libc.so.6", "/home/u/app"];
        let site = Site { id: 1, python: Vec::new(), native: modules.map(native).to_vec() };
        assert_eq!(told(&site, false), ["app+0x10", "app+0x10"]);
        let none = Site { native: site.native[..2].to_vec(), ..site };
        assert_eq!(told(&none, false).len(), 2);
    }

    #[test]
    fn names_are_short() {
        assert_eq!(short_name("_ZN2tt8tt_metal6Buffer6createEPNS0_7IDeviceEm"), "tt::tt_metal::Buffer::create");
        assert_eq!(["main", "main.cold", "main.part.0"].map(short_name), ["main"; 3]);
        let concepts = "_ZN4ttnn16device_operation6detail6launchITkNS0_22DeviceOperationConceptENS_1UEEEvT_";
        assert_eq!(short_name(concepts), "ttnn::device_operation::detail::launch<..>");
        assert_eq!(short_name("_ZNSt6vectorIiSaIiEE9push_backERKi"), "std::vector<..>::push_back");
        assert_eq!(short_name("_ZNK1AclEi"), "A::operator()");
        assert_eq!(short_name("_ZZ4mainENKUlvE_clEv"), "main::{lambda#1}::operator()");
    }
}
