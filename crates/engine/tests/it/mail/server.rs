//! A mail server for the tests: it follows a script, writes down what it hears, and says what it is told to say, right or wrong.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oncue_engine::http::Authorities;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

/// When the server does TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    AtOnce,
    OnRequest,
    Never,
}

/// What the server says. Where nothing is written down it says what a good server would.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) tls: Tls,
    /// Whom its certificate is for.
    pub(super) named: &'static str,
    /// What it offers after EHLO, once the connection is secret, and before it where TLS begins later.
    pub(super) offers: Vec<&'static str>,
    pub(super) offers_in_the_clear: Vec<&'static str>,
    /// To the first command that begins so it says this instead. `GREETING` and `.` are commands too. An empty reply closes the
    /// connection, one that ends in `…` is repeated for ever.
    pub(super) instead: Vec<(&'static str, String)>,
    /// How long it thinks before each byte.
    pub(super) hesitates: Duration,
}

impl Script {
    pub(super) fn good(tls: Tls) -> Script {
        Script {
            tls,
            named: "127.0.0.1",
            offers: vec!["PIPELINING", "SIZE 10240000", "AUTH PLAIN LOGIN", "8BITMIME"],
            offers_in_the_clear: vec!["SIZE 10240000", "STARTTLS"],
            instead: vec![],
            hesitates: Duration::ZERO,
        }
    }

    pub(super) fn saying(mut self, to: &'static str, reply: impl Into<String>) -> Script {
        self.instead.push((to, reply.into()));
        self
    }

    fn reply_to(&self, command: &str, good: &str) -> String {
        let wrong = self.instead.iter().find(|(to, _)| command.starts_with(to));
        wrong.map_or_else(|| good.to_owned(), |(_, reply)| reply.clone())
    }
}

/// The running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
    mails: Arc<Mutex<Vec<String>>>,
    pem: String,
}

impl Server {
    pub(super) async fn start(script: Script) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec![script.named.to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports them")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("the key fits the certificate");
        let server = Server {
            address,
            connections: Arc::default(),
            heard: Arc::default(),
            mails: Arc::default(),
            pem: cert.pem(),
        };
        let session = Session { script, heard: server.heard.clone(), mails: server.mails.clone() };
        let connections = server.connections.clone();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(session.clone().serve(tcp, acceptor.clone()));
            }
        });
        server
    }

    /// Trust in this server.
    pub(super) fn authority(&self) -> Authorities {
        Authorities::parse(self.pem.as_bytes()).expect("a certificate in PEM")
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// What it heard, line by line; what came over TLS is marked with a `🔒`.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }

    /// What it heard once somebody took leave.
    pub(super) async fn heard_to_the_end(&self) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(30);
        while self.heard().last().is_none_or(|line| !line.ends_with("QUIT")) {
            assert!(Instant::now() < until, "nobody took leave: {:?}", self.heard());
            sleep(Duration::from_millis(5)).await;
        }
        self.heard()
    }

    /// The mails it took, as they were before dots were doubled.
    pub(super) fn mails(&self) -> Vec<String> {
        self.mails.lock().expect("no panic").clone()
    }
}

#[derive(Clone)]
struct Session {
    script: Script,
    heard: Arc<Mutex<Vec<String>>>,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Session {
    async fn serve(self, mut tcp: TcpStream, acceptor: TlsAcceptor) {
        if self.script.tls == Tls::AtOnce {
            if let Ok(mut stream) = acceptor.accept(tcp).await {
                let _ = self.talk(&mut stream, true, true).await;
            }
            return;
        }
        if self.talk(&mut tcp, false, true).await == Some(Upgrade)
            && let Ok(mut stream) = acceptor.accept(tcp).await
        {
            let _ = self.talk(&mut stream, true, false).await;
        }
    }

    /// Talks until the connection ends or goes over to TLS.
    async fn talk<S>(&self, stream: &mut S, secret: bool, greets: bool) -> Option<Upgrade>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut stream = BufReader::new(stream);
        if greets {
            self.say(&mut stream, "GREETING", "220 mx.example.com ESMTP ready").await?;
        }
        loop {
            let line = hear(&mut stream).await?;
            self.note(&line, secret);
            match line.split(' ').next().unwrap_or_default() {
                "EHLO" => {
                    let offers = if secret { &self.script.offers } else { &self.script.offers_in_the_clear };
                    let mut reply = "250-mx.example.com at your service".to_owned();
                    offers.iter().for_each(|offer| reply.push_str(&format!("\r\n250-{offer}")));
                    self.say(&mut stream, &line, &format!("{reply}\r\n250 HELP")).await?;
                }
                "STARTTLS" => {
                    self.say(&mut stream, &line, "220 go ahead").await?;
                    if !self.script.instead.iter().any(|(to, _)| *to == "STARTTLS") {
                        return Some(Upgrade);
                    }
                }
                "AUTH" if line == "AUTH LOGIN" => {
                    for challenge in ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] {
                        self.say(&mut stream, "CHALLENGE", challenge).await?;
                        let told = hear(&mut stream).await?;
                        self.note(&told, secret);
                    }
                    self.say(&mut stream, &line, "235 2.7.0 welcome").await?;
                }
                "AUTH" => self.say(&mut stream, &line, "235 2.7.0 welcome").await?,
                "DATA" => {
                    self.say(&mut stream, &line, "354 go on").await?;
                    let mut mail = String::new();
                    loop {
                        let line = hear(&mut stream).await?;
                        if line == "." {
                            break;
                        }
                        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                        mail.push_str("\r\n");
                    }
                    self.mails.lock().expect("no panic").push(mail);
                    self.say(&mut stream, ".", "250-2.0.0 ok\r\n250 2.0.0 queued as 4F9D1").await?;
                }
                "QUIT" => {
                    self.say(&mut stream, &line, "221 bye").await?;
                    return None;
                }
                _ => self.say(&mut stream, &line, "250 2.1.0 ok").await?,
            }
        }
    }

    fn note(&self, line: &str, secret: bool) {
        self.heard.lock().expect("no panic").push(format!("{}{line}", if secret { "🔒" } else { "" }));
    }

    async fn say<S: AsyncWrite + Unpin>(&self, stream: &mut S, to: &str, good: &str) -> Option<()> {
        let reply = self.script.reply_to(to, good);
        if let Some(endless) = reply.strip_suffix('…') {
            while stream.write_all(endless.as_bytes()).await.is_ok() && stream.flush().await.is_ok() {}
            return None;
        }
        if reply.is_empty() {
            return None;
        }
        let reply = format!("{reply}\r\n");
        if self.script.hesitates.is_zero() {
            stream.write_all(reply.as_bytes()).await.ok()?;
        } else {
            for byte in reply.bytes() {
                sleep(self.script.hesitates).await;
                stream.write_all(&[byte]).await.ok()?;
                stream.flush().await.ok()?;
            }
        }
        stream.flush().await.ok()
    }
}

#[derive(PartialEq, Eq)]
struct Upgrade;

async fn hear<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    // A command ends in CR and LF, and nothing else in it does.
    (read > 0).then(|| line.strip_suffix("\r\n").expect("lines end in CRLF").to_owned())
}
