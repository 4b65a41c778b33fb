//! A token in a cookie: how a browser shows it.
//!
//! The cookie counts for looking everywhere, and for changing something only where the gate has
//! seen that the form is one of ours.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};

/// The cookie's name.
const NAME: &str = "adjourn_token";

/// What the request shows: its own header, or else what its cookie holds, as that header would say
/// it.
pub(in crate::http) fn credential(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    if let Some(said) = headers.get(header::AUTHORIZATION) {
        return said.to_str().ok().map(Cow::Borrowed);
    }
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == NAME)
        .map(|(_, token)| Cow::Owned(format!("Bearer {token}")))
}

/// Sets the cookie; none where the token could not stand in a header.
pub(super) fn keep(token: &str, secure: bool) -> Option<HeaderValue> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    if token.is_empty() || !token.chars().all(plain) {
        return None;
    }
    HeaderValue::from_str(&cookie(token, secure)).ok()
}

/// Takes the cookie away.
pub(super) fn drop(secure: bool) -> Option<HeaderValue> {
    HeaderValue::from_str(&(cookie("", secure) + "; Max-Age=0")).ok()
}

fn cookie(value: &str, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{NAME}={value}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(header::HeaderName, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn the_cookie_speaks_where_the_header_is_silent() {
        let cookie = (header::COOKIE, "a=b; adjourn_token=adj_x");
        let only = headers(std::slice::from_ref(&cookie));
        assert_eq!(credential(&only).as_deref(), Some("Bearer adj_x"));
        let both = headers(&[cookie, (header::AUTHORIZATION, "Bearer other")]);
        assert_eq!(credential(&both).as_deref(), Some("Bearer other"));
        assert_eq!(credential(&headers(&[(header::COOKIE, "a=b")])), None);
    }

    #[test]
    fn a_token_that_would_break_the_header_makes_no_cookie() {
        assert!(keep("adj_a-b", true).is_some());
        assert!(keep("a; Path=/x", true).is_none());
        assert!(keep("", true).is_none());
    }
}
