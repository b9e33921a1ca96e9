//! The operation of ttnn that memory is made for, by the name that users write.
//!
//! The first of these that a stack has:
//!
//! 1. An operation that ttnn has in Python: its function, below the outermost frame of ttnn's `decorators.py`.
//! 2. The name that ttnn binds an operation of C++ by. It is an argument of the binding's template, so the mangled symbol
//!    has it, letter by letter.
//! 3. The outermost function of ttnn's C++ library. A program without Python calls that, and has its name as C++ has it.

use ttmem_recording::{NativeFrame, PythonFrame, Site};

use super::{
    Symbols,
    names::short_name,
    origin::{is_ttnn, module_name},
};

/// Its name; `None` where the stack has none of ttnn's.
pub(super) fn operation(site: &Site, symbols: &mut Symbols) -> Option<String> {
    if let Some(function) = python_function(&site.python) {
        return Some(if function.starts_with("__") {
            format!("ttnn.Tensor.{function}")
        } else {
            format!("ttnn.{function}")
        });
    }
    let library = site.native.iter().rposition(|frame| module_name(frame).starts_with("_ttnncpp."));
    let from_cpp = library.and_then(|outermost| {
        let mut names =
            site.native[..=outermost].iter().rev().take_while(|frame| module_name(frame).starts_with("_ttnncpp."));
        names.find_map(|frame| name(&symbol(frame, symbols)?))
    });
    let mut bindings = site.native.iter().filter(|frame| module_name(frame).starts_with("_ttnn.")).peekable();
    if bindings.peek().is_none() && site.python.is_empty() {
        return from_cpp.map(|name| format!("ttnn::{}", name.path.join("::")));
    }
    let bound = bindings.find_map(|frame| bound_name(&symbol(frame, symbols)?));
    match (bound, from_cpp) {
        (Some(Bound { prefix: Some(prefix), name }), _) => Some(prefix + &name),
        (Some(Bound { prefix: None, name }), Some(Name { mut path })) if path.len() > 1 => {
            path.pop();
            Some(format!("ttnn.{}.{name}", path.join(".")))
        }
        (Some(Bound { prefix: None, name }), _) => Some(format!("ttnn.{name}")),
        (None, Some(Name { path })) => Some(match path.join(".").as_str() {
            // Functions that Python knows by another name.
            "convert_python_tensor_to_tt_tensor" => "ttnn.Tensor".into(),
            "create_device_tensor" => "ttnn.allocate_tensor_on_device".into(),
            "Tensor.to_device" | "Tensor.to_layout" => "ttnn.Tensor.to".into(),
            path => format!("ttnn.{path}"),
        }),
        (None, None) => None,
    }
}

fn symbol(frame: &NativeFrame, symbols: &mut Symbols) -> Option<String> {
    let mut frame = frame.clone();
    symbols.name(&mut frame);
    frame.symbol.map(|symbol| symbol.to_string())
}

/// The function that is an operation, where the frames at the inner end are ttnn's.
fn python_function(frames: &[PythonFrame]) -> Option<&str> {
    let own = frames.iter().take_while(|frame| is_ttnn(&frame.file)).count();
    let is_decorator = |frame: &PythonFrame| frame.file.ends_with("/ttnn/decorators.py");
    let call = frames[..own].iter().rposition(is_decorator)?;
    let function = frames[..call].iter().rfind(|frame| !is_decorator(frame))?.function.as_ref();
    let is_plain = function.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    // One function stands for several operations.
    (is_plain && function != "activation_function").then_some(function)
}

/// A function's place in the namespace ttnn, as far as users write it.
struct Name {
    path: Vec<String>,
}

/// `ttnn::relu`, `ttnn::transformer::concatenate_heads`; and of functions that are bound from where they are written,
/// `ttnn::operations::matmul::linear`, the name alone.
fn name(symbol: &str) -> Option<Name> {
    if let Some(bound) =
        letters(symbol).into_iter().find_map(|letters| letters.strip_prefix("ttnn::").map(str::to_owned))
    {
        return Some(Name { path: bound.split("::").map(str::to_owned).collect() });
    }
    let short = short_name(symbol);
    let parts: Vec<&str> = short.split("::").map(|part| part.trim_end_matches("<..>")).collect();
    let is_plain = |part: &&str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let path: Vec<&str> = match parts.split_first()? {
        (&"ttnn", ["Tensor", name]) => vec!["Tensor", name],
        (&"ttnn", ["operations", path @ .., name]) => {
            let space = path.iter().copied().find(|part| ["experimental", "transformer"].contains(part));
            space.into_iter().chain([*name]).collect()
        }
        (&"ttnn", ["prim", name]) => vec![name],
        (&"ttnn", path) => path.to_vec(),
        _ => return None,
    };
    let is_inner = |part: &&str| ["detail", "device_operation", "prim", "operation"].contains(part);
    let (name, spaces) = path.split_last()?;
    let fits =
        is_plain(name) && spaces.iter().all(|part| *part == "Tensor" || is_plain(part)) && !path.iter().any(is_inner);
    fits.then(|| Name { path: path.into_iter().map(str::to_owned).collect() })
}

/// What a binding's symbol says of the name in Python.
#[derive(Debug, PartialEq, Eq)]
struct Bound {
    /// The module, up to its dot.
    prefix: Option<String>,
    name: String,
}

fn bound_name(symbol: &str) -> Option<Bound> {
    let (modules, names): (Vec<String>, Vec<String>) =
        letters(symbol).into_iter().partition(|letters| letters.ends_with('.'));
    let name = names.into_iter().next()?;
    if let Some(path) = name.strip_prefix("ttnn::") {
        return Some(Bound { prefix: Some("ttnn.".into()), name: path.replace("::", ".") });
    }
    Some(Bound { prefix: modules.into_iter().find(|module| module.starts_with("ttnn.")), name })
}

/// Texts among a symbol's template arguments: `tlA6_cLc97ELc100ELc100ELc109ELc109EE` is an array of char, "addmm".
fn letters(symbol: &str) -> Vec<String> {
    let texts = symbol.split("tlA").skip(1).filter_map(|rest| {
        let (length, mut rest) = rest.split_once("_cLc")?;
        length.parse::<u32>().ok()?;
        let mut text = String::new();
        loop {
            let (code, behind) = rest.split_once('E')?;
            text.push(char::from(code.parse::<u8>().ok()?));
            match behind.strip_prefix("Lc") {
                Some(next) => rest = next,
                None => return Some(text),
            }
        }
    });
    texts.filter(|text| text.chars().all(|c| c.is_ascii_alphanumeric() || "_.:".contains(c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(module: &str, symbol: &str) -> NativeFrame {
        let symbol = Some(symbol.into());
        NativeFrame { module: module.into(), build_id: "".into(), address: 0x10, symbol, line: None }
    }

    fn python(function: &str, file: &str) -> PythonFrame {
        PythonFrame { function: function.into(), file: file.into(), line: Some(7) }
    }

    fn told(native: &[NativeFrame], python: &[PythonFrame]) -> Option<String> {
        let site = Site { id: 1, python: python.to_vec(), native: native.to_vec(), tensor: None };
        operation(&site, &mut Symbols::default())
    }

    const DECORATORS: &str = "/v/lib/python3.10/site-packages/ttnn/decorators.py";
    const CORE: &str = "/v/lib/python3.10/site-packages/ttnn/operations/core.py";

    #[test]
    fn an_operation_in_python_is_its_function() {
        let user = python("main", "/home/u/model.py");
        let create = native("/v/_ttnncpp.so", "_ZN4ttnn34convert_python_tensor_to_tt_tensorEv");
        let from_torch = [python("from_torch", CORE), python("__call__", DECORATORS), user.clone()];
        assert_eq!(told(&[create.clone(), native("/v/_ttnn.so", "f")], &from_torch).unwrap(), "ttnn.from_torch");
        let item = ["__call__", "__getitem__", "__call__", "method_call"];
        let files = [DECORATORS, CORE, DECORATORS, DECORATORS];
        let mut item: Vec<_> = item.iter().zip(files).map(|(function, file)| python(function, file)).collect();
        item.push(user.clone());
        assert_eq!(told(std::slice::from_ref(&create), &item).unwrap(), "ttnn.Tensor.__getitem__");
        // The constructor is no operation, and is called by the user's own line.
        assert_eq!(told(&[create, native("/v/_ttnn.so", "f")], &[user]).unwrap(), "ttnn.Tensor");
    }

    #[test]
    fn a_binding_has_the_name_in_its_symbol() {
        let user = [python("__call__", DECORATORS), python("main", "/home/u/model.py")];
        let text = |text: &str| {
            let letters: String = text.bytes().map(|byte| format!("Lc{byte}E")).collect();
            format!("NS_13unique_stringILm{0}EEEtlSt5arrayIcLm{0}EEtlA{0}_c{letters}EEE", text.len())
        };
        let told = |function: &str, texts: &[&str]| {
            let binding =
                format!("_ZN4ttnn6detail4bindI{}EEvv", texts.iter().map(|&each| text(each)).collect::<String>());
            told(&[native("/v/_ttnncpp.so", function), native("/v/_ttnn.cpython.so", &binding)], &user).unwrap()
        };
        let multiply = "_ZN4ttnn10operations6binary8multiplyEv";
        assert_eq!(told(multiply, &["mul", "ttnn."]), "ttnn.mul");
        assert_eq!(told("_ZN4ttnn12experimental4ropeEv", &["rope", "ttnn.experimental."]), "ttnn.experimental.rope");
        assert_eq!(told("_ZN4ttnn11transformer4headEv", &["head"]), "ttnn.transformer.head");
        assert_eq!(told("_ZN4ttnn10operations6matmul5addmmEv", &["addmm"]), "ttnn.addmm");
        assert_eq!(told(multiply, &["ttnn::multiply"]), "ttnn.multiply");
        // Without: by the function in C++.
        assert_eq!(told(multiply, &[]), "ttnn.multiply");
        assert_eq!(told("_ZN4ttnn10operations4core10reallocateEv", &[]), "ttnn.reallocate");
        assert_eq!(told("_ZN4ttnn6Tensor9to_deviceEv", &[]), "ttnn.Tensor.to");
    }

    #[test]
    fn a_program_without_python_calls_the_function_in_cpp() {
        let frames = [
            native("/v/libtt_metal.so", "_ZN2tt8tt_metal6Buffer6createEv"),
            native("/v/_ttnncpp.so", "_ZN4ttnn4prim6matmulEv"),
            native("/v/_ttnncpp.so", "_ZN4ttnn6linearEv"),
            native("/home/u/app", "main"),
        ];
        assert_eq!(told(&frames, &[]).unwrap(), "ttnn::linear");
        assert_eq!(told(&[frames[0].clone(), frames[3].clone()], &[]), None);
    }
}
