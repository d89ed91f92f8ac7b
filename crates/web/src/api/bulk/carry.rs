//! Items are carried out in their order, so many at a time that no commit holds up the others who write; the next ones are read
//! while those before are written.

use jiff::Timestamp;
use oncue_domain::id::UserId;
use oncue_domain::store::{Error, TOGETHER_MAX};

use super::answer::Done;
use super::items::Item;
use crate::app::Shared;
use crate::fault::Fault;

/// After so many items that were read, whoever else has something to do on this thread does it.
const READ_AT_A_STRETCH: usize = 64;

/// Carries out the items that the owner may have carried out now, and tells what became of each. `read` says what one is to do, `write`
/// does it for many, with an outcome for each.
///
/// The request itself has been counted as its first item; each further one is counted here, right or wrong. What is beyond the limit
/// is refused and nothing else: whatever came before it stands.
pub(super) async fn carry_out<J, W>(
    app: &Shared,
    owner: UserId,
    items: &[Item<'_>],
    read: impl Fn(&Item<'_>, Timestamp) -> Result<J, Fault>,
    write: impl Fn(Vec<J>, Timestamp) -> W,
) -> Vec<Result<Done, Fault>>
where
    W: Future<Output = Vec<Result<Done, Fault>>>,
{
    let (more, wait) = app.count_items(owner, items.len().saturating_sub(1));
    let (allowed, beyond) = items.split_at(items.len().min(1 + more));
    let mut results = Vec::with_capacity(items.len());
    let mut batches = allowed.chunks(TOGETHER_MAX);
    let mut next = Batch::read(app, batches.next(), &read).await;
    while let Some(Batch { now, jobs, refusals }) = next {
        let writing = async { if jobs.is_empty() { Vec::new() } else { write(jobs, now).await } };
        // Writing is begun first: the database works while the next items are read.
        let (written, following) = tokio::join!(biased; writing, Batch::read(app, batches.next(), &read));
        let failure = written.iter().find_map(failure);
        let mut written = written.into_iter();
        let untold = || Err(Error::Broken("nobody told what became of an item".to_owned()).into());
        results.extend(refusals.into_iter().map(|refused| match refused {
            Some(fault) => Err(fault),
            None => written.next().unwrap_or_else(untold),
        }));
        if let Some(error) = &failure {
            tracing::error!(%error, "items of a bulk call could not be written");
        }
        if let Some(error @ Error::Unavailable(_)) = failure {
            // What comes behind would wait as long, in vain.
            let left = allowed.len() - results.len();
            results.extend((0..left).map(|_| Err(Fault::Store(error.clone()))));
            break;
        }
        next = following;
    }
    results.extend(beyond.iter().map(|_| Err(Fault::TooMany(wait))));
    results
}

/// What went wrong with the database. A trigger that cannot be read is its owner's affair.
fn failure(result: &Result<Done, Fault>) -> Option<Error> {
    match result {
        Err(Fault::Store(Error::Unreadable(_))) => None,
        Err(Fault::Store(error)) => Some(error.clone()),
        _ => None,
    }
}

/// What some items are to do.
struct Batch<J> {
    now: Timestamp,
    jobs: Vec<J>,
    /// For each item why it does nothing; none for those whose jobs are here.
    refusals: Vec<Option<Fault>>,
}

impl<J> Batch<J> {
    async fn read(
        app: &Shared,
        items: Option<&[Item<'_>]>,
        read: &impl Fn(&Item<'_>, Timestamp) -> Result<J, Fault>,
    ) -> Option<Batch<J>> {
        let items = items?;
        let now = app.now();
        let mut batch = Batch { now, jobs: Vec::with_capacity(items.len()), refusals: Vec::with_capacity(items.len()) };
        for stretch in items.chunks(READ_AT_A_STRETCH) {
            tokio::task::yield_now().await;
            for item in stretch {
                match read(item, now) {
                    Ok(job) => {
                        batch.jobs.push(job);
                        batch.refusals.push(None);
                    }
                    Err(fault) => batch.refusals.push(Some(fault)),
                }
            }
        }
        Some(batch)
    }
}
