//! The way out for mail: what a server hears, what is made of what it says, and where mail does not go at all.

mod misbehaviour;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use oncue_domain::destination::{Egress, Reach};
use oncue_domain::outbound::mail::{Login, Mail, Mailbox, Reply, Security, Server as Post, sender};
use oncue_domain::outbound::{Answer, Exchange, Outbound};
use oncue_engine::http::{HttpOutbound, Names, Settings, Turn};

use server::{Script, Server, Tls};

/// Long enough for a slow machine; no test waits for it to pass.
const AMPLE: Duration = Duration::from_secs(30);

const PASSWORD: &str = "correct horse";

fn mail(server: &Server, security: Security) -> Mail {
    let mailbox = |text: &str| Mailbox::parse(text).expect("an address");
    Mail {
        server: Post {
            host: Post::parse_host("127.0.0.1").expect("a host"),
            port: server.address.port(),
            security,
            login: Some(Login { user: "oncue".to_owned(), password: PASSWORD.to_owned() }),
        },
        from: mailbox("oncue <oncue@example.com>"),
        to: vec![mailbox("Zoë <zoe@example.org>"), mailbox("ops@example.org")],
        subject: "⏰ nightly fired".to_owned(),
        text: "It fired.\n.\n..two dots\n.end\n".to_owned(),
        message_id: "evt_01".to_owned(),
        sender: sender("https://oncue.example.com"),
        sent_at: "2026-11-22T05:00:00Z".parse::<Timestamp>().expect("an instant"),
        timeout: AMPLE,
    }
}

fn door(server: &Server, reach: Reach, deadline: Duration) -> HttpOutbound {
    let egress = Arc::new(Egress::new(reach, vec![]));
    HttpOutbound::new(Settings { authorities: server.authority(), deadline, ..Settings::new(egress) })
}

/// Sends over TLS to a server that says something else than a good one.
async fn send(script: Script) -> (Exchange, Server) {
    let security = if script.tls == Tls::AtOnce { Security::Tls } else { Security::StartTls };
    let server = Server::start(script).await;
    let mail = mail(&server, security);
    (door(&server, Reach::Loopback, AMPLE).send_mail(mail).await, server)
}

fn answer(exchange: Exchange) -> (u16, String) {
    let Answer { status, body, .. } = exchange.result.unwrap_or_else(|failure| panic!("an answer, not: {}", failure.0));
    (status, String::from_utf8(body).expect("words"))
}

fn failure(exchange: Exchange) -> String {
    exchange.result.expect_err("a failure").0
}

#[tokio::test]
async fn a_mail_is_handed_over_in_secret_and_as_it_was_written() {
    let (exchange, server) = send(Script::good(Tls::AtOnce)).await;

    assert!(exchange.took > Duration::ZERO);
    assert_eq!(answer(exchange), (250, "250 2.0.0 ok 2.0.0 queued as 4F9D1".to_owned()));
    let login = format!("🔒AUTH PLAIN {}", STANDARD.encode(format!("\0oncue\0{PASSWORD}")));
    assert_eq!(
        server.heard_to_the_end().await,
        [
            "🔒EHLO oncue.example.com",
            &login,
            "🔒MAIL FROM:<oncue@example.com>",
            "🔒RCPT TO:<zoe@example.org>",
            "🔒RCPT TO:<ops@example.org>",
            "🔒DATA",
            "🔒QUIT"
        ]
    );
    let mails = server.mails();
    let (head, text) = mails[0].split_once("\r\n\r\n").expect("a head and a text");
    let mut lines: Vec<&str> = head.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "Auto-Submitted: auto-generated",
            "Content-Transfer-Encoding: 7bit",
            "Content-Type: text/plain; charset=utf-8",
            "Date: Sun, 22 Nov 2026 05:00:00 +0000",
            "From: oncue <oncue@example.com>",
            "MIME-Version: 1.0",
            "Message-ID: <evt_01@oncue.example.com>",
            "Subject: =?utf-8?b?4o+w?= nightly fired",
            "To: =?utf-8?b?Wm/Dqw==?= <zoe@example.org>, ops@example.org"
        ]
    );
    assert_eq!(text, "It fired.\r\n.\r\n..two dots\r\n.end\r\n");
}

#[tokio::test]
async fn starttls_hides_everything_but_the_greeting() {
    let mut script = Script::good(Tls::OnRequest);
    script.offers = vec!["auth login cram-md5"];
    let (exchange, server) = send(script).await;
    assert_eq!(answer(exchange).0, 250);
    let heard = server.heard_to_the_end().await;
    assert_eq!(heard[..2], ["EHLO oncue.example.com", "STARTTLS"]);
    let name = format!("🔒{}", STANDARD.encode("oncue"));
    let password = format!("🔒{}", STANDARD.encode(PASSWORD));
    assert_eq!(heard[2..6], ["🔒EHLO oncue.example.com", "🔒AUTH LOGIN", &name, &password]);
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn nobody_logs_in_where_no_name_was_given() {
    let server = Server::start(Script::good(Tls::AtOnce)).await;
    let mut mail = mail(&server, Security::Tls);
    mail.server.login = None;
    mail.sender = sender("http://127.0.0.1:8000");
    assert_eq!(answer(door(&server, Reach::Loopback, AMPLE).send_mail(mail).await).0, 250);
    assert_eq!(server.heard()[..2], ["🔒EHLO [127.0.0.1]", "🔒MAIL FROM:<oncue@example.com>"]);
    assert!(server.mails()[0].contains("\r\nMessage-ID: <evt_01@[127.0.0.1]>\r\n"));
}

#[tokio::test]
async fn a_refusal_at_any_step_is_told_with_the_servers_words_and_ends_the_dialogue() {
    let rows = [
        ("GREETING", "554 no service here", Reply::Never, "The mail server takes nothing: 554 no service here"),
        ("GREETING", "421 too busy", Reply::Later, "The mail server takes nothing: 421 too busy"),
        ("EHLO", "502 what?", Reply::Never, "The mail server did not want to talk to us: 502 what?"),
        ("AUTH", "535 5.7.8 bad", Reply::Later, "The mail server refused the user name or the password: 535"),
        (
            "MAIL",
            "451 4.3.0 try again",
            Reply::Later,
            "The mail server refused the sender oncue@example.com: 451 4.3.0 try again",
        ),
        (
            "MAIL",
            "550-5.7.1 not\r\n550 5.7.1 yours",
            Reply::Never,
            "The mail server refused the sender oncue@example.com: 550 5.7.1 not 5.7.1 yours",
        ),
        (
            "RCPT TO:<ops@",
            "550 5.1.1 unknown",
            Reply::Never,
            "The mail server refused the recipient ops@example.org: 550 5.1.1 unknown",
        ),
        (
            "RCPT TO:<zoe@",
            "450 4.2.0 greylisted",
            Reply::Later,
            "The mail server refused the recipient zoe@example.org: 450 4.2.0 greylisted",
        ),
        (
            "DATA",
            "554 no valid recipients",
            Reply::Never,
            "The mail server did not want to hear the mail: 554 no valid recipients",
        ),
        (".", "552 5.3.4 too big", Reply::Never, "The mail server refused the mail: 552 5.3.4 too big"),
        (".", "451 \u{1b}[31mlater", Reply::Later, "The mail server refused the mail: 451  [31mlater"),
    ];
    for (to, reply, meaning, words) in rows {
        let (exchange, server) = send(Script::good(Tls::AtOnce).saying(to, reply)).await;
        let (status, body) = answer(exchange);
        assert_eq!((body.as_str(), Reply::of(status)), (words, meaning), "{to}: {reply}");
        assert_eq!(server.mails().len(), usize::from(to == "."), "{to}: {reply}");
        if to.starts_with("RCPT") {
            let heard = server.heard_to_the_end().await;
            assert!(
                heard[heard.len() - 2].contains(to) && !heard.iter().any(|line| line.contains("DATA")),
                "{heard:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_password_is_repeated_by_nobody() {
    let encoded = STANDARD.encode(format!("\0oncue\0{PASSWORD}"));
    let echo = format!("535 you said {encoded} that is {PASSWORD}");
    let (exchange, server) = send(Script::good(Tls::AtOnce).saying("AUTH", echo)).await;
    let told = format!("{:?} {:?}", exchange, mail(&server, Security::Tls));
    assert!(!told.contains(PASSWORD) && !told.contains(&encoded), "{told}");
    assert_eq!(answer(exchange).0, 535);
}

#[tokio::test]
async fn a_server_that_wants_another_login_is_told_apart() {
    let mut script = Script::good(Tls::AtOnce);
    script.offers = vec!["AUTH CRAM-MD5 XOAUTH2"];
    let (exchange, server) = send(script).await;
    assert!(failure(exchange).contains("no login with a user name and a password"));
    assert_eq!(server.heard_to_the_end().await, ["🔒EHLO oncue.example.com", "🔒QUIT"]);

    let mut script = Script::good(Tls::AtOnce).saying("CHALLENGE", "334 ZmF2b3VyaXRlIGNvbG91cj8=");
    script.offers = vec!["AUTH LOGIN"];
    assert!(failure(send(script).await.0).contains("asked something else"));
}

#[tokio::test]
async fn what_people_wrote_stays_text() {
    let server = Server::start(Script::good(Tls::AtOnce)).await;
    let mut mail = mail(&server, Security::Tls);
    mail.subject = "Hi\r\nBcc: victim@example.org\r\n\r\nbody\u{202e}".to_owned();
    mail.text = "a\r\n.\r\nMAIL FROM:<x@example.org>\r\nRCPT TO:<victim@example.org>\n.\nDATA\r.\rQUIT".to_owned();
    mail.from = Mailbox::parse("\"Bcc: victim@example.org, x\" <oncue@example.com>").expect("a mailbox");
    assert_eq!(answer(door(&server, Reach::Loopback, AMPLE).send_mail(mail).await).0, 250);

    let heard = server.heard_to_the_end().await;
    assert_eq!(heard.iter().filter(|line| line.contains("MAIL") || line.contains("victim")).count(), 1, "{heard:?}");
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    let (head, text) = mails[0].split_once("\r\n\r\n").expect("a head and a text");
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert!(head.contains("\r\nSubject: Hi  Bcc: victim@example.org    body\r\n"), "{head}");
    let name = STANDARD.encode("Bcc: victim@example.org, x");
    assert!(head.contains(&format!("From: =?utf-8?b?{name}?= <oncue@example.com>\r\n")), "{head}");
    assert_eq!(
        text,
        "a\r\n.\r\nMAIL FROM:<x@example.org>\r\nRCPT TO:<victim@example.org>\r\n.\r\nDATA\r\n.\r\nQUIT\r\n"
    );
}

#[tokio::test]
async fn mail_leaves_only_where_the_guard_allows() {
    let server = Server::start(Script::good(Tls::AtOnce)).await;
    let refused = door(&server, Reach::Public, AMPLE);
    for host in ["127.0.0.1", "localhost", "::1", "0x7f.1", "169.254.169.254", "10.0.0.1"] {
        let mut mail = mail(&server, Security::Tls);
        mail.server.host = Post::parse_host(host).expect("a host");
        let words = failure(refused.send_mail(mail).await);
        assert!(words.contains("deliveries"), "{host}: {words}");
    }
    let own = HttpOutbound::new(Settings::new(Arc::new(Egress::new(Reach::Private, vec![server.address]))));
    assert!(failure(own.send_mail(mail(&server, Security::Tls)).await).contains("oncue's own"));
    let mut elsewhere = mail(&server, Security::Tls);
    elsewhere.server.host = Post::parse_host("93.184.216.34").expect("a host");
    elsewhere.server.port = 6379;
    assert!(failure(refused.send_mail(elsewhere).await).contains("not to port 6379"));
    assert_eq!(server.connections(), 0);
}

/// Leads every name there.
struct Leading(Vec<SocketAddr>);

#[async_trait]
impl Names for Leading {
    async fn look_up(&self, _: &str, _: u16, _: Turn) -> Vec<SocketAddr> {
        self.0.clone()
    }
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_resolves_to_and_proved_by_the_certificate() {
    let mut script = Script::good(Tls::AtOnce);
    script.named = "smtp.example.com";
    let server = Server::start(script).await;
    let mut mail = mail(&server, Security::Tls);
    mail.server.host = Post::parse_host("smtp.example.com.").expect("a host");
    mail.server.port = 587;
    let inner = SocketAddr::from(([10, 0, 0, 1], server.address.port()));
    for (reach, leads, outcome) in [
        (Reach::Loopback, vec![server.address], Ok(250)),
        (Reach::Public, vec![server.address], Err("The mail server lies on the machine")),
        (Reach::Loopback, vec![server.address, inner], Err("The mail server lies in a private network")),
        (Reach::Loopback, vec![], Err("could not be resolved")),
    ] {
        let names = Arc::new(Leading(leads));
        let egress = Arc::new(Egress::new(reach, vec![]));
        let door = HttpOutbound::new(Settings { authorities: server.authority(), names, ..Settings::new(egress) });
        let exchange = door.send_mail(mail.clone()).await;
        match outcome {
            Ok(status) => assert_eq!(answer(exchange).0, status),
            Err(expected) => {
                let words = failure(exchange);
                assert!(words.contains(expected), "{words}");
            }
        }
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn what_is_known_of_the_connection_is_kept_for_the_receipt() {
    let (exchange, server) = send(Script::good(Tls::OnRequest)).await;
    assert_eq!(exchange.facts.address, Some(server.address));
    assert!(exchange.facts.connect_us.is_some() && exchange.facts.tls_us.is_some(), "{:?}", exchange.facts);
}
