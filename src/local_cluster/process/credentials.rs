//! The keys of a cluster: a certificate for 127.0.0.1 from an authority of its own, and a token.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand::RngExt;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::dir::{ClusterDir, write_private};

/// What the server presents and what its clients need.
pub(super) struct Credentials {
    /// The authority's certificate, as PEM.
    pub authority: String,
    /// What clients present.
    pub token: String,
    /// How the server speaks TLS.
    pub tls: Arc<ServerConfig>,
}

impl Credentials {
    /// Those of the cluster in `dir`, made if there are none.
    pub fn load_or_create(dir: &ClusterDir) -> io::Result<Self> {
        let tls = dir.tls();
        let (authority, certificate, key) = (
            tls.join("ca.pem"),
            tls.join("server.pem"),
            tls.join("server.key"),
        );
        if !key.exists() {
            fs::create_dir_all(&tls)?;
            let made = make_certificates().map_err(io::Error::other)?;
            write_private(&authority, made.authority.as_bytes())?;
            write_private(&certificate, made.certificate.as_bytes())?;
            // Written last: with it the set is complete.
            write_private(&key, made.key.as_bytes())?;
        }
        Ok(Self {
            authority: fs::read_to_string(&authority)?,
            token: load_or_create_token(&dir.token())?,
            tls: Arc::new(server_config(&certificate, &key)?),
        })
    }

    /// The kubeconfig with which clients reach the cluster at `server`.
    pub fn kubeconfig(&self, server: &str) -> String {
        let authority = STANDARD.encode(&self.authority);
        let token = &self.token;
        format!(
            "apiVersion: v1
kind: Config
clusters:
- name: adjourn-local
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: adjourn-local
  user:
    token: {token}
contexts:
- name: adjourn-local
  context:
    cluster: adjourn-local
    user: adjourn-local
    namespace: default
current-context: adjourn-local
"
        )
    }
}

struct Made {
    authority: String,
    certificate: String,
    key: String,
}

/// An authority, and a server's certificate signed by it. The authority's key is forgotten: it
/// will never sign anything else.
fn make_certificates() -> Result<Made, rcgen::Error> {
    let mut authority = CertificateParams::default();
    name(&mut authority, "adjourn local cluster authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);

    let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    name(&mut server, "adjourn local cluster");
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &issuer)?;
    Ok(Made {
        authority: authority_certificate.pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

fn name(certificate: &mut CertificateParams, name: &str) {
    certificate.not_before = date_time_ymd(2020, 1, 1);
    certificate.not_after = date_time_ymd(2120, 1, 1);
    certificate
        .distinguished_name
        .push(DnType::CommonName, name);
}

fn server_config(certificate: &Path, key: &Path) -> io::Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn load_or_create_token(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(token) if !token.trim().is_empty() => Ok(token.trim().to_owned()),
        Ok(_) => create_token(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_token(path),
        Err(error) => Err(error),
    }
}

fn create_token(path: &Path) -> io::Result<String> {
    let bytes: [u8; 32] = rand::rng().random();
    let token = URL_SAFE_NO_PAD.encode(bytes);
    write_private(path, token.as_bytes())?;
    Ok(token)
}
