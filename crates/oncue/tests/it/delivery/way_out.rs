//! What the operator says of the way out: places that are open all the same, and the proxy through which everything goes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::{delivery, fire, save, sending_to};
use crate::support::receiver::Receiver;
use crate::support::server::Setup;

/// A proxy that connects whoever asks to one receiver, and remembers what it was asked for.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(behind: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                thread::spawn(move || connect(stream, behind, &noted));
            }
        });
        Proxy { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics").clone()
    }
}

fn connect(mut stream: TcpStream, behind: SocketAddr, noted: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
    }
    noted.lock().expect("nobody panics").push(String::from_utf8_lossy(&head).into_owned());
    let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
    let onward = TcpStream::connect(behind).expect("the receiver listens");
    let (mut from, mut to) = (stream.try_clone().expect("a socket"), onward.try_clone().expect("a socket"));
    thread::spawn(move || std::io::copy(&mut from, &mut to));
    let _ = std::io::copy(&mut &onward, &mut stream);
}

fn address_of(receiver: &Receiver) -> SocketAddr {
    let url = receiver.url();
    let place = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an http address");
    place.parse().expect("a socket address")
}

#[test]
fn a_listed_place_takes_deliveries_and_its_neighbours_do_not() {
    let (open, shut) = (Receiver::start(), Receiver::start());
    let server = Setup::new().option("--allow-destinations", &address_of(&open).to_string()).serve();
    let ann = server.user();
    save(&ann, &shut.url()).blames("webhook_url");
    let problem = save(&ann, "http://10.0.0.1/").blames("webhook_url").to_string();
    assert!(problem.contains("--allow-destinations"), "{problem}");
    save(&ann, &format!("http://127.0.0.1:{}/", server.port())).blames("webhook_url");
    let id = sending_to(&ann, &open.url());
    fire(&ann, id);
    open.wait_for(1);

    // The list holds for each attempt, so a shorter one ends what was let in before.
    let server = server.stop().without_flags().serve();
    let ann = ann.at(server.base());
    let event = fire(&ann, id);
    let error = delivery(&ann, &event, 1)["attempts"][0]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("--allow-destinations"), "{error}");
    assert_eq!((open.received().len(), shut.received().len()), (1, 0));
}

#[test]
fn deliveries_leave_through_the_proxy_that_is_named_and_through_no_other() {
    let receiver = Receiver::start();
    let (named, other) = (Proxy::start(address_of(&receiver)), Proxy::start(address_of(&receiver)));
    let elsewhere = format!("http://{}", other.address);
    let mut setup = Setup::new()
        .file("proxy", &format!("http://ann:secret@{}\n", named.address))
        .variable("ONCUE_EGRESS_PROXY_FILE", "proxy");
    for variable in ["http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        setup = setup.variable(variable, &elsewhere);
    }
    let server = setup.serve();
    let ann = server.user();
    fire(&ann, sending_to(&ann, "http://93.184.216.34:8080/hook"));
    assert_eq!(receiver.wait_for(1)[0].path, "/hook");
    let asked = named.asked();
    assert!(asked[0].starts_with("CONNECT 93.184.216.34:8080 HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].contains("Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n"), "{asked:?}");
    save(&ann, "http://10.0.0.1/").blames("webhook_url");
    assert!(other.asked().is_empty());
    assert!(!server.log().contains("secret"), "{}", server.log());
}

#[test]
fn a_proxy_that_is_away_is_told_with_the_attempt() {
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let server = Setup::new().option("--egress-proxy", &format!("http://{gone}")).serve();
    let ann = server.user();
    let event = fire(&ann, sending_to(&ann, "http://93.184.216.34/"));
    let attempt = delivery(&ann, &event, 1)["attempts"][0].clone();
    assert_eq!(attempt["status"], Value::Null);
    let error = attempt["error"].as_str().unwrap_or_default();
    assert!(error.contains("egress proxy") && !error.contains(&gone.to_string()), "{error}");
}
