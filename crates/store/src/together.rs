//! Many things with one commit, although each has an outcome of its own. A transaction stands or falls as a whole: one of them
//! that the database cannot make sense of would take all the others with it. Nothing here knows what is written.

use std::sync::Arc;

use oncue_domain::store::{Error, Result};

/// Runs all together; where that fails because something makes no sense to the database, each alone, in their order. `run` gives an
/// outcome for each of what it is handed.
pub(crate) async fn together_or_alone<I, T, R>(items: Vec<I>, run: impl Fn(Arc<[I]>) -> R) -> Vec<Result<T>>
where
    I: Clone,
    R: Future<Output = Result<Vec<T>>>,
{
    if items.is_empty() {
        return Vec::new();
    }
    let items: Arc<[I]> = items.into();
    match run(Arc::clone(&items)).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) if error.may_be_about_one() && items.len() > 1 => {
            let mut outcomes = Vec::with_capacity(items.len());
            for item in items.iter() {
                let alone = run(Arc::from([item.clone()])).await;
                outcomes.push(alone.and_then(only));
            }
            outcomes
        }
        Err(error) => items.iter().map(|_| Err(error.clone())).collect(),
    }
}

fn only<T>(outcomes: Vec<T>) -> Result<T> {
    outcomes.into_iter().next().ok_or_else(|| Error::Broken("something was never done".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn double(items: Arc<[i32]>, error: Error) -> Result<Vec<i32>> {
        if items.contains(&13) { Err(error) } else { Ok(items.iter().map(|item| item * 2).collect()) }
    }

    #[tokio::test]
    async fn what_makes_no_sense_fails_alone() {
        let broken = Error::Broken("thirteen".to_owned());
        let outcomes = together_or_alone(vec![1, 13, 3], |items| double(items, broken.clone())).await;
        assert_eq!(outcomes, [Ok(2), Err(broken), Ok(6)]);
    }

    #[tokio::test]
    async fn where_the_database_is_away_nothing_is_tried_twice() {
        let away = Error::Unavailable("away".to_owned());
        let outcomes = together_or_alone(vec![1, 13], |items| double(items, away.clone())).await;
        assert_eq!(outcomes, [Err(away.clone()), Err(away)]);
    }
}
