//! `ttmem report --html`: a page that needs nothing but itself. See docs/html.md.
//!
//! The events are gone through twice. The first time tells the timeline and when each memory was fullest; the second
//! time keeps what was live then, and at the marks.

mod events;
mod kinds;
mod model;
mod moments;
mod timeline;

use std::path::Path;

use crate::{Failure, SiteStyle, Suppressions, analysis::Analysis, report::Report};

/// The page on a recording or a ring.
///
/// # Errors
/// If the file cannot be read, is neither, or is damaged.
pub fn page(path: &Path) -> Result<String, Failure> {
    let input = events::Input::open(path)?;
    let mut lines = events::PerProcess::<timeline::Timeline>::default();
    let processes = input.replay(&mut |account, process, event| lines.of(process).note(account, event))?;
    let wanted = lines.map(|line| moments::Moments::new(line.peaks(), line.marks()));
    let mut moments = wanted;
    input.replay(&mut |account, process, event| moments.of(process).note(account, event))?;
    let style = SiteStyle::default();
    let analysis = Analysis::new(processes.iter().map(|(_, tell)| tell), &Suppressions::default(), style);
    let report = Report::new(&analysis, style, None);
    let told: Vec<model::Process> = processes
        .iter()
        .zip(&report.processes)
        .map(|((number, tell), said)| {
            model::Process::new(&tell.told(), said, lines.take(*number), moments.take(*number))
        })
        .collect();
    Ok(fill(&model::Page { ttmem: env!("CARGO_PKG_VERSION"), file: path.display().to_string(), processes: told }))
}

/// Puts the data into the page. Nothing in it can end the element that it lies in, or begin another.
fn fill(page: &model::Page) -> String {
    let data = serde_json::to_string(page).unwrap_or_default();
    let data = data.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let parts: [(&str, &str); 3] = [
        ("/*STYLE*/", include_str!("page.css")),
        ("/*SCRIPT*/", include_str!("page.js")),
        // The last: what programs wrote must not be taken for a place to fill.
        ("\"DATA\"", &data),
    ];
    parts.iter().fold(include_str!("page.html").to_owned(), |text, (place, part)| text.replacen(place, part, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_wrote_stays_data() {
        let file = "</script><script>alert(1)</script>&amp; /*SCRIPT*/ <!--".to_owned();
        let text = fill(&model::Page { ttmem: "1", file: file.clone(), processes: Vec::new() });
        assert_eq!(text.matches("<script").count(), 2, "the page's own: data and code");
        assert_eq!(text.matches("</script").count(), 2);
        assert!(!text.contains("<!--"));
        let start = text.find("{\"ttmem\"").unwrap();
        let end = start + text[start..].find("</script>").unwrap();
        let json: serde_json::Value = serde_json::from_str(text[start..end].trim()).unwrap();
        assert_eq!(json["file"], file, "and comes back as it was");
        assert!(text.contains("default-src 'none'"), "no network");
    }
}
