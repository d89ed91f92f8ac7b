//! Servers that follow another, and take its place.

use std::fs;

use crate::cluster::{Cluster, Stop};
use crate::error::Error;
use crate::programs::run;
use crate::setup::{append, line};

impl Cluster {
    /// A standby that follows this server by streaming, and may be read.
    ///
    /// What it has not received yet when this server is killed is lost with it; `synchronous_standby` loses nothing.
    pub fn standby(&self) -> Result<Cluster, Error> {
        let standby = Cluster::prepare(self.setup.clone(), self.programs.clone())?;
        standby.take_copy_of(self)?;
        Ok(standby)
    }

    /// A standby without which this server acknowledges nothing from now on.
    pub fn synchronous_standby(&self) -> Result<Cluster, Error> {
        let standby = self.standby()?;
        self.wait_for_standby(true)?;
        Ok(standby)
    }

    /// Makes this server wait for a standby with every commit, or not any more.
    pub fn wait_for_standby(&self, wait: bool) -> Result<(), Error> {
        let names = if wait { "*" } else { "" };
        self.sql("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"))?;
        self.reload()?;
        let state = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'";
        self.wait_until("find a synchronous standby", || Ok(!wait || self.sql("postgres", state)? != "0"))
    }

    /// Makes a standby the server that is written to.
    pub fn promote(&self) -> Result<(), Error> {
        self.sql("postgres", "SELECT pg_promote()")?;
        let recovering = "SELECT pg_is_in_recovery()";
        self.wait_until("take over", || Ok(self.sql("postgres", recovering)? == "f"))
    }

    /// Whether it can only be read.
    pub fn is_standby(&self) -> Result<bool, Error> {
        Ok(self.sql("postgres", "SELECT pg_is_in_recovery()")? == "t")
    }

    /// Makes this server a standby of another, at its own address: what becomes of a primary whose place was taken. Everything
    /// it had is replaced.
    pub fn follow(&self, primary: &Cluster) -> Result<(), Error> {
        if self.is_running() {
            self.stop(Stop::Immediate)?;
        }
        self.forget_data()?;
        self.take_copy_of(primary)
    }

    /// Waits until a standby has replayed everything that its primary has written down so far.
    pub fn catch_up_with(&self, primary: &Cluster) -> Result<(), Error> {
        let written = primary.sql("postgres", "SELECT pg_current_wal_lsn()")?;
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        self.wait_until("catch up", || Ok(self.sql("postgres", &replayed)? == "t"))
    }

    fn take_copy_of(&self, primary: &Cluster) -> Result<(), Error> {
        let mut backup = self.programs.server("pg_basebackup");
        backup.arg("--pgdata").arg(self.data()).arg("--host").arg(primary.socket_folder());
        backup.arg(format!("--port={}", primary.port())).arg("--username=postgres");
        run(backup.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]))?;
        append(&self.data().join("postgresql.conf"), &self.place())?;
        // Once promoted it must not wait for a standby of its own because its primary did.
        append(&self.data().join("postgresql.auto.conf"), &line("synchronous_standby_names", ""))?;
        if self.setup.certificate_for.is_some() && self.folder() != primary.folder() {
            let copied = fs::copy(primary.ca_path(), self.ca_path());
            copied.map_err(Error::while_doing("the authority's certificate could not be copied"))?;
        }
        self.start_again()?;
        let streaming = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'";
        self.wait_until("follow its primary", || Ok(self.sql("postgres", streaming)? != "0"))
    }
}
