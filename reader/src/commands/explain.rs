//! `ttmem explain`.

use std::process::ExitCode;

use clap::Args;

use super::output;
use crate::{Failure, named};

/// The rules, as docs/ledger.md teaches them: a section for each id.
const RULES: &str = include_str!("../../../docs/ledger.md");

/// Explain a sentence of a report, by the id in brackets at its end.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem explain held-by-fewer
  ttmem explain               (lists the ids)")]
pub(super) struct Explain {
    /// The id; without one, all ids are listed.
    #[arg(value_name = "ID")]
    id: Option<String>,
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Some(id) = self.id else {
            let list = sections().map(|(id, title, _)| format!("{id:<22} {title}\n")).collect::<String>();
            output::print(&list)?;
            return Ok(ExitCode::SUCCESS);
        };
        let id = id.trim_matches(['[', ']']).to_lowercase();
        let Some((_, title, text)) = sections().find(|(known, ..)| *known == id) else {
            let near = named::nearest(&id, sections().map(|(known, ..)| known));
            let near = near.map(|near| format!("did you mean `ttmem explain {near}`? ")).unwrap_or_default();
            return Err(Failure::new(format!("no explanation of {id:?}; {near}`ttmem explain` lists all ids")));
        };
        output::print(&format!("{title}\n\n{text}\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The sections: id, title, text. A heading is `## id: title`.
fn sections() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    RULES.split("\n## ").skip(1).filter_map(|section| {
        let (heading, text) = section.split_once('\n')?;
        let (id, title) = heading.split_once(": ")?;
        Some((id, title, text.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_has_an_explanation() {
        for id in crate::report::FINDING_IDS {
            assert!(sections().any(|(known, ..)| known == *id), "{id} has no section in docs/ledger.md");
        }
        assert!(sections().all(|(id, title, text)| !id.contains(' ') && !title.is_empty() && text.len() > 80));
    }
}
