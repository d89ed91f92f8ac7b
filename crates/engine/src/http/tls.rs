//! TLS to receivers: whom we trust, and what is said when a certificate or a handshake is not good enough.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::connect::Unreachable;
use super::line::TooMuch;

/// How long a TLS handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// How many certificates may be trusted besides Mozilla's, which has fewer than two hundred.
const AUTHORITIES_MAX: usize = 1000;

/// Authorities that are trusted besides Mozilla's, because the operator says so.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Reads certificates in PEM, one after the other; what stands between them is skipped.
    ///
    /// # Errors
    /// When there is none, too many, or one that cannot be an authority: a sentence that says so.
    pub fn parse(pem: &[u8]) -> Result<Authorities, String> {
        let mut probe = RootCertStore::empty();
        let mut certificates = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let number = certificates.len() + 1;
            if number > AUTHORITIES_MAX {
                return Err(format!("it holds more than {AUTHORITIES_MAX} certificates."));
            }
            let certificate = certificate.map_err(|_| format!("its certificate number {number} is not PEM."))?;
            probe
                .add(certificate.clone())
                .map_err(|_| format!("its certificate number {number} cannot be read as one of an authority."))?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----).".to_owned());
        }
        Ok(Authorities(certificates))
    }
}

/// TLS 1.2 and 1.3 as ring does them, with Mozilla's roots and the operator's. The provider is named, because a process-wide
/// default could be set by any dependency.
pub(super) fn config(more: &Authorities) -> Arc<ClientConfig> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // Each was accepted when it was read.
    roots.add_parsable_certificates(more.0.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the protocol versions that rustls thinks safe")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// The name that the certificate of this host must bear.
pub(crate) fn name<S: AsRef<str>>(host: &Option<Host<S>>) -> Result<ServerName<'static>, Unreachable> {
    let unnamed = || Unreachable("The name of the receiver cannot stand in a certificate.".to_owned());
    match host {
        Some(Host::Ipv4(ip)) => Ok(ServerName::from(IpAddr::from(*ip))),
        Some(Host::Ipv6(ip)) => Ok(ServerName::from(IpAddr::from(*ip))),
        Some(Host::Domain(name)) => {
            let name = name.as_ref().trim_end_matches('.').to_owned();
            ServerName::try_from(name).map_err(|_| unnamed())
        }
        None => Err(unnamed()),
    }
}

/// Puts TLS on a connection. `mute` says what to check where the other side closes instead of shaking hands.
pub(super) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    name: ServerName<'static>,
    mute: &str,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<S>, Unreachable> {
    match timeout(HANDSHAKE_MAX, TlsConnector::from(config).connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Unreachable(explain(&error, mute))),
        Err(_) => Err(Unreachable(format!(
            "The receiver did not complete the TLS handshake within {} s.",
            HANDSHAKE_MAX.as_secs()
        ))),
    }
}

fn explain(error: &io::Error, mute: &str) -> String {
    let held = error.get_ref();
    if held.is_some_and(|held| held.is::<TooMuch>()) {
        return "The TLS handshake with the receiver failed: it never came to an end of what it sent.".to_owned();
    }
    match held.and_then(|held| held.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(flaw)) => {
            format!("The receiver's TLS certificate cannot be trusted: {}.", explain_certificate(flaw))
        }
        Some(cause) => format!("The TLS handshake with the receiver failed: {cause}."),
        None => format!("The receiver closed the connection during the TLS handshake; {mute}."),
    }
}

/// In our words, because rustls names the host it expected.
fn explain_certificate(flaw: &CertificateError) -> &'static str {
    match flaw {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::UnknownIssuer => {
            "it is not signed by a public authority, nor by one that the operator added with --extra-ca \
             (ONCUE_EXTRA_CA)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it was made for another name"
        }
        CertificateError::Revoked => "it was revoked",
        _ => "it is malformed or not meant for a server",
    }
}
