//! Names of native functions, made short.

/// A C++ or Rust name without its parameters, and with what is in angle brackets left out.
pub(super) fn short_name(symbol: &str) -> String {
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
