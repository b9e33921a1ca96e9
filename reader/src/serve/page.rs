//! The live page. Nothing of it is made while nobody asks.

use std::time::{Duration, Instant};

use tiny_http::{Request, Response};

use super::{
    header,
    token::{Token, value},
};
use crate::{Failure, Session, html::Live};

/// However many look, the numbers are made anew no more often.
const PACE: Duration = Duration::from_millis(400);

/// The page, and what it was made of last.
pub(super) struct Page {
    pub(super) live: Live,
    token: Token,
    /// When, of which state, and the JSON.
    latest: Option<(Instant, String, String)>,
}

impl Page {
    /// # Errors
    /// If there is no token to be had.
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self { live: Live::default(), token: Token::new()?, latest: None })
    }

    /// Path and query of its address.
    pub(super) fn path(&self) -> String {
        format!("/page?token={}", self.token.text())
    }

    /// Answers a request for the page, or for its numbers; gives back one for something else.
    pub(super) fn answer(&mut self, request: Request, sessions: &[Session]) -> Option<Request> {
        let url = request.url().to_owned();
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        if !matches!(path, "/page" | "/page.json") {
            return Some(request);
        }
        let response = if !self.token.is_in(query) {
            Response::from_string("the address of the page is the one with the token that `ttmem serve` printed\n")
                .with_status_code(403)
        } else if path == "/page" {
            Response::from_string(self.live.page(sessions))
                .with_header(header("Content-Type", "text/html; charset=utf-8"))
        } else {
            match self.newer_than(value(query, "seen").unwrap_or_default(), sessions) {
                Some(json) => Response::from_string(json).with_header(header("Content-Type", "application/json")),
                None => Response::from_string("").with_status_code(204),
            }
        };
        // Who goes away before the answer is none of our business.
        let _ = request
            .respond(SAFE.iter().fold(response, |response, (name, value)| response.with_header(header(name, value))));
        None
    }

    /// The numbers, if they are others than those of this state.
    fn newer_than(&mut self, seen: &str, sessions: &[Session]) -> Option<&str> {
        let state = self.live.state(sessions);
        let is_fresh = |(at, of, _): &(Instant, String, String)| *of == state || at.elapsed() < PACE;
        if state != seen && !self.latest.as_ref().is_some_and(is_fresh) {
            let json = self.live.json(sessions);
            self.latest = Some((Instant::now(), state.clone(), json));
        }
        let (_, of, json) = self.latest.as_ref()?;
        (state != seen && of != seen).then_some(json)
    }
}

/// The page stays in its own window, in no cache, and its address with nobody.
const SAFE: [(&str, &str); 4] = [
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "frame-ancestors 'none'"),
];
