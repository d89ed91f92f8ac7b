//! Claims of which it is not known whether they were committed: the database went away before it could say. What was committed after
//! all is held by this node and known to nobody, so it is let go. Once is not enough: a server that was frozen carries out what
//! it had been sent when it goes on, which may be after it has answered others.

use std::time::{Duration, Instant};

/// For so long after the server answers again a statement may still be carried out: as long as any may take
/// (`statement_timeout` of the session), and a while.
const MAY_COME_FOR: Duration = Duration::from_secs(40);

/// More than these are not kept; of others the claims lapse.
const DOUBTFUL_MAX: usize = 1000;

/// The doubtful claims of this node, by their ends.
#[derive(Default)]
pub(in super::super) struct Doubtful(Vec<Doubt>);

struct Doubt {
    until: i64,
    /// When the server first answered again.
    answered_at: Option<Instant>,
}

impl Doubtful {
    /// Claims that end at this instant may have been committed.
    pub(in super::super) fn push(&mut self, until: i64) {
        if self.0.len() < DOUBTFUL_MAX {
            self.0.push(Doubt { until, answered_at: None });
        }
    }

    /// The ends of all that are to be let go.
    pub(super) fn ends(&self) -> Vec<i64> {
        self.0.iter().map(|doubt| doubt.until).collect()
    }

    /// These have just been let go by a server that answers: what can come no more is forgotten.
    pub(super) fn let_go(&mut self, ends: &[i64], now: Instant) {
        for doubt in self.0.iter_mut().filter(|doubt| ends.contains(&doubt.until)) {
            doubt.answered_at.get_or_insert(now);
        }
        self.0.retain(|doubt| doubt.answered_at.is_none_or(|at| now.duration_since(at) < MAY_COME_FOR));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_doubtful_is_let_go_again_and_again_until_it_can_come_no_more() {
        let (start, mut doubtful) = (Instant::now(), Doubtful::default());
        doubtful.push(1);
        doubtful.let_go(&[1], start);
        doubtful.push(2);
        doubtful.let_go(&[1], start + MAY_COME_FOR - Duration::from_millis(1));
        assert_eq!(doubtful.ends(), [1, 2]);
        doubtful.let_go(&[1, 2], start + MAY_COME_FOR);
        assert_eq!(doubtful.ends(), [2], "it is doubtful since later");
        doubtful.let_go(&[2], start + 2 * MAY_COME_FOR);
        assert!(doubtful.ends().is_empty());
    }
}
