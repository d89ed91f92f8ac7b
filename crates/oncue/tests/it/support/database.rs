//! Databases on the PostgreSQL server of this run, one for each test that asks for one. Where `ONCUE_TEST_STORE` says so, every
//! server under test keeps its data in such a database instead of in a file of its folder; what is promised is the same.

use oncue_throwaway::Cluster;

/// `sqlite` (as without it) or `postgres`.
const STORE: &str = "ONCUE_TEST_STORE";

/// An empty database, and whatever becomes of it until this is dropped.
pub(crate) struct Database {
    cluster: &'static Cluster,
    name: String,
}

impl Database {
    /// One where the servers under test are to keep their data on PostgreSQL.
    pub(crate) fn if_asked_for() -> Option<Database> {
        match std::env::var(STORE).as_deref() {
            Ok("postgres") => Some(Database::fresh()),
            Ok("sqlite") | Err(_) => None,
            Ok(other) => panic!("{STORE} is sqlite or postgres, not {other}"),
        }
    }

    pub(crate) fn fresh() -> Database {
        let cluster = Cluster::shared().unwrap_or_else(|error| panic!("this test needs a PostgreSQL server: {error}"));
        let name = cluster.fresh_database().unwrap_or_else(|error| panic!("this test needs a database: {error}"));
        Database { cluster, name }
    }

    /// What `--database-url` takes.
    pub(crate) fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// Whether there is not a single table in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"
    }

    /// Whether this text stands in any row of any table, as text or as bytes.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'";
        let tables = self.sql(tables);
        let bytes: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let looks = tables.lines().map(|table| {
            format!(
                "SELECT 1 FROM {table} AS row WHERE strpos(row::text, '{text}') > 0 OR strpos(row::text, '{bytes}') > 0"
            )
        });
        let looks: Vec<String> = looks.collect();
        self.sql(&format!("SELECT EXISTS ({})", looks.join(" UNION ALL "))) == "t"
    }

    /// What a statement gives.
    pub(crate) fn sql(&self, statement: &str) -> String {
        self.cluster.sql(&self.name, statement).expect("a statement of the test's own")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Err(error) = self.cluster.drop_database(&self.name) {
            eprintln!("a database of a test stays until its server goes: {error}");
        }
    }
}
