//! The HTTP API of `serve`: where it answers, and to whom.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::{TcpListener, lookup_host};

use super::error::{CliError, sentence};
use super::output::say;
use super::situation::Situation;
use crate::config::Config;
use crate::http::{
    Access, ApiOptions, ApiSettings, Server, ServerError, TokenError, TokenFile, acceptor,
};
use crate::service::Service;
use crate::store::is_on_server;

/// Where the API answers when nobody says otherwise.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8470);

/// What the command line asks for.
pub(super) struct Wanted {
    pub(super) listen: Option<String>,
    /// Certificates and key.
    pub(super) tls: Option<(PathBuf, PathBuf)>,
}

/// Starts the API; none when none is wanted, or when nobody asked for a port and the usual one is
/// taken.
///
/// # Errors
/// Why an API that was asked for does not answer, or must not.
pub(super) async fn start(
    wanted: Wanted,
    situation: &Situation,
    service: &Service,
) -> Result<Option<Server>, CliError> {
    let config = &situation.config.http;
    let said = wanted.listen.as_ref().or(config.listen.as_ref());
    if said.is_some_and(|listen| listen == "none") {
        return Ok(None);
    }
    let addresses = match said {
        Some(listen) => addresses(listen).await?,
        None => vec![USUAL],
    };
    let loopback = addresses.iter().all(|address| address.ip().is_loopback());
    let access = Access::new(tokens(situation)?, loopback)?;
    if !loopback && !access.has_tokens() {
        let listen = said.map_or("", String::as_str);
        return Err(CliError::Usage(format!(
            "{listen} can be reached from other machines, and no token is needed yet: make one with `adjourn token create NAME`, or listen on 127.0.0.1"
        )));
    }
    let settings_tls = config.tls_cert.clone().zip(config.tls_key.clone());
    let tls = match wanted.tls.or(settings_tls) {
        Some((cert, key)) => {
            Some(acceptor(&cert, &key).map_err(|error| CliError::Usage(sentence(&error)))?)
        }
        None => None,
    };
    if !loopback && tls.is_none() {
        say(
            "warning: the API can be reached from other machines without TLS, and tokens go over the network in clear: give --tls-cert and --tls-key, or put something before it that speaks TLS",
        );
    }
    let listener = match TcpListener::bind(addresses.as_slice()).await {
        Ok(listener) => listener,
        Err(error) if said.is_none() && error.kind() == ErrorKind::AddrInUse => {
            say(format!(
                "warning: {USUAL} is taken, so this serve has no HTTP API: give it a port with --listen, or say --listen none"
            ));
            return Ok(None);
        }
        Err(source) => {
            let address = said.cloned().unwrap_or_else(|| USUAL.to_string());
            let error = ServerError::Bind { address, source };
            return Err(CliError::Usage(sentence(&error)));
        }
    };
    let options = ApiOptions {
        service: service.clone(),
        access,
        tls,
        settings: settings(&situation.config),
    };
    let server =
        Server::start(options, listener).map_err(|error| CliError::Failed(sentence(&error)))?;
    Ok(Some(server))
}

/// What the settings say about requests.
pub(super) fn settings(config: &Config) -> ApiSettings {
    let config = &config.http;
    ApiSettings {
        requests_per_second: NonZeroU32::new(config.requests_per_second),
        max_body_bytes: config.max_body_bytes as usize,
        request_time: Duration::from_secs(config.request_timeout_seconds),
        allowed_hosts: config.allowed_hosts.clone(),
    }
}

/// What the ready line tells of a server.
pub(super) fn place(server: &Server) -> String {
    format!(", {}", server.url())
}

/// The file that holds the tokens.
///
/// # Errors
/// When there is no place for it.
pub(super) fn tokens(situation: &Situation) -> Result<TokenFile, CliError> {
    if let Some(path) = &situation.config.http.tokens_file {
        return Ok(TokenFile::new(path.clone()));
    }
    let (database, _) = situation.database()?;
    let beside = if is_on_server(&database) {
        situation.places.database().ok_or_else(|| {
            CliError::Usage(
                "there is no home directory to keep the tokens in; give a place with tokens_file in [http]"
                    .to_owned(),
            )
        })?
    } else {
        database
    };
    Ok(TokenFile::new(beside.with_file_name("tokens.json")))
}

async fn addresses(listen: &str) -> Result<Vec<SocketAddr>, CliError> {
    // A port alone, or with a colon before it, is this machine's.
    let port = listen.strip_prefix(':').unwrap_or(listen);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(vec![SocketAddr::new(USUAL.ip(), port)]);
    }
    let found: Vec<SocketAddr> = lookup_host(listen)
        .await
        .map_err(|error| {
            CliError::Usage(format!(
                "--listen {listen}: {error}; give ADDRESS:PORT, such as {USUAL}, or none"
            ))
        })?
        .collect();
    Ok(found)
}

impl From<TokenError> for CliError {
    fn from(error: TokenError) -> Self {
        let words = sentence(&error);
        match error {
            TokenError::NotFound(_) => Self::NotFound(words),
            TokenError::Place { .. }
            | TokenError::Damaged { .. }
            | TokenError::NameTaken(_)
            | TokenError::BadName(_) => Self::Usage(words),
        }
    }
}
