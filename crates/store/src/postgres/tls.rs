//! How the server proves who it is. The authorities' files are read here, once; which of the ways an operator asked for is
//! `address`'s.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Authorities, Encryption, Mode};

/// What the database is dialled with; says in words for an operator which file is wrong.
pub(super) fn connector(encryption: &Encryption) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trust = match &encryption.authorities {
        // As in libpq, who names authorities without asking for a check means them to be asked.
        Some(authorities) => Some(Trust::in_authorities(authorities)?),
        None => None,
    };
    let verifier = Verifier { trust, name: encryption.mode == Mode::VerifyFull, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &encryption.identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates("sslcert", certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|_| unreadable("sslkey", key, "a private key"))?;
            config
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("sslcert and sslkey do not fit: {error}"))?
        }
    };
    // Servers that are spoken to without asking first want to know for what.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

#[derive(Debug)]
struct Trust {
    roots: RootCertStore,
    /// Named by the operator as they are: a server that signed its own certificate is known by it.
    known: Vec<CertificateDer<'static>>,
}

impl Trust {
    fn in_authorities(authorities: &Authorities) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let known = match authorities {
            Authorities::File(path) => certificates("sslrootcert", path)?,
            Authorities::System => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                }
                Vec::new()
            }
        };
        roots.add_parsable_certificates(known.iter().cloned());
        if roots.is_empty() {
            Err("sslrootcert holds no certificate of an authority".into())
        } else {
            Ok(Self { roots, known })
        }
    }
}

fn certificates(parameter: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.ok().filter(|certificates| !certificates.is_empty());
    read.ok_or_else(|| unreadable(parameter, path, "certificates"))
}

fn unreadable(parameter: &str, path: &Path, what: &str) -> String {
    format!("{parameter}: {} cannot be read, or holds not {what} as PEM", path.display())
}

/// Asks as much as the operator wanted. Whoever the server is, it must hold the key of the certificate it shows.
#[derive(Debug)]
struct Verifier {
    trust: Option<Trust>,
    name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(trust) = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        if !trust.known.contains(end_entity) {
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, &trust.roots, intermediates, now, algorithms)?;
        }
        if self.name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
