//! `ttmem serve`.

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use clap::Args;

use super::{output, rings};
use crate::{Failure, Lookout, serve::Exporter};

/// Serve device-memory metrics for Prometheus, by device, memory, process and rank: http://127.0.0.1:9470/metrics.
///
/// Takes nothing out of the rings: `ttmem run` and others go on as without it. Whoever can reach the address sees the
/// command lines of your programs; it is your own machine alone unless --listen says otherwise.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem serve
  ttmem serve --listen 0.0.0.0:9470    (docs/serve.md: many hosts, Grafana, systemd)")]
pub(super) struct Serve {
    /// The address to wait at; port 0 means any.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9470")]
    listen: SocketAddr,
    /// Say nothing but what is wrong.
    #[arg(long)]
    quiet: bool,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&stop))
                .map_err(|error| Failure::new(format!("signal handlers: {error}")))?;
        }
        let lookout = Lookout::new(|| rings::folders().unwrap_or_default());
        let mut exporter = Exporter::new(self.listen, lookout)?;
        if !self.quiet {
            output::tell(&format!("ttmem: http://{}/metrics\n", exporter.address()));
        }
        exporter.run_until(&stop, &|line| output::tell(&format!("ttmem: {line}\n")))?;
        Ok(ExitCode::SUCCESS)
    }
}
