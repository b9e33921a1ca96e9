//! `ttmem serve`.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use clap::Args;

use super::{output, rings, settings::Place};
use crate::{Failure, Lookout, serve::Exporter};

/// Serve device-memory metrics for Prometheus, by device, memory, process and rank: http://127.0.0.1:9470/metrics.
///
/// With --page also the page of `ttmem report --html` over what runs, updated twice a second.
///
/// Takes nothing out of the rings: `ttmem run` and others go on as without it. Whoever can reach the address sees the
/// command lines of your programs; it is your own machine alone unless --listen says otherwise.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem serve
  ttmem serve --page                   (prints the address of a live page)
  ttmem serve --listen 0.0.0.0:9470    (docs/serve.md: many hosts, Grafana, systemd)")]
pub(super) struct Serve {
    /// Wait at this address, or at the first of this name that can be had; port 0 means any.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9470")]
    listen: String,
    /// Serve a live page too: timeline, flame graph, memory map (docs/html.md). Only to this machine, at an address with a token.
    #[arg(long, conflicts_with = "quiet")]
    page: bool,
    /// Say nothing but what is wrong.
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    place: Place,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&stop))
                .map_err(|error| Failure::new(format!("signal handlers: {error}")))?;
        }
        let addresses = addresses(&self.listen)?;
        if self.page && !addresses.iter().all(|address| address.ip().is_loopback()) {
            return Err(Failure::new(format!(
                "--listen {}: --page serves this machine alone; write 127.0.0.1:PORT, and reach it by ssh -L PORT:127.0.0.1:PORT",
                self.listen
            )));
        }
        let lookout = Lookout::new(move || rings::folders(&self.place));
        let mut exporter = Exporter::new(&addresses, lookout, self.page)?;
        if !self.quiet {
            output::tell(&format!("ttmem: http://{}/metrics\n", exporter.address()));
        }
        if let Some(url) = exporter.page_url() {
            output::tell(&format!("ttmem: {url}\n"));
        }
        exporter.run_until(&stop, &|line| output::tell(&format!("ttmem: {line}\n")))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The addresses of a name.
fn addresses(listen: &str) -> Result<Vec<SocketAddr>, Failure> {
    let failed = |why: String| Failure::new(format!("--listen {listen}: {why}; write HOST:PORT, as localhost:9470"));
    let addresses: Vec<SocketAddr> = listen.to_socket_addrs().map_err(|error| failed(error.to_string()))?.collect();
    if addresses.is_empty() { Err(failed("the name has no address".to_owned())) } else { Ok(addresses) }
}
