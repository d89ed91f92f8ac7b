//! The same over reqwest, with the guard where reqwest lets one stand: before the call, for what is typed, and in the look-up of names.
//! The look-up is told no port and is not asked about literal addresses; a guard needs both, so here it is given the only port there is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oncue_domain::destination::Egress;
use oncue_domain::outbound::{ANSWER_BYTES_MAX, Answer, Failure, Method, Request};
use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use crate::Sends;

/// How much of an answer's body is read.
const BODY_READ_BYTES_MAX: usize = 64 * 1024;

/// No exchange takes longer.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long a connection may take.
const DIAL_MAX: Duration = Duration::from_secs(5);

/// reqwest's client, guarded.
pub(crate) struct Theirs {
    client: Client,
    egress: Arc<Egress>,
}

impl Theirs {
    /// One that judges as `egress` does; names are taken to be called at `port`.
    pub(crate) fn new(egress: Arc<Egress>, port: u16) -> Theirs {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(DIAL_MAX)
            .dns_resolver(Guarded { egress: Arc::clone(&egress), port })
            .build()
            .expect("a client without TLS needs nothing");
        Theirs { client, egress }
    }

    async fn exchange(&self, request: Request) -> reqwest::Result<Answer> {
        let method = match request.method {
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
        };
        let mut call = self.client.request(method, request.url).timeout(DEADLINE).body(request.body);
        for (name, value) in &request.headers {
            call = call.header(name.as_ref(), value);
        }
        let mut response = call.send().await?;
        let lines = response.headers().iter();
        let headers = lines
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let (mut body, mut read) = (Vec::new(), 0);
        while let Some(data) = response.chunk().await? {
            read += data.len();
            let room = ANSWER_BYTES_MAX - body.len();
            body.extend_from_slice(&data[..data.len().min(room)]);
            if read >= BODY_READ_BYTES_MAX {
                break;
            }
        }
        Ok(Answer { status: response.status().as_u16(), headers, body })
    }
}

#[async_trait]
impl Sends for Theirs {
    async fn call(&self, request: Request) -> Result<Answer, Failure> {
        self.egress.judge_url(&request.url).map_err(|refusal| Failure(refusal.0))?;
        self.exchange(request).await.map_err(|error| Failure(error.to_string()))
    }
}

/// Looks names up, and gives only what was judged.
struct Guarded {
    egress: Arc<Egress>,
    port: u16,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, port) = (Arc::clone(&self.egress), self.port);
        Box::pin(async move {
            let answers: Vec<_> = tokio::net::lookup_host((name.as_str(), port)).await?.collect();
            let judged = egress.judge_answers(name.as_str(), &answers)?.to_vec();
            Ok(Box::new(judged.into_iter()) as Addrs)
        })
    }
}
