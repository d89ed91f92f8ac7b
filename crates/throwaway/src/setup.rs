//! How a throw-away server is to be, before it is there: what survives a crash, who may come in, and how. What can be asked
//! of it afterwards is in `cluster`.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::certificate;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::programs::Programs;
use crate::template;

/// What a commit is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A commit is on the disk when it is acknowledged: for benchmarks, and for tests of what outlives a machine.
    Real,
    /// A commit is with the operating system: it outlives a killed server, and costs no wait for the disk.
    Quick,
}

/// A server to be started.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) durability: Durability,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) certificate_for: Option<String>,
    pub(crate) only_tls: bool,
    pub(crate) password: Option<String>,
}

impl Setup {
    /// A server that anybody on this machine may enter, as the superuser `postgres`.
    pub fn new(durability: Durability) -> Self {
        Self { durability, settings: Vec::new(), certificate_for: None, only_tls: false, password: None }
    }

    /// Sets one of PostgreSQL's own settings, as in `postgresql.conf`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Offers TLS with a certificate for this host name or address, signed by an authority that `Cluster::ca_path` names.
    pub fn tls_for(mut self, host: &str) -> Self {
        self.certificate_for = Some(host.to_owned());
        self
    }

    /// Lets nobody in without TLS, but through the socket.
    pub fn only_tls(mut self) -> Self {
        self.only_tls = true;
        self
    }

    /// Asks for this password (SCRAM) everywhere but at the socket.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Starts it.
    pub fn start(self) -> Result<Cluster, Error> {
        let cluster = Cluster::prepare(self, Programs::find()?)?;
        template::copy_to(&cluster.data(), &cluster.programs)?;
        cluster.setup.write(&cluster)?;
        cluster.start_again()?;
        if let Some(password) = &cluster.setup.password {
            cluster.sql("postgres", &format!("ALTER ROLE postgres PASSWORD '{}'", password.replace('\'', "''")))?;
        }
        Ok(cluster)
    }

    fn write(&self, cluster: &Cluster) -> Result<(), Error> {
        let data = cluster.data();
        if let Some(host) = &self.certificate_for {
            let made = certificate::for_host(host)?;
            write(&cluster.folder().join("ca.pem"), &made.authority, None)?;
            // In the data folder, so that a standby comes with them.
            write(&data.join("server.pem"), &made.server, Some(&cluster.programs))?;
            write(&data.join("server.key"), &made.key, Some(&cluster.programs))?;
        }
        append(&data.join("postgresql.conf"), &self.configuration())?;
        append(&data.join("postgresql.conf"), &cluster.place())?;
        fs::write(data.join("pg_hba.conf"), self.doors())
            .map_err(Error::while_doing("pg_hba.conf could not be written"))
    }

    fn configuration(&self) -> String {
        let mut lines = vec![
            ("listen_addresses", "127.0.0.1"),
            ("max_connections", "200"),
            ("max_wal_senders", "10"),
            ("wal_level", "replica"),
            ("hot_standby", "on"),
            ("wal_retrieve_retry_interval", "100ms"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("log_line_prefix", "%m [%p] %a %d "),
        ];
        if self.durability == Durability::Quick {
            lines.extend([("fsync", "off"), ("full_page_writes", "off")]);
        }
        if self.certificate_for.is_some() {
            lines.extend([("ssl", "on"), ("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")]);
        }
        lines.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        lines.into_iter().map(|(name, value)| line(name, value)).collect()
    }

    fn doors(&self) -> String {
        let host = if self.only_tls { "hostssl" } else { "host" };
        let how = if self.password.is_some() { "scram-sha-256" } else { "trust" };
        format!("local all all trust\nlocal replication all trust\n{host} all all 127.0.0.1/32 {how}\n")
    }
}

/// A line of `postgresql.conf`. The last one of a name holds.
pub(crate) fn line(name: &str, value: &str) -> String {
    format!("{name} = '{}'\n", value.replace('\'', "''"))
}

/// Adds lines to a file of the server's, which keeps its owner.
pub(crate) fn append(file: &Path, lines: &str) -> Result<(), Error> {
    use std::io::Write;
    let opened = fs::OpenOptions::new().append(true).open(file);
    opened
        .and_then(|mut file| file.write_all(lines.as_bytes()))
        .map_err(Error::while_doing(format!("{} could not be written", file.display())))
}

fn write(file: &Path, text: &str, server: Option<&Programs>) -> Result<(), Error> {
    use std::io::Write;
    let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Error::while_doing(format!("{} could not be written", file.display())))?;
    server.map_or(Ok(()), |programs| programs.hand_over(file))
}
