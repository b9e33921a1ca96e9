//! `ttmem mcp`.

use std::{io, path::PathBuf, process::ExitCode};

use clap::Args;
use ttmem_ring::RingReader;

use super::{input, rings, settings::Place};
use crate::{Failure, SiteStyle, Suppressions, Tell, analysis::Analysis, mcp};

/// Answer an agent's questions by the Model Context Protocol, on standard input and output: what is live, what grows, who held
/// the peak, why it did not fit.
///
/// An agent starts it by itself, once its configuration names it (docs/mcp.md). It reads recordings, and the rings of living and dead
/// processes; it takes nothing out of the rings, and opens no connection.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem mcp
  claude mcp add ttmem -- ttmem mcp
  { \"mcpServers\": { \"ttmem\": { \"command\": \"ttmem\", \"args\": [\"mcp\"] } } }
                                 (the configuration of most other agents)")]
pub(super) struct Mcp {
    /// Read what is known and no leak from FILE: rules, one a line (`ttmem explain suppressions`).
    #[arg(long, value_name = "FILE", env = "TTMEM_SUPPRESSIONS")]
    suppressions: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Mcp {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let suppressions = Suppressions::read_if_named(self.suppressions.as_deref())?;
        let mut read = |source: Option<&str>| {
            let files = match source {
                Some(source) => input::named(&[PathBuf::from(source)])?,
                None => alive(&rings::in_folders(&rings::folders(&self.place))?),
            };
            let mut processes: Vec<Box<dyn Tell>> = Vec::new();
            for file in &files {
                match input::read(file, false) {
                    Ok(read) => processes.extend(read),
                    // A process that ended since is no news.
                    Err(_) if source.is_none() => {}
                    Err(why) => return Err(why),
                }
            }
            Ok(Analysis::new(&processes, &suppressions, SiteStyle::default()))
        };
        mcp::serve(io::stdin().lock(), io::stdout().lock(), &mut read)
            .map_err(|error| Failure::new(format!("standard input or output: {error}")))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn alive(rings: &[PathBuf]) -> Vec<PathBuf> {
    let is_alive = |path: &&PathBuf| RingReader::open(path).is_ok_and(|ring| ring.is_alive());
    rings.iter().filter(is_alive).cloned().collect()
}
