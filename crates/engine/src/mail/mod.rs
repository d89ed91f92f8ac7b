//! The way out for mail: speaks SMTP with the server that a user named, as its client for submission (RFC 6409), and brings back
//! what came of it. The promises are those of the way out for requests: only judged addresses are dialled, everything a server
//! may say is bounded in bytes and in time, and no word of ours repeats a password. What a mail says is decided in the
//! domain, and what a reply means for the delivery too.
//!
//! The grammar is lettre's: how a mail is written down, how commands are spelled, how replies are read. Its connection is not used:
//! for STARTTLS it makes a TLS configuration of its own, where ours knows whom to trust, and what a server slips in before the
//! handshake it would read as if it had come after.

use std::sync::Arc;
use std::time::Duration;

use oncue_domain::destination::Egress;
use oncue_domain::outbound::mail::{Mail, Security};
use oncue_domain::outbound::{Answer, Exchange, Failure};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

mod dialogue;
mod letter;
mod wire;

use dialogue::Dialogue;

use crate::http::connect::{Connector, Unreachable};
use crate::http::progress::Progress;
use crate::http::tls;

/// How long a server may take to say goodbye. Nobody waits for it.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// Hands mails to their servers, each on a connection of its own: mail is rare, and servers close idle connections.
pub struct Mailer {
    egress: Arc<Egress>,
    connector: Connector,
    deadline: Duration,
}

impl Mailer {
    /// Goes where `egress` allows, by `connector`, which asks the same guard, and takes no longer than `deadline` for a mail.
    pub(crate) fn new(egress: Arc<Egress>, connector: Connector, deadline: Duration) -> Mailer {
        Mailer { egress, connector, deadline }
    }

    /// Hands one mail to its server. An answer bears the code of the reply that decided and a sentence with the server's words;
    /// every recipient gets the mail, or the answer says whom the server did not want and none does.
    pub async fn send(&self, mail: Mail) -> Exchange {
        let began = Instant::now();
        let mut progress = Progress::new();
        let allowed = self.deadline.min(mail.timeout);
        let result = match timeout(allowed, self.exchange(&mail, &mut progress)).await {
            Ok(Ok(answer) | Err(Stop::Refused(answer))) => Ok(answer),
            Ok(Err(Stop::Failed(failure))) => Err(failure),
            Err(_) if progress.is_waiting_for_turn() => Err(Failure(progress.too_late(allowed))),
            Err(_) => {
                Err(Failure(format!("The mail server did not take the mail within {} s.", allowed.as_secs_f64())))
            }
        };
        Exchange { result, took: began.elapsed(), facts: progress.facts() }
    }

    async fn exchange(&self, mail: &Mail, progress: &mut Progress) -> Result<Answer, Stop> {
        let letter = letter::write(mail)?;
        let server = &mail.server;
        self.egress.judge_host(&server.host, server.port).map_err(|refusal| failed(refusal.0))?;
        let name = tls::name(&Some(server.host.clone()))?;
        let tcp = self.connector.reach(&server.host.to_string(), server.port, progress).await?;
        match server.security {
            Security::Tls => {
                let secret = self.connector.secure(tcp, name, "check the port, or choose STARTTLS", progress).await?;
                let mut dialogue = Dialogue::new(secret);
                dialogue.greeting().await?;
                converse(dialogue, mail, &letter).await
            }
            Security::StartTls => {
                let mut dialogue = Dialogue::new(tcp);
                dialogue.greeting().await?;
                let tcp = dialogue.start_tls(&mail.sender).await?;
                let secret = self.connector.secure(tcp, name, "check the port, or choose TLS", progress).await?;
                converse(Dialogue::new(secret), mail, &letter).await
            }
        }
    }
}

/// Everything that is said in secret.
async fn converse<T>(mut dialogue: Dialogue<T>, mail: &Mail, letter: &[u8]) -> Result<Answer, Stop>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let outcome = dialogue.submit(mail, letter).await;
    // What the server decided stands; its goodbye could only make it late, or even look like a failure.
    tokio::spawn(async move { timeout(GOODBYE_MAX, dialogue.quit()).await });
    outcome
}

/// Why a mail went no further.
#[derive(Debug)]
enum Stop {
    /// The server said no.
    Refused(Answer),
    /// Nothing was said that could be understood.
    Failed(Failure),
}

fn failed(sentence: impl Into<String>) -> Stop {
    Stop::Failed(Failure(sentence.into()))
}

impl From<Unreachable> for Stop {
    fn from(unreachable: Unreachable) -> Stop {
        failed(unreachable.0)
    }
}
