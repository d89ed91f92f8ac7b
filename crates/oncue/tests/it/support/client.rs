//! A client that takes every answer as it comes: no redirect is followed, no status is an error, no cookie is kept.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderMap, Request};

/// Somebody who speaks to a server: an address, and headers that go with every request.
#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
    headers: Vec<(String, String)>,
}

impl Client {
    /// Nobody in particular. Every request has its own connection, so that no test feels how another request ended.
    pub(crate) fn new(base: &str) -> Client {
        Client::with_connections(base, 0)
    }

    /// The same client, with connections that are kept for the next request: for load.
    pub(crate) fn keeping_alive(&self) -> Client {
        Client { headers: self.headers.clone(), ..Client::with_connections(&self.base, 16) }
    }

    fn with_connections(base: &str, idle_max: usize) -> Client {
        let config = ureq::Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_idle_connections(idle_max)
            .max_idle_connections_per_host(idle_max)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Client { agent: config.new_agent(), base: base.to_owned(), headers: Vec::new() }
    }

    /// The same client with one more header on every request.
    pub(crate) fn with(&self, name: &str, value: &str) -> Client {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same client with these credentials.
    pub(crate) fn bearer(&self, token: &str) -> Client {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// The headers that go with every request.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The token this client carries.
    pub(crate) fn token(&self) -> &str {
        let credentials = self.headers.iter().find(|(name, _)| name == "authorization");
        credentials.and_then(|(_, value)| value.strip_prefix("Bearer ")).expect("this client carries credentials")
    }

    /// The same client, speaking to a server at another address.
    pub(crate) fn at(&self, base: &str) -> Client {
        Client { headers: self.headers.clone(), ..Client::new(base) }
    }

    /// The address of the server.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Begins a request.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call<'_> {
        Call { client: self, method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: None }
    }

    /// GET.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send()
    }

    /// DELETE.
    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path).send()
    }

    /// POST without a body.
    pub(crate) fn post_nothing(&self, path: &str) -> Answer {
        self.call("POST", path).send()
    }

    /// POST of JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path).json(body).send()
    }

    /// PUT of JSON.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path).json(body).send()
    }

    /// PATCH of JSON.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call("PATCH", path).json(body).send()
    }
}

/// A request that is being put together.
pub(crate) struct Call<'a> {
    client: &'a Client,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Call<'_> {
    /// One more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// A form's body.
    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Any body, with its media type.
    pub(crate) fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", content_type).untyped(body)
    }

    /// Any body, without a media type.
    pub(crate) fn untyped(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it and takes the answer.
    pub(crate) fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        self.try_send().unwrap_or_else(|error| panic!("{what} was not answered: {error}"))
    }

    /// Sends it to a server that may be gone.
    pub(crate) fn try_send(self) -> Result<Answer, ureq::Error> {
        let uri = format!("{}{}", self.client.base, self.path);
        let mut request = Request::builder().method(self.method.as_str()).uri(uri);
        for (name, value) in self.client.headers.iter().chain(&self.headers) {
            request = request.header(name, value);
        }
        let agent = &self.client.agent;
        let mut response = match self.body {
            Some(body) => agent.run(request.body(body).expect("a well-formed request"))?,
            None => agent.run(request.body(()).expect("a well-formed request"))?,
        };
        let bytes = response.body_mut().with_config().limit(64 * 1024 * 1024).read_to_vec()?;
        let text =
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let asked = format!("{} {}", self.method, self.path);
        Ok(Answer { asked, status: response.status().as_u16(), headers: response.headers().clone(), text })
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    asked: String,
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) text: String,
}

impl Answer {
    /// The answer, which must have this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{} was answered with: {}", self.asked, self.text);
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.text))
    }

    /// The body as a JSON list.
    #[track_caller]
    pub(crate) fn list(&self) -> Vec<Value> {
        self.json().as_array().unwrap_or_else(|| panic!("{}: a list, not {}", self.asked, self.text)).clone()
    }

    /// A header's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("visible ASCII"))
    }

    /// The path and query of the next page, where there is one.
    pub(crate) fn next_page(&self) -> Option<String> {
        let links = self.header("link");
        let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
        let target =
            next.split_once('<').and_then(|(_, rest)| rest.split_once('>')).expect("a link in angle brackets").0;
        let path = target.find("://").map_or(target, |scheme| {
            let rest = &target[scheme + 3..];
            &rest[rest.find('/').expect("a path in the link")..]
        });
        Some(path.to_owned())
    }

    /// A problem of surface two, which must have this status, say so itself, and say something to a person.
    #[track_caller]
    pub(crate) fn problem(self, status: u16) -> Value {
        let answer = self.is(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.asked);
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].is_string(), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        problem
    }

    /// A problem with the input (400 or 422) whose text names `field`.
    #[track_caller]
    pub(crate) fn blames(self, field: &str) -> Value {
        assert!(matches!(self.status, 400 | 422), "{} was answered with {}: {}", self.asked, self.status, self.text);
        let status = self.status;
        let problem = self.problem(status);
        assert!(problem.to_string().contains(field), "{field} is not named: {problem}");
        problem
    }
}

/// The status of an answer as it stands on the wire.
pub(crate) fn status_of(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// Sends bytes as they are and gives back the status and the whole answer; for requests that no client would send.
pub(crate) fn raw(base: &str, request: &str) -> (u16, String) {
    let address = base.strip_prefix("http://").expect("an http address");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("the request is taken");
    let mut answer = Vec::new();
    // A server that refuses early may reset the connection after its answer.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (status_of(&answer).unwrap_or_else(|| panic!("an HTTP answer, not {answer:?}")), answer)
}
