//! Schedules that many want, ready to be filled in. A preset is typed for the user, not decided for them: what it fills is
//! the form, and everything can still be changed.

use super::TriggerForm;

/// A schedule to fill in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preset {
    pub(crate) word: &'static str,
    pub(crate) title: &'static str,
    /// `every` or `cron`.
    pub(crate) kind: &'static str,
    /// What goes into the field of that kind.
    pub(crate) text: &'static str,
}

const fn preset(word: &'static str, title: &'static str, kind: &'static str, text: &'static str) -> Preset {
    Preset { word, title, kind, text }
}

impl Preset {
    pub(crate) const ALL: [Preset; 9] = [
        preset("10s", "Every 10 seconds", "every", "10s"),
        preset("5m", "Every 5 minutes", "every", "5m"),
        preset("hourly", "Every hour, on the hour", "cron", "0 * * * *"),
        preset("daily", "Daily at 09:00", "cron", "0 9 * * *"),
        preset("weekdays", "Weekdays at 09:00", "cron", "0 9 * * 1-5"),
        preset("weekly", "Mondays at 09:00", "cron", "0 9 * * 1"),
        preset("nightly", "Nights at 02:30", "cron", "30 2 * * *"),
        preset("monthly", "First of the month", "cron", "0 0 1 * *"),
        preset("month-end", "Last of the month", "cron", "0 0 L * *"),
    ];

    /// The preset of that word.
    pub(crate) fn named(word: &str) -> Option<Preset> {
        Preset::ALL.into_iter().find(|preset| preset.word == word)
    }

    /// Fills it in.
    pub(crate) fn fill(self, form: &mut TriggerForm) {
        form.kind = self.kind.to_owned();
        match self.kind {
            "every" => form.every = self.text.to_owned(),
            _ => form.cron = self.text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::schedule::cron::CronExpression;
    use oncue_domain::schedule::every::Period;

    #[test]
    fn every_preset_is_a_schedule() {
        for preset in Preset::ALL {
            let is_right = match preset.kind {
                "every" => Period::parse(preset.text).is_ok(),
                _ => CronExpression::parse(preset.text).is_ok(),
            };
            assert!(is_right, "{preset:?}");
            let mut form = TriggerForm::fresh();
            Preset::named(preset.word).expect("it has its own word").fill(&mut form);
            assert_eq!((form.kind.as_str(), form.every.is_empty()), (preset.kind, preset.kind == "cron"));
        }
    }
}
