//! Whether this node can do its work: it is among the nodes, and its database may be read and written, table by table.

use deadpool_postgres::Client;
use oncue_domain::store::{Error, Result};

use super::{Shared, column, execute, node, query_first};

/// A table of ours that we may not use as we have to. Where somebody else made the tables for us, what they granted is their affair.
const WITHHELD: &str = "SELECT relname::text
                        FROM pg_class
                        WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'nodes'::regclass)
                          AND relkind IN ('r', 'p') AND NOT relispartition AND pg_has_role(relowner, 'USAGE')
                          AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
                                   AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))
                        LIMIT 1";

/// Nothing, or what stands against it.
pub(super) async fn check(client: &Client, shared: &Shared) -> Result<()> {
    // Something is written, so that a database that may only be read is noticed.
    let written = execute(client, "UPDATE nodes SET seen_at = seen_at WHERE id = $1", &[&shared.node.id()]).await?;
    if written == 0 {
        return Err(node::given_up());
    }
    query_first(client, "SELECT max(version) FROM migrations", &[]).await?;
    match query_first(client, WITHHELD, &[]).await? {
        Some(table) => Err(Error::Unavailable(format!(
            "the database's user may not read and write the table {} any more",
            column::<&str>(&table, 0)?
        ))),
        None => Ok(()),
    }
}
