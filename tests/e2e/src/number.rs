//! Sizes of tests that take longer where one asks for it.

/// What a variable says, else `default`.
#[must_use]
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
