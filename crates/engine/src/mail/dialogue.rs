//! What is said to a mail server, in which order, and which of its replies let it go on (RFC 5321, 3207 and 4954). Bytes are
//! the business of `wire`.

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::{Auth, Data, Ehlo, Mail as MailFrom, Quit, Rcpt, Starttls};
use lettre::transport::smtp::response::Response;
use oncue_domain::outbound::mail::{Login, Mail, Mailbox};
use oncue_domain::outbound::{ANSWER_BYTES_MAX, Answer};
use tokio::io::{AsyncRead, AsyncWrite};
use url::Host;

use super::letter;
use super::wire::Wire;
use super::{Stop, failed};

/// How many challenges of one login are answered: LOGIN asks for a name and for a password.
const CHALLENGES_MAX: usize = 2;

/// How much of the server's words is repeated, in characters.
const WORDS_CHARS_MAX: usize = 1000;

/// A conversation with a mail server.
pub(super) struct Dialogue<T> {
    wire: Wire<T>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Dialogue<T> {
    pub(super) fn new(stream: T) -> Dialogue<T> {
        Dialogue { wire: Wire::new(stream) }
    }

    /// Waits for the server's first word.
    pub(super) async fn greeting(&mut self) -> Result<(), Stop> {
        let reply = self.wire.reply().await?;
        expect(&reply, |code| code == 220, "The mail server takes nothing")
    }

    /// Asks for TLS, and gives the connection back for the handshake. A server that does not offer it, or somebody on the way who
    /// hides that it does, gets nothing else to hear.
    pub(super) async fn start_tls(mut self, sender: &Host<String>) -> Result<T, Stop> {
        let offers = self.hello(sender).await?;
        if !offers.iter().any(|offer| offer.eq_ignore_ascii_case("STARTTLS")) {
            return Err(failed(
                "The mail server offers no STARTTLS, and nothing is sent in the clear; check the port, or choose TLS.",
            ));
        }
        let reply = self.wire.say(Starttls).await?;
        expect(&reply, |code| code == 220, "The mail server did not begin TLS")?;
        self.wire
            .into_stream()
            .ok_or_else(|| failed("The mail server, or somebody on the way, spoke out of turn before TLS began."))
    }

    /// Hands over one mail on a connection that is secret by now.
    pub(super) async fn submit(&mut self, mail: &Mail, letter: &[u8]) -> Result<Answer, Stop> {
        let offers = self.hello(&mail.sender).await?;
        if let Some(login) = &mail.server.login {
            self.log_in(login, &offers).await?;
        }
        let reply = self.wire.say(MailFrom::new(Some(address(&mail.from)?), vec![])).await?;
        expect(&reply, is_done, &format!("The mail server refused the sender {}", mail.from.address()))?;
        for recipient in &mail.to {
            let reply = self.wire.say(Rcpt::new(address(recipient)?, vec![])).await?;
            expect(&reply, is_done, &format!("The mail server refused the recipient {}", recipient.address()))?;
        }
        let reply = self.wire.say(Data).await?;
        expect(&reply, |code| code == 354, "The mail server did not want to hear the mail")?;
        self.wire.write(&letter::transparent(letter)).await?;
        let reply = self.wire.reply().await?;
        expect(&reply, is_done, "The mail server refused the mail")?;
        Ok(answer(u16::from(reply.code()), &format!("{} {}", reply.code(), words(&reply))))
    }

    /// Takes leave.
    pub(super) async fn quit(&mut self) -> Result<(), Stop> {
        self.wire.say(Quit).await.map(drop)
    }

    /// Says who we are; what the server offers comes back, a line each.
    async fn hello(&mut self, sender: &Host<String>) -> Result<Vec<String>, Stop> {
        let reply = self.wire.say(Ehlo::new(letter::client_id(sender))).await?;
        expect(&reply, is_done, "The mail server did not want to talk to us")?;
        Ok(reply.message().skip(1).map(|line| line.trim().to_owned()).collect())
    }

    async fn log_in(&mut self, login: &Login, offers: &[String]) -> Result<(), Stop> {
        let Some(mechanism) = mechanism(offers) else {
            return Err(failed(
                "The mail server offers no login with a user name and a password (PLAIN or LOGIN); check the port.",
            ));
        };
        let unusable = |_| failed("The mail server asked something else than a user name and a password.");
        let credentials = Credentials::new(login.user.clone(), login.password.clone());
        let first = Auth::new(mechanism, credentials.clone(), None).map_err(unusable)?;
        let mut reply = self.wire.say(first).await?;
        for _ in 0..CHALLENGES_MAX {
            if !reply.has_code(334) {
                break;
            }
            let next = Auth::new_from_response(mechanism, credentials.clone(), &reply).map_err(unusable)?;
            reply = self.wire.say(next).await?;
        }
        // The code alone: a server may repeat what it was told.
        match u16::from(reply.code()) {
            235 => Ok(()),
            code @ 400..=599 => Err(Stop::Refused(answer(
                code,
                &format!("The mail server refused the user name or the password: {code}"),
            ))),
            code => Err(senseless(code)),
        }
    }
}

/// PLAIN where there is a choice: it asks nothing, and TLS keeps it secret.
fn mechanism(offers: &[String]) -> Option<Mechanism> {
    let offered = |wanted: &str| {
        offers.iter().any(|offer| {
            let mut offer = offer.split([' ', '=']);
            offer.next().is_some_and(|keyword| keyword.eq_ignore_ascii_case("AUTH"))
                && offer.any(|name| name.eq_ignore_ascii_case(wanted))
        })
    };
    [("PLAIN", Mechanism::Plain), ("LOGIN", Mechanism::Login)]
        .into_iter()
        .find_map(|(name, mechanism)| offered(name).then_some(mechanism))
}

fn is_done(code: u16) -> bool {
    (200..300).contains(&code)
}

/// Goes on where the reply is the expected one. One that refuses becomes an answer; a kind one that makes no sense here must
/// not, or its code would be taken for success.
fn expect(reply: &Response, is_right: fn(u16) -> bool, refused: &str) -> Result<(), Stop> {
    match u16::from(reply.code()) {
        code if is_right(code) => Ok(()),
        code @ 400..=599 => Err(Stop::Refused(answer(code, &format!("{refused}: {code} {}", words(reply))))),
        code => Err(senseless(code)),
    }
}

fn senseless(code: u16) -> Stop {
    failed(format!("The mail server answered {code} where that means nothing."))
}

/// The server's words on one line, without what could colour or rewrite a terminal or a page.
fn words(reply: &Response) -> String {
    let all = reply.message().collect::<Vec<_>>().join(" ");
    all.chars().take(WORDS_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn answer(status: u16, sentence: &str) -> Answer {
    let mut body = sentence.trim_end().as_bytes().to_vec();
    body.truncate(ANSWER_BYTES_MAX);
    Answer { status, headers: Vec::new(), body }
}

fn address(mailbox: &Mailbox) -> Result<Address, Stop> {
    letter::address(mailbox).map_err(Stop::Failed)
}
