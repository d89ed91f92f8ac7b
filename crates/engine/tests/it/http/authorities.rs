//! TLS to receivers: whose certificates are good, with the operator's authorities and without, directly and through a proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use oncue_domain::destination::{Egress, Reach};
use oncue_engine::http::{Authorities, HttpOutbound, Settings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::names::Told;
use super::proxy::{ESTABLISHED, Stand};
use super::{AMPLE, Receiver, answer, failure, send, settings};

/// An authority, and a certificate of its making.
struct Made {
    authority: String,
    config: Arc<ServerConfig>,
}

static MADE: AtomicUsize = AtomicUsize::new(0);

fn made(name: &str, until_year: i32) -> Made {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let number = MADE.fetch_add(1, Ordering::SeqCst);
    params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.not_after = date_time_ymd(until_year, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let server = params.signed_by(&key, &authority).expect("a certificate");
    let chain = vec![CertificateDer::from_pem_slice(server.pem().as_bytes()).expect("its own PEM")];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("its own PEM");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .expect("a server");
    Made { authority: authority.pem(), config: Arc::new(config) }
}

/// Answers each request with the name that TLS asked for.
async fn secure(config: Arc<ServerConfig>) -> Receiver {
    Receiver::start(move |stream: TcpStream, _| {
        let acceptor = TlsAcceptor::from(config.clone());
        async move {
            let Ok(mut tls) = acceptor.accept(stream).await else { return };
            let name = tls.get_ref().1.server_name().unwrap_or("none").to_owned();
            let mut piece = [0; 4096];
            while tls.read(&mut piece).await.is_ok_and(|n| n > 0) {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
                let _ = tls.write_all(answer.as_bytes()).await;
            }
        }
    })
    .await
}

fn out(address: SocketAddr, authorities: Authorities) -> HttpOutbound {
    let names = Told::new("shop.example", vec![vec![address]]);
    let egress = Egress::new(Reach::Public, vec![]).exempting(address);
    HttpOutbound::new(Settings { names, authorities, ..settings(egress, AMPLE) })
}

fn trusting(pem: &str) -> Authorities {
    Authorities::parse(pem.as_bytes()).expect("a certificate")
}

#[tokio::test]
async fn a_certificate_of_an_added_authority_is_good_for_its_own_name() {
    let good = made("shop.example", 2200);
    let receiver = secure(good.config.clone()).await;
    let port = receiver.address.port();
    let url = format!("https://shop.example:{port}/");

    let exchange = send(&out(receiver.address, trusting(&good.authority)), &url).await;
    assert!(exchange.facts.tls_us.is_some() && exchange.facts.connect_us.is_some());
    assert_eq!(answer(exchange).body, b"shop.example");

    let unknown = failure(send(&out(receiver.address, Authorities::default()), &url).await);
    assert!(unknown.contains("not signed by a public authority") && unknown.contains("--extra-ca"), "{unknown}");
    let stranger = made("shop.example", 2200);
    let unknown = failure(send(&out(receiver.address, trusting(&stranger.authority)), &url).await);
    assert!(unknown.contains("not signed by a public authority"), "{unknown}");
    let both = trusting(&format!("{}\nsome words\n{}", stranger.authority, good.authority));
    assert_eq!(answer(send(&out(receiver.address, both), &url).await).status, 200);

    for (certificate, words) in
        [(made("other.example", 2200), "it was made for another name"), (made("shop.example", 1990), "it has expired")]
    {
        let receiver = secure(certificate.config.clone()).await;
        let url = format!("https://shop.example:{}/", receiver.address.port());
        let failure = failure(send(&out(receiver.address, trusting(&certificate.authority)), &url).await);
        assert!(failure.contains(words) && !failure.contains(".example"), "{failure}");
    }
}

#[tokio::test]
async fn a_certificate_may_be_made_for_an_address() {
    let made = made("127.0.0.1", 2200);
    let receiver = secure(made.config.clone()).await;
    let exchange =
        send(&out(receiver.address, trusting(&made.authority)), &format!("https://{}/", receiver.address)).await;
    assert_eq!(answer(exchange).body, b"none");
}

#[tokio::test]
async fn tls_inside_a_tunnel_is_with_the_receiver_by_its_name() {
    let good = made("shop.example", 2200);
    let receiver = secure(good.config.clone()).await;
    let stand = Stand::start(&[ESTABLISHED], Some(receiver.address)).await;
    let names = || Told::new("shop.example", vec![vec!["93.184.216.34:443".parse().expect("a socket address")]]);
    let settings = Settings { authorities: trusting(&good.authority), ..stand.out(names()) };
    let exchange = send(&HttpOutbound::new(settings), "https://shop.example/hook").await;
    assert!(exchange.facts.tls_us.is_some());
    assert_eq!(answer(exchange).body, b"shop.example");
    assert!(stand.asked()[0].starts_with("CONNECT 93.184.216.34:443 HTTP/1.1\r\n"));
    let distrusting = send(&HttpOutbound::new(stand.out(names())), "https://shop.example/hook").await;
    assert!(
        failure(distrusting).contains("certificate cannot be trusted"),
        "a proxy that breaks TLS open is no receiver"
    );
}

#[test]
fn what_is_no_list_of_authorities_is_refused_with_words() {
    let good = made("shop.example", 2200).authority;
    let cut = &good[..good.len() / 2];
    let rows: [(&[u8], &str); 5] = [
        (b"", "no certificate"),
        (b"\x30\x82\x01\x02", "no certificate"),
        (b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", "number 1"),
        (b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "number 1"),
        (cut.as_bytes(), "certificate"),
    ];
    for (pem, words) in rows {
        let wrong = Authorities::parse(pem).expect_err("no authorities");
        assert!(wrong.contains(words), "{wrong}");
    }
    let wrong = Authorities::parse(
        format!("{good}-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n").as_bytes(),
    );
    assert!(wrong.expect_err("one is no certificate").contains("number 2"));
    let key = KeyPair::generate().expect("a key").serialize_pem();
    assert!(Authorities::parse(key.as_bytes()).expect_err("a key").contains("no certificate"));
}
