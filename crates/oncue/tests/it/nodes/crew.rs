//! Nodes of one database, and everything to be done to them. Each keeps its address through all its lives, as a service that
//! is started again does, and its log of all of them.

use std::path::PathBuf;
use std::thread;

use oncue_throwaway::{Cluster, Durability};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{JWT_SECRET, PASSWORD, Process, Setup, free_port};

/// The database of every crew.
pub(super) const DATABASE: &str = "oncue";

/// One node, alive or not.
pub(super) struct Node {
    setup: Setup,
    /// Its address, as in `http://127.0.0.1:15432`.
    pub(super) base: String,
    /// Its present life, or the last one.
    pub(super) process: Process,
    former_logs: String,
}

impl Node {
    /// Starts a node; does not wait until it is ready.
    pub(super) fn launch(database_url: &str) -> Node {
        Node::launch_with(database_url, |setup| setup)
    }

    /// The same with something special about it.
    pub(super) fn launch_with(database_url: &str, special: impl FnOnce(Setup) -> Setup) -> Node {
        let address = format!("127.0.0.1:{}", free_port());
        let setup = Setup::bare()
            .option("--listen", &address)
            .option("--database-url", database_url)
            .option("--jwt-secret", JWT_SECRET)
            .flag("--allow-private-destinations");
        let setup = special(setup);
        let process = setup.launch();
        Node { setup, base: format!("http://{address}"), process, former_logs: String::new() }
    }

    /// The node, once it is ready.
    pub(super) fn ready(mut self) -> Node {
        if self.process.ready().is_none() {
            panic!("a node did not start: {}", self.log());
        }
        self
    }

    /// Starts it again after its end.
    pub(super) fn launch_again(&mut self) {
        let next = self.setup.launch();
        let last = std::mem::replace(&mut self.process, next);
        self.former_logs.push_str(&last.log());
        self.former_logs.push_str("--- it ended and was started again ---\n");
    }

    /// All that it said, in all its lives.
    pub(super) fn log(&self) -> String {
        format!("{}{}", self.former_logs, self.process.log())
    }

    /// Somebody with the credentials of `client` at this node.
    pub(super) fn as_user(&self, client: &Client) -> Client {
        client.at(&self.base)
    }

    /// The value of one of its metrics; 0 while there is none.
    pub(super) fn metric(&self, name: &str) -> f64 {
        let text = Client::new(&self.base).get("/metrics").is(200).text;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    }
}

/// Nodes and their database.
pub(super) struct Crew {
    pub(super) nodes: Vec<Node>,
    /// Ends after the nodes, which are dropped first.
    pub(super) cluster: Cluster,
}

impl Crew {
    /// So many nodes on a new database, ready.
    pub(super) fn start(count: usize, durability: Durability) -> Crew {
        let cluster = database(durability);
        let url = cluster.url(DATABASE);
        let launched: Vec<Node> = (0..count).map(|_| Node::launch(&url)).collect();
        Crew { nodes: launched.into_iter().map(Node::ready).collect(), cluster }
    }

    /// The first user, at the first node.
    pub(super) fn user(&self) -> Client {
        register(&self.nodes[0].base)
    }

    /// The user at each node.
    pub(super) fn at_each(&self, client: &Client) -> Vec<Client> {
        self.nodes.iter().map(|node| node.as_user(client)).collect()
    }

    /// What a statement gives.
    pub(super) fn sql(&self, statement: &str) -> String {
        self.cluster.sql(DATABASE, statement).expect("the database answers")
    }

    /// The number that a statement gives.
    pub(super) fn number(&self, statement: &str) -> i64 {
        self.sql(statement).parse().unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// Leaves every log behind for somebody to look at, and says where.
    fn keep_logs(&self) -> PathBuf {
        let folder = tempfile::Builder::new().prefix("oncue-nodes-").tempdir().expect("a temporary folder").keep();
        for (number, node) in self.nodes.iter().enumerate() {
            std::fs::write(folder.join(format!("node-{number}.log")), node.log()).expect("a file can be written");
        }
        std::fs::write(folder.join("postgresql.log"), self.cluster.log()).expect("a file can be written");
        folder
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("all logs of the nodes and of PostgreSQL are kept in {}", self.keep_logs().display());
        }
    }
}

/// A server with an empty database of the crew's name.
pub(super) fn database(durability: Durability) -> Cluster {
    let cluster = oncue_throwaway::Setup::new(durability).start().expect("a PostgreSQL server");
    cluster.create_database(DATABASE).expect("an empty database");
    cluster
}

/// Makes a trigger and gives its number.
pub(super) fn make(client: &Client, body: &Value) -> i64 {
    client.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

/// Makes so many triggers alike, through all nodes at once.
pub(super) fn make_many(at_each: &[Client], count: usize, body: &Value) -> Vec<i64> {
    let share = |node: usize| (node..count).step_by(at_each.len()).count();
    thread::scope(|scope| {
        let makers: Vec<_> = at_each
            .iter()
            .enumerate()
            .map(|(node, client)| {
                let client = client.keeping_alive();
                scope.spawn(move || (0..share(node)).map(|_| make(&client, body)).collect::<Vec<i64>>())
            })
            .collect();
        makers.into_iter().flat_map(|maker| maker.join().expect("each is made")).collect()
    })
}

/// The first user, at the node of this address.
fn register(base: &str) -> Client {
    let nobody = Client::new(base);
    let answer = nobody.post("/auth/register", &json!({"email": "ann@example.com", "password": PASSWORD})).is(200);
    nobody.bearer(answer.json()["access_token"].as_str().expect("a token"))
}
