//! `ttmem doctor`: what on this machine is as it should be, what is not, and what to do about it.

mod checks;
mod environment;
mod exports;
mod metal;
mod parts;
pub mod transport;

use std::path::Path;

use serde::Serialize;

use crate::visible::visible;

pub use parts::{PartCheck, Sight};
pub use transport::Transport;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Worth knowing; ttmem works.
    Note,
    /// ttmem does not work, or not here.
    Wrong,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub check: &'static str,
    /// What it came to.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    fn good(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, found: found.into(), advice: None }
    }

    fn note(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Note, found: found.into(), advice: Some(advice.into()) }
    }

    fn wrong(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Wrong, found: found.into(), advice: Some(advice.into()) }
    }
}

/// All that was found.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// Of this layout.
    pub schema: &'static str,
    /// Whether nothing is wrong.
    pub good: bool,
    /// In the order in which a program needs them.
    pub checks: Vec<Check>,
    /// What ttmem sees of tt-metal, if there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartCheck>,
    /// What was measured, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
}

impl Findings {
    /// Looks at everything. `python` is the interpreter whose ttnn is looked at.
    pub fn new(python: &Path) -> Self {
        let mut checks = vec![checks::library(), checks::folder(), checks::room()];
        checks.extend(checks::kernel());
        checks.push(checks::clock());
        checks.extend(environment::variables(&std::env::vars_os().collect::<Vec<_>>()));
        let (of_ttnn, parts) = metal::of_python(python);
        checks.extend(of_ttnn);
        Self::judged(checks, parts)
    }

    /// Looks at one library: libtt_metal.so, or one that tt-metal is linked into.
    pub fn of_library(path: &Path) -> Self {
        let (check, parts) = metal::of_library(path);
        Self::judged(vec![check], parts)
    }

    fn judged(checks: Vec<Check>, parts: Vec<PartCheck>) -> Self {
        let mut findings = Self { schema: "ttmem-doctor/1", good: false, checks, parts, transport: None };
        findings.judge();
        findings
    }

    /// Adds what was measured.
    pub fn measure(&mut self, seconds: u64) {
        match Transport::measure(seconds) {
            Ok(transport) => {
                self.checks.push(transport.check());
                self.transport = Some(transport);
            }
            Err(error) => {
                let advice = "mend what is wrong above, and measure again";
                self.checks.push(Check::wrong("transport", error.to_string(), advice));
            }
        }
        self.judge();
    }

    fn judge(&mut self) {
        self.good = self.checks.iter().all(|check| check.verdict != Verdict::Wrong);
    }

    /// A line for each check, and one more where there is advice; then the table of parts.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for check in &self.checks {
            let sign = match check.verdict {
                Verdict::Good => "ok",
                Verdict::Note => "note",
                Verdict::Wrong => "WRONG",
            };
            text += &format!("{sign:<5}  {:<11}  {}\n", check.check, visible(&check.found));
            if let Some(advice) = &check.advice {
                text += &format!("{:20}-> {}\n", "", visible(advice));
            }
        }
        if !self.parts.is_empty() {
            text += "\nWhat ttmem sees of this tt-metal\n";
        }
        for part in &self.parts {
            let (seen, otherwise) = match part.seen {
                Sight::Yes => ("yes", ""),
                Sight::Partly => ("partly", ""),
                Sight::No => ("no", ""),
                Sight::Absent => ("-", "this build has none"),
            };
            let why = part.why.as_deref().unwrap_or(otherwise);
            text += format!("  {:<36} {seen:<6} {}", part.part.name(), visible(why)).trim_end();
            text.push('\n');
        }
        text
    }
}
