//! The password of the live page: whoever has its address may look.

use rustix::rand::{GetRandomFlags, getrandom};

use crate::Failure;

/// 128 bits that nobody guesses.
pub(super) struct Token(String);

impl Token {
    /// # Errors
    /// If the kernel has no random numbers.
    pub(super) fn new() -> Result<Self, Failure> {
        let mut bytes = [0_u8; 16];
        let count =
            getrandom(&mut bytes[..], GetRandomFlags::empty()).map_err(|error| Failure::new(error.to_string()))?;
        if count != bytes.len() {
            return Err(Failure::new("the kernel gave too few random numbers for a token"));
        }
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bytes))))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Whether the query of an address has it. Takes as long for a nearly right one as for a wrong one.
    pub(super) fn is_in(&self, query: &str) -> bool {
        let given = value(query, "token").unwrap_or_default();
        let differences = self.0.bytes().zip(given.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
        given.len() == self.0.len() && differences == 0
    }
}

/// What a query has of this name.
pub(super) fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|part| part.split_once('=').filter(|(key, _)| *key == name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_taken() {
        let token = Token("0123456789abcdef0123456789abcdef".to_owned());
        assert!(token.is_in("token=0123456789abcdef0123456789abcdef"));
        assert!(token.is_in("seen=1-2&token=0123456789abcdef0123456789abcdef"));
        for query in [
            "",
            "token",
            "token=",
            "token=0123456789abcdef",
            "token=0123456789abcdef0123456789abcdee",
            "token=0123456789abcdef0123456789abcdef0",
            "other=0123456789abcdef0123456789abcdef",
            "token=1&token=0123456789abcdef0123456789abcdef",
        ] {
            assert!(!token.is_in(query), "{query}");
        }
    }

    #[test]
    fn no_two_are_alike() {
        let [one, other] = [Token::new().unwrap(), Token::new().unwrap()];
        assert_ne!(one.text(), other.text());
        assert_eq!(one.text().len(), 32);
    }
}
