//! A receiver of deliveries on a loopback port, by hand on plain sockets: it remembers every request and answers by a
//! script, also in ways no library would.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::wait;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// When it was complete.
    pub(crate) at: Instant,
    /// The method.
    pub(crate) method: String,
    /// The path and query.
    pub(crate) path: String,
    /// The headers, names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The message id of the delivery.
    pub(crate) fn webhook_id(&self) -> &str {
        self.headers.get("webhook-id").map_or("", String::as_str)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a delivery is JSON")
    }
}

/// What the receiver does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status, headers as lines, and a body.
    Answer(u16, &'static str, &'static str),
    /// The connection ends without an answer.
    Drop,
    /// A pause, then a status.
    Slow(Duration, u16),
}

/// A plain success.
pub(crate) const OK: Reply = Reply::Answer(200, "", "");

type Script = Arc<dyn Fn(&Received, usize) -> Reply + Send + Sync>;

/// The receiver. Its threads end with the test.
pub(crate) struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn start() -> Receiver {
        Receiver::scripted(|_, _| OK)
    }

    /// One that answers by a script, which is shown the request and how many came before it.
    pub(crate) fn scripted(script: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let (script, log): (Script, _) = (Arc::new(script), Arc::clone(&received));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                thread::spawn(move || converse(&stream, &script, &log));
            }
        });
        Receiver { address, received }
    }

    /// An address of this receiver.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything that came so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no thread panics with the log").clone()
    }

    /// Waits until `count` requests came, and gives them all.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Received> {
        wait::until(&format!("{count} deliveries"), || Some(self.received()).filter(|all| all.len() >= count))
    }
}

fn converse(stream: &TcpStream, script: &Script, log: &Mutex<Vec<Received>>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let before = {
            let mut log = log.lock().expect("no thread panics with the log");
            log.push(request.clone());
            log.len() - 1
        };
        let answer = match script(&request, before) {
            Reply::Drop => return,
            Reply::Slow(pause, status) => {
                thread::sleep(pause);
                format!("HTTP/1.1 {status} Slow\r\ncontent-length: 0\r\n\r\n")
            }
            Reply::Answer(status, headers, body) => {
                format!("HTTP/1.1 {status} Scripted\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
            }
        };
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { at: Instant::now(), method, path, headers, body })
}
