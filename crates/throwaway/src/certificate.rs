//! A server certificate for one host name, and the authority that signed it: both made on the spot and worth nothing.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

use crate::error::Error;

/// What goes into three files, as PEM.
pub(crate) struct Certificate {
    pub(crate) authority: String,
    pub(crate) server: String,
    pub(crate) key: String,
}

/// A certificate for a host name or an address.
pub(crate) fn for_host(host: &str) -> Result<Certificate, Error> {
    make(host).map_err(|error| Error::new(format!("no certificate could be made for {host}: {error}")))
}

fn make(host: &str) -> Result<Certificate, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, format!("throw-away authority for {host}"));
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, host);
    let key = KeyPair::generate()?;
    let server = params.signed_by(&key, &authority)?;
    Ok(Certificate { authority: authority.pem(), server: server.pem(), key: key.serialize_pem() })
}
