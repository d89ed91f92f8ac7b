//! Where an owner's triggers stand, as both databases are asked for it and answer: so that the one rule of lists ([`TriggerHead::is_active`]) is written
//! once more, and not twice more, in SQL. How the triggers are found, and of which of them only their schedules tell, is each store's own.
//!
//! [`TriggerHead::is_active`]: oncue_domain::trigger::TriggerHead::is_active

use oncue_domain::store::TriggerTally;

/// Where a row stands at the instant of the parameter `now`: what [`Tallied::note`] reads. `is_unsure` says of it whether only its schedule tells.
pub(crate) fn standing(is_unsure: &str, now: &str) -> String {
    format!(
        "CASE WHEN is_test THEN 'neither'
              WHEN {is_unsure} THEN 'unsure'
              WHEN coalesce(expires_at <= {now}, FALSE) AND coalesce(next_at <= {now}, TRUE) THEN 'neither'
              WHEN NOT enabled AND coalesce(pause_until > {now}, TRUE) THEN 'paused'
              WHEN is_api OR next_at IS NOT NULL THEN 'active'
              ELSE 'neither'
         END"
    )
}

/// What a database has counted.
#[derive(Default)]
pub(crate) struct Tallied {
    /// All, and where those stand that it is sure of.
    pub(crate) tally: TriggerTally,
    /// Whether there are others.
    pub(crate) is_unsure_of_some: bool,
}

impl Tallied {
    /// So many stand there.
    pub(crate) fn note(&mut self, standing: &str, count: u64) {
        self.tally.all += count;
        match standing {
            "active" => self.tally.active += count,
            "paused" => self.tally.paused += count,
            "unsure" => self.is_unsure_of_some = true,
            _ => {}
        }
    }
}
