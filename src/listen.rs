//! Answering connections: the accept loop that axum leaves to its users, over TLS or without.
//!
//! Shared by the local cluster's API and the daemon's; knows neither.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a client may take for its TLS handshake.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long connections may take to end once the server stops.
const FAREWELL: Duration = Duration::from_secs(2);
/// How much of a request is read that is not answered.
const LEFT_UNSAID: u64 = 64 << 10;
/// Before another connection is accepted after one could not be.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where clients come in.
pub struct Door {
    /// The socket.
    pub listener: TcpListener,
    /// What TLS is spoken with; none: plain HTTP.
    pub tls: Option<TlsAcceptor>,
    /// What a client may do.
    pub bounds: Bounds,
    /// Cancelled when no more is to be answered.
    pub stopping: CancellationToken,
}

/// What a client may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    /// How many connections are answered at once; the others wait. No bound when absent.
    pub connections: Option<usize>,
    /// How long the headers of a request may take. No bound when absent.
    pub header_time: Option<Duration>,
    /// How many headers a request may have; hyper's own bound when absent.
    pub headers: Option<usize>,
    /// How many bytes the headers of a request may have together; hyper's own bound when absent.
    pub header_bytes: Option<usize>,
}

impl Door {
    /// Answers connections until `stopping` is cancelled; `answer` makes what answers a client.
    /// `beside` is what else is to run meanwhile.
    ///
    /// # Errors
    /// The listener's address cannot be told.
    pub async fn serve<S>(
        self,
        answer: impl Fn(SocketAddr) -> S,
        mut beside: JoinSet<()>,
    ) -> io::Result<()>
    where
        S: Service<Request<Incoming>, Response = Response> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let address = self.listener.local_addr()?;
        tracing::info!(%address, "the API answers");
        let room = Arc::new(Semaphore::new(
            self.bounds.connections.unwrap_or(Semaphore::MAX_PERMITS),
        ));
        loop {
            let accepted = async {
                // Never closed, so there is always a place at some time.
                let place = Arc::clone(&room).acquire_owned().await.ok();
                (place, self.listener.accept().await)
            };
            tokio::select! {
                () = self.stopping.cancelled() => break,
                Some(_) = beside.join_next() => {}
                (place, accepted) = accepted => match accepted {
                    Ok((stream, peer)) => {
                        let service = answer(peer);
                        let (tls, bounds) = (self.tls.clone(), self.bounds);
                        let stopping = self.stopping.clone();
                        beside.spawn(async move {
                            connection(stream, tls, bounds, service, stopping).await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        let farewell = async { while beside.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            beside.shutdown().await;
        }
        Ok(())
    }
}

async fn connection<S>(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    bounds: Bounds,
    service: S,
    stopping: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Small answers, such as the lines of a watch, leave at once.
    let _ = stream.set_nodelay(true);
    match tls {
        None => requests(TokioIo::new(stream), bounds, service, stopping).await,
        Some(_) if begins_without_tls(&stream).await => tell_of_tls(stream).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
                requests(TokioIo::new(stream), bounds, service, stopping).await;
            }
        }
    }
}

/// Whether a client's first byte is one of a plain request: a handshake begins with no letter.
async fn begins_without_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    let seen = tokio::time::timeout(PATIENCE, stream.peek(&mut first)).await;
    matches!(seen, Ok(Ok(1))) && first[0].is_ascii_uppercase()
}

/// Tells a client that speaks plain HTTP how to ask, whatever it has asked.
async fn tell_of_tls(mut stream: TcpStream) {
    let words = "TLS is spoken here: ask with https://\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{words}",
        words.len()
    );
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // What is never read would take the answer with it when the connection is closed.
        let mut rest = stream.take(LEFT_UNSAID);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // A client that does not wait for the answer has left.
    let _ = tokio::time::timeout(FAREWELL, told).await;
}

async fn requests<S>(
    stream: impl Read + Write + Unpin + Send + 'static,
    bounds: Bounds,
    service: S,
    stopping: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut http = hyper::server::conn::http1::Builder::new();
    if let Some(time) = bounds.header_time {
        http.timer(TokioTimer::new()).header_read_timeout(time);
    }
    if let Some(headers) = bounds.headers {
        http.max_headers(headers);
    }
    if let Some(bytes) = bounds.header_bytes {
        http.max_buf_size(bytes);
    }
    let connection = http.serve_connection(stream, service).with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended in an error");
            }
        }
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // How it ends is the client's affair now.
            let _ = connection.await;
        }
    }
}
