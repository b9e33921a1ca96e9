//! `ttmem serve`: what is held now, for Prometheus, and as a page. See docs/serve.md.

mod metrics;
mod page;
mod token;

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tiny_http::{Header, Method, Request, Response, Server};

use self::page::Page;
use crate::{Failure, Lookout, Session};

/// How long a round waits for a request: rings are looked at in between, so that none runs full unseen.
const ROUND: Duration = Duration::from_millis(200);

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A server that waits at an address.
pub struct Exporter {
    server: Server,
    address: SocketAddr,
    lookout: Lookout,
    page: Option<Page>,
    /// Complaints that were told.
    told: BTreeSet<String>,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Exporter {
    /// Waits at the first of these addresses that can be had; port 0 means any. `with_page`: the live page too.
    ///
    /// # Errors
    /// If none can be had.
    pub fn new(listen: &[SocketAddr], lookout: Lookout, with_page: bool) -> Result<Self, Failure> {
        let page = with_page.then(Page::new).transpose()?;
        let names: Vec<String> = listen.iter().map(SocketAddr::to_string).collect();
        let failed = |why: String| Failure::new(format!("{}: {why}", names.join(", ")));
        let listener = TcpListener::bind(listen).map_err(|error| failed(error.to_string()))?;
        let address = listener.local_addr().map_err(|error| failed(error.to_string()))?;
        let server = Server::from_listener(listener, None).map_err(|error| failed(error.to_string()))?;
        Ok(Self { server, address, lookout, page, told: BTreeSet::new() })
    }

    /// Where it waits.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the live page is, with its token.
    pub fn page_url(&self) -> Option<String> {
        self.page.as_ref().map(|page| format!("http://{}{}", self.address, page.path()))
    }

    /// Answers until `stop` is set. Tells of each ring that cannot be read once.
    ///
    /// # Errors
    /// If the socket fails.
    pub fn run_until(&mut self, stop: &Arc<AtomicBool>, tell: &dyn Fn(&str)) -> Result<(), Failure> {
        let mut looked = Instant::now();
        self.look(tell);
        while !stop.load(Ordering::Relaxed) {
            let request = self.server.recv_timeout(ROUND).map_err(|error| Failure::new(error.to_string()))?;
            if let Some(request) = request {
                self.answer(request);
            }
            // Many requests must not keep it from looking, nor none.
            if looked.elapsed() >= ROUND {
                self.look(tell);
                looked = Instant::now();
            }
        }
        Ok(())
    }

    fn advance(&mut self) {
        match &mut self.page {
            Some(page) => self.lookout.advance_each(&mut |session| page.live.advance(session)),
            None => self.lookout.advance_each(&mut Session::advance),
        };
    }

    fn look(&mut self, tell: &dyn Fn(&str)) {
        self.advance();
        let complaints: BTreeSet<String> = self.lookout.complaints().collect();
        complaints.difference(&self.told).for_each(|line| tell(line));
        self.told = complaints;
    }

    fn answer(&mut self, mut request: Request) {
        let is_read = matches!(request.method(), Method::Get | Method::Head);
        if is_read && self.page.is_some() {
            self.advance();
            if let Some(page) = &mut self.page {
                match page.answer(request, self.lookout.sessions()) {
                    Some(other) => request = other,
                    None => return,
                }
            }
        }
        let path = request.url().split('?').next().unwrap_or_default().to_owned();
        // Who goes away before the answer is none of our business.
        let _ = match path.as_str() {
            _ if !is_read => request.respond(Response::empty(405)),
            "/metrics" => {
                self.advance();
                let text = metrics::text(self.lookout.sessions());
                request.respond(Response::from_string(text).with_header(header("Content-Type", TEXT)))
            }
            "/" => request.respond(Response::from_string("ttmem serve: the metrics are at /metrics\n")),
            _ => request.respond(Response::from_string("not found\n").with_status_code(404)),
        };
    }
}

fn header(name: &str, value: &str) -> Header {
    // Both are constants of this file, and in ASCII.
    Header::from_bytes(name, value).unwrap_or_else(|()| unreachable!("a header of constants"))
}
