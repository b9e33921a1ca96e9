//! From the text of a frame, as reports in JSON have it, back to the frame.

use std::sync::Arc;

use ttmem_recording::{NativeFrame, PythonFrame};

use super::{Frame, Origin};

impl Frame {
    /// Reads what `Display` writes; what reads otherwise is a function without a place.
    pub(crate) fn parse(text: &str) -> Self {
        let (function, place) = match text.strip_suffix(')').and_then(|text| text.split_once(" (")) {
            Some((function, place)) => (function, place),
            None => ("", text),
        };
        let (module, source) = place.split_once(", ").unwrap_or((place, ""));
        let native = module
            .rsplit_once("+0x")
            .and_then(|(module, address)| Some((module, u64::from_str_radix(address, 16).ok()?)));
        match native {
            Some((module, address)) => {
                let (file, line) = file_and_line(source);
                let module: Arc<str> = module.into();
                let frame =
                    NativeFrame { module: module.clone(), build_id: Arc::default(), address, symbol: None, line: None };
                Self {
                    function: function.into(),
                    file: if source.is_empty() { module.clone() } else { file.into() },
                    line,
                    address: Some(address),
                    module,
                    origin: Origin::of_native(&frame),
                }
            }
            None => {
                let (function, place) = if function.is_empty() { (text, "") } else { (function, place) };
                let (file, line) = file_and_line(place);
                let frame = PythonFrame { function: function.into(), file: file.into(), line };
                let origin = Origin::of_python(&frame);
                Self { function: frame.function, file: frame.file, line, address: None, module: Arc::default(), origin }
            }
        }
    }
}

fn file_and_line(place: &str) -> (&str, Option<u32>) {
    let parts = place.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
    parts.map_or((place, None), |(file, line)| (file, Some(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_were() {
        for text in [
            "forward (/home/me/model.py:12)",
            "<module> (<string>)",
            "main (app+0x1234, /home/me/app.cpp:7)",
            "app::make (app+0x1234)",
            "app+0x1234",
        ] {
            assert_eq!(Frame::parse(text).to_string(), text);
        }
        assert_eq!(Frame::parse("f (/home/me/a.py:3)").origin, Origin::User);
        assert_eq!(Frame::parse("f (app+0x10)").origin, Origin::Native);
    }
}
