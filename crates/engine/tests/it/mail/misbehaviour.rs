//! Servers that say nothing, too much, or what makes no sense, and whoever sits between them and us.

use std::sync::Arc;
use std::time::Duration;

use oncue_domain::destination::{Egress, Reach};
use oncue_domain::outbound::Outbound;
use oncue_domain::outbound::mail::Security;
use oncue_engine::http::{HttpOutbound, Settings};

use super::server::{Script, Server, Tls};
use super::{AMPLE, answer, door, failure, mail, send};

/// For servers that never end: the tests wait for this one to pass.
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_kind_reply_that_makes_no_sense_is_no_success() {
    for (to, reply) in
        [("GREETING", "250 hello"), ("MAIL", "354 go on"), ("DATA", "250 ok"), (".", "354 more"), ("AUTH", "250 ok")]
    {
        let (exchange, _server) = send(Script::good(Tls::AtOnce).saying(to, reply)).await;
        assert!(failure(exchange).contains("where that means nothing"), "{to}: {reply}");
    }
}

#[tokio::test]
async fn stripped_starttls_sends_nothing_in_the_clear() {
    let mut stripped = Script::good(Tls::Never);
    stripped.offers_in_the_clear = vec!["AUTH PLAIN LOGIN", "XSTARTTLS", "STARTTLSX"];
    let (exchange, server) = send(stripped).await;
    assert!(failure(exchange).contains("offers no STARTTLS"));
    assert_eq!(server.heard(), ["EHLO oncue.example.com"]);

    let (exchange, server) = send(Script::good(Tls::Never).saying("STARTTLS", "454 not now")).await;
    assert_eq!(answer(exchange), (454, "The mail server did not begin TLS: 454 not now".to_owned()));
    assert_eq!(server.heard(), ["EHLO oncue.example.com", "STARTTLS"]);

    // Whatever it says, without a handshake there is no mail.
    let (exchange, server) = send(Script::good(Tls::Never).saying("STARTTLS", "220 ha\r\n250 who needs it")).await;
    assert!(failure(exchange).contains("out of turn"));
    assert_eq!(server.heard(), ["EHLO oncue.example.com", "STARTTLS"]);
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_gets_nothing() {
    for tls in [Tls::AtOnce, Tls::OnRequest] {
        let mut script = Script::good(tls);
        script.named = "mail.example.com";
        let (exchange, server) = send(script).await;
        let words = failure(exchange);
        assert!(words.contains("made for another name") && !words.contains("127.0.0.1"), "{words}");
        assert!(!server.heard().iter().any(|line| line.contains('🔒')), "{:?}", server.heard());
    }
    let server = Server::start(Script::good(Tls::AtOnce)).await;
    // Nobody has signed this server's certificate.
    let stranger = HttpOutbound::new(Settings::new(Arc::new(Egress::new(Reach::Loopback, vec![]))));
    assert!(failure(stranger.send_mail(mail(&server, Security::Tls)).await).contains("cannot be trusted"));
}

#[tokio::test]
async fn tls_where_there_is_none_and_none_where_there_is_are_told_in_plain_words() {
    let plain = Server::start(Script::good(Tls::OnRequest).saying("GREETING", "")).await;
    let words = failure(door(&plain, Reach::Loopback, AMPLE).send_mail(mail(&plain, Security::Tls)).await);
    assert!(words.contains("TLS handshake"), "{words}");

    let plain = Server::start(Script::good(Tls::OnRequest)).await;
    let words = failure(door(&plain, Reach::Loopback, AMPLE).send_mail(mail(&plain, Security::Tls)).await);
    assert!(words.contains("TLS handshake"), "{words}");

    let secret = Server::start(Script::good(Tls::AtOnce)).await;
    let words = failure(door(&secret, Reach::Loopback, SHORT).send_mail(mail(&secret, Security::StartTls)).await);
    assert!(words.contains("did not take the mail within 0.3 s"), "{words}");
}

#[tokio::test]
async fn a_connection_may_be_cut_at_any_step() {
    for to in ["GREETING", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."] {
        let (exchange, _server) = send(Script::good(Tls::AtOnce).saying(to, "")).await;
        assert_eq!(failure(exchange), "The mail server closed the connection before it took the mail.", "{to}");
    }
    for to in ["EHLO", "STARTTLS"] {
        let (exchange, _server) = send(Script::good(Tls::OnRequest).saying(to, "")).await;
        assert!(failure(exchange).contains("closed the connection"), "{to}");
    }
}

#[tokio::test]
async fn a_server_that_took_the_mail_may_leave_without_goodbye() {
    let (exchange, server) = send(Script::good(Tls::AtOnce).saying("QUIT", "421 rude…")).await;
    assert_eq!(answer(exchange).0, 250);
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn one_deadline_holds_for_servers_that_say_nothing_or_little() {
    let mut slow = Script::good(Tls::AtOnce);
    slow.hesitates = Duration::from_millis(20);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let server = Server::start(slow).await;
    let mut to_silent = mail(&server, Security::StartTls);
    to_silent.server.port = silent.local_addr().expect("a bound socket has an address").port();
    let mut impatient = mail(&server, Security::Tls);
    impatient.timeout = SHORT;
    let hasty = door(&server, Reach::Loopback, SHORT);
    for (door, mail) in [
        (&hasty, to_silent),
        (&hasty, mail(&server, Security::Tls)),
        (&door(&server, Reach::Loopback, AMPLE), impatient),
    ] {
        let exchange = door.send_mail(mail).await;
        assert!(exchange.took >= SHORT && exchange.took < AMPLE, "{:?}", exchange.took);
        assert_eq!(failure(exchange), "The mail server did not take the mail within 0.3 s.");
    }
}

#[tokio::test]
async fn endless_answers_end_at_a_bound() {
    for (to, endless) in [("GREETING", "220-x\r\n…"), ("EHLO", "250-SIZE\r\n…"), (".", "250-thanks\r\n…")] {
        let (exchange, _server) = send(Script::good(Tls::AtOnce).saying(to, endless)).await;
        assert!(failure(exchange).contains("more than 16 KiB"), "{to}");
    }
    // A record for each byte: what the packaging takes counts as well.
    let (exchange, _server) = send(Script::good(Tls::AtOnce).saying("GREETING", "2…")).await;
    assert_eq!(failure(exchange), "The mail server said too much: more than 256 KiB were received.");
    for garbage in ["HTTP/1.1 400 Bad Request", "hello", "2x0 hi", "999 hi"] {
        let (exchange, _server) = send(Script::good(Tls::AtOnce).saying("GREETING", garbage)).await;
        assert!(failure(exchange).contains("not SMTP"), "{garbage}");
    }
}
