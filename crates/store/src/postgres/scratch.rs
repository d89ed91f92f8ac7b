//! Databases that somebody needs for a while, as a benchmark does: made and dropped by name, on a server that is there already;
//! and what that server says about itself. What oncue keeps in a database is not known here.

use oncue_domain::store::Error;

use super::address::Address;
use super::connect::Connections;
use super::{column, execute, failed, query_first};

/// A server of PostgreSQL, over one connection that stays.
pub struct Server {
    connections: Connections,
}

type Outcome<T> = std::result::Result<T, String>;

impl Server {
    /// The server of this address; its database is only where one comes in.
    ///
    /// # Errors
    /// The address names files that cannot be used.
    pub fn at(address: &Address) -> Outcome<Server> {
        Ok(Server { connections: Connections::new(address, 1)? })
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// In words: the server cannot be reached, or makes none.
    pub async fn make(&self, name: &str) -> Outcome<()> {
        // Nobody can be in template0, which would be in the way.
        self.run(&format!("CREATE DATABASE {} TEMPLATE template0", quoted(name))).await
    }

    /// Drops a database, with everybody who is in it.
    ///
    /// # Errors
    /// In words: the server cannot be reached, or drops none.
    pub async fn remove(&self, name: &str) -> Outcome<()> {
        self.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name))).await
    }

    /// What holds in sessions of oncue, in the order of the names.
    ///
    /// # Errors
    /// In words: the server cannot be reached, or has no such setting.
    pub async fn settings(&self, names: &[&str]) -> Outcome<Vec<String>> {
        let sql = "SELECT array_agg(current_setting(name) ORDER BY place)
                   FROM unnest($1::TEXT[]) WITH ORDINALITY AS asked (name, place)";
        self.value(sql, &[&names]).await
    }

    /// How much disk a database takes, in bytes.
    ///
    /// # Errors
    /// In words: the server cannot be reached, or has no such database.
    pub async fn bytes(&self, name: &str) -> Outcome<i64> {
        self.value("SELECT pg_database_size($1::TEXT::NAME)", &[&name]).await
    }

    /// The number of the server's process at the other end; it lives for as long as this.
    ///
    /// # Errors
    /// In words: the server cannot be reached.
    pub async fn process(&self) -> Outcome<i32> {
        self.value("SELECT pg_backend_pid()", &[]).await
    }

    async fn value<T>(&self, sql: &str, params: super::Params<'_>) -> Outcome<T>
    where
        T: for<'r> tokio_postgres::types::FromSql<'r>,
    {
        let answer = async {
            let client = self.connections.client().await?;
            let row = query_first(&client, sql, params).await?;
            row.map(|row| column(&row, 0)).transpose()
        };
        let value = answer.await.map_err(|error| in_words(&error))?;
        value.ok_or_else(|| "The database gave no answer.".to_owned())
    }

    async fn run(&self, sql: &str) -> Outcome<()> {
        let done = async {
            let client = self.connections.client().await?;
            // Dropping waits until everything is written down that waits to be.
            execute(&client, "SET statement_timeout = 0", &[]).await?;
            client.batch_execute(sql).await.map_err(failed)
        };
        done.await.map_err(|error| in_words(&error))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn in_words(error: &Error) -> String {
    format!("The database cannot be used: {error}.")
}
