//! What a failure of SQLite means to whoever asked. The one place where its codes are told apart: whether it may work again later.

use oncue_domain::store::Error;

/// What an SQLite error means to whoever asked.
pub(super) fn failed(error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OutOfMemory, ReadOnly, SystemIoFailure,
    };
    match error.sqlite_error_code() {
        Some(CannotOpen | DatabaseBusy | DatabaseLocked | DiskFull | OutOfMemory | ReadOnly | SystemIoFailure) => {
            Error::Unavailable(error.to_string())
        }
        _ => Error::Broken(error.to_string()),
    }
}
