//! The same answer for whoever runs the server and asks beside it, in the database: the command line. It knows a trigger by its number alone,
//! and no request comes in. The room exists so that what it is told is what the API says, by the same code, to the byte.

use axum::http::StatusCode;
use jiff::Timestamp;
use oncue_domain::error::Invalid;
use oncue_domain::id::TriggerId;
use oncue_domain::store::Error;

use super::{Records, Subject, answer};
use crate::extract::Query;
use crate::fault::Fault;

/// What is told.
pub struct Why {
    /// The document of the API, as it writes it.
    pub json: String,
    /// Where that is not all of a span: what asks for the rest, by the names of the query.
    pub rest: Option<Vec<(&'static str, String)>>,
}

/// Why nothing is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// There is no such trigger.
    NoTrigger,
    /// What was asked is wrong.
    Wrong(Vec<Invalid>),
    /// It could not be found out.
    Failed(String),
}

/// What became of an instant or of a span of a trigger, whoever's it is. `asked` is what a query of the API would say.
///
/// # Errors
/// Where there is no such trigger, where what was asked is wrong, and where the store cannot answer.
pub async fn why(
    records: &Records<'_>,
    id: TriggerId,
    asked: impl IntoIterator<Item = (&'static str, String)>,
    now: Timestamp,
) -> Result<Why, Unanswered> {
    let owner = records.store.owner_of(id).await?.ok_or(Unanswered::NoTrigger)?;
    let subject = Subject::load(records, owner, id, now).await?;
    let (document, rest) = answer(records, subject, Query::of(asked), now).await?;
    let json = serde_json::to_string(&document).expect("numbers and strings are always JSON");
    Ok(Why { json, rest })
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Unanswered {
        Fault::from(error).into()
    }
}

impl From<Fault> for Unanswered {
    fn from(fault: Fault) -> Unanswered {
        match fault {
            Fault::Invalid(errors) | Fault::InvalidQuery(errors) => Unanswered::Wrong(errors),
            Fault::Refused(StatusCode::NOT_FOUND, _) => Unanswered::NoTrigger,
            // There is no log here that says more.
            Fault::Store(error @ (Error::Unavailable(_) | Error::Broken(_))) => Unanswered::Failed(error.to_string()),
            other => Unanswered::Failed(other.detail()),
        }
    }
}
