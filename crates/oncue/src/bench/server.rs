//! The processes that are measured: this very program, started as anybody would start it, in an empty folder and a clean
//! environment; one, or several nodes of one database, which are a single server to whoever measures. What they cost is added
//! up, and how many there are is known to the load alone, which takes turns among them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use oncue_domain::store::Store;

use super::cost::Cost;
use super::home::Home;
use super::machine::read;

/// How long a server may take to say that it is ready.
const START_MAX: Duration = Duration::from_secs(60);

/// A running server, in one process or several.
pub(super) struct Server {
    nodes: Vec<Node>,
    postmaster: Option<u32>,
    /// Address and port of each node.
    pub(super) addresses: Vec<String>,
    /// From its start until all nodes said that they listen.
    pub(super) ready_after: Duration,
}

/// One process; it ends with this.
struct Node(Child);

impl Server {
    /// Starts as many times `oncue serve` as there are nodes in this home, all at once.
    pub(super) fn start(home: &Home) -> anyhow::Result<Server> {
        let started = Instant::now();
        let (mut nodes, mut announced) = (Vec::new(), Vec::new());
        for number in 0..home.nodes {
            let (node, address) = launch(home, number)?;
            nodes.push(node);
            announced.push(address);
        }
        let mut addresses = Vec::new();
        for (number, address) in announced.iter().enumerate() {
            match address.recv_timeout(START_MAX.saturating_sub(started.elapsed())) {
                Ok(address) => addresses.push(address),
                // It has ended already, or is of no use.
                Err(_) => {
                    drop(nodes);
                    let said = read(&home.folder().join(format!("log-{number}")).to_string_lossy());
                    bail!("The server did not start: {}", said.trim());
                }
            }
        }
        Ok(Server { nodes, postmaster: home.postmaster(), addresses, ready_after: started.elapsed() })
    }

    /// Address and port of the first node, for whoever has one connection.
    pub(super) fn address(&self) -> &str {
        &self.addresses[0]
    }

    /// What all of it has cost until now.
    pub(super) fn cost(&self) -> anyhow::Result<Cost> {
        let processes: Vec<u32> = self.nodes.iter().map(|node| node.0.id()).collect();
        Cost::of(&processes, self.postmaster)
    }
}

fn launch(home: &Home, number: u32) -> anyhow::Result<(Node, Receiver<String>)> {
    let mut command = Command::new(std::env::current_exe().context("This program does not know where it is")?);
    command.args(["serve", "--listen", "127.0.0.1:0", "--allow-private-destinations"]);
    command.current_dir(home.folder()).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    home.tell(&mut command);
    let log = File::create(home.folder().join(format!("log-{number}")))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut node = Node(command.spawn().context("The server cannot be started")?);
    let stdout = node.0.stdout.take().context("The server's output is no pipe")?;
    Ok((node, announced(stdout)))
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already; its home is thrown away in any case.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The address in the line that announces readiness. The output is read to its end, because a server whose output nobody
/// reads comes to a stop.
fn announced(stdout: ChildStdout) -> Receiver<String> {
    let (found, address) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("listening on http://") {
                // Whoever waited may have given up.
                let _ = found.send(address.trim().to_owned());
            }
        }
    });
    address
}

/// Waits until nothing is owed any more: everything that came is also logged as delivered.
pub(super) async fn wait_until_settled(store: &dyn Store, patience: Duration) -> anyhow::Result<()> {
    let since = Instant::now();
    while store.owed_counts().await?.owed > 0 {
        if since.elapsed() > patience {
            bail!("deliveries are still owed after {} s", patience.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
