//! Large answers travel compressed, if the client can read them.

use std::io::Write;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};

/// Smaller answers are sent as they are, in bytes.
const LEAST: u64 = 128 * 1024;

/// Compresses the answer if it is worth it. Watches and logs, whose length nobody knows, are
/// never compressed: their pieces must leave at once.
pub(super) async fn respond(request: Request, next: Next) -> Response {
    let readable = reads_gzip(request.headers());
    let response = next.run(request).await;
    let length = response.body().size_hint().exact().unwrap_or(0);
    if !readable || length <= LEAST || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let plain = bytes.clone();
    let compressed = tokio::task::spawn_blocking(move || {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&plain)?;
        encoder.finish()
    });
    let Ok(Ok(compressed)) = compressed.await else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    for (name, value) in [
        (header::CONTENT_ENCODING, "gzip"),
        (header::VARY, "Accept-Encoding"),
    ] {
        parts.headers.insert(name, HeaderValue::from_static(value));
    }
    Response::from_parts(parts, Body::from(compressed))
}

fn reads_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(|one| one.split(';').map(str::trim))
        .any(|mut one| one.next() == Some("gzip") && one.all(|weight| weight != "q=0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_says_so_reads_gzip() {
        for (text, reads) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
        ] {
            let mut headers = HeaderMap::new();
            assert!(!reads_gzip(&headers));
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
            assert_eq!(reads_gzip(&headers), reads, "{text}");
        }
    }
}
