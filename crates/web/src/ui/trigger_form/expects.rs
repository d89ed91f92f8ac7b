//! The part of a trigger's form that says what is to be reported of its events. Texts both ways, like all of the form; what is right is
//! decided where the JSON is read.

use oncue_domain::id::DestinationId;
use oncue_domain::run::Expectation;
use serde_json::{Map, Value};

use super::some;

/// The fields, as they were typed or as they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExpectsForm {
    pub(crate) report_within: String,
    pub(crate) start_within: String,
    /// The number of the destination that is told.
    pub(crate) alert: String,
}

impl ExpectsForm {
    /// What the form shows.
    pub(crate) fn of(expectation: Option<&Expectation>) -> ExpectsForm {
        let Some(expectation) = expectation else { return ExpectsForm::default() };
        let (report_within, start_within) = expectation.as_written();
        ExpectsForm {
            report_within: report_within.to_owned(),
            start_within: start_within.unwrap_or_default().to_owned(),
            alert: expectation.alert.map(|id| id.to_string()).unwrap_or_default(),
        }
    }

    /// Reads them out of a submitted form.
    pub(super) fn read(take: &mut impl FnMut(&str) -> String) -> ExpectsForm {
        ExpectsForm {
            report_within: take("report_within"),
            start_within: take("start_within"),
            alert: take("run_alert"),
        }
    }

    /// The same as JSON: null where nothing is said. Whom to tell is no expectation by itself.
    pub(super) fn say(&self) -> Value {
        if self.report_within.is_empty() && self.start_within.is_empty() {
            return Value::Null;
        }
        let alert = self.alert.parse::<i64>().map_or_else(|_| some(&self.alert), Value::from);
        let said = [
            ("report_within", some(&self.report_within)),
            ("start_within", some(&self.start_within)),
            ("alert", alert),
        ];
        Value::Object(said.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    }

    /// In words, for whoever compares two forms.
    pub(crate) fn words(&self) -> String {
        let said = [
            ("within ", &self.report_within),
            ("begins within ", &self.start_within),
            ("tells destination ", &self.alert),
        ];
        let words = said.iter().filter(|(_, text)| !text.is_empty()).map(|(before, text)| format!("{before}{text}"));
        words.collect::<Vec<_>>().join(", ")
    }

    /// Whether this is the destination that is told.
    pub(crate) fn tells(&self, id: &DestinationId) -> bool {
        self.alert == id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_form_shows_is_what_it_says() {
        let form = |report: &str, start: &str, alert: &str| ExpectsForm {
            report_within: report.to_owned(),
            start_within: start.to_owned(),
            alert: alert.to_owned(),
        };
        assert_eq!(form("", "", "").say(), Value::Null);
        assert_eq!(form("", "", "3").say(), Value::Null, "nothing is expected, so there is nothing to tell");
        assert_eq!(form("10m", "", "3").say(), json!({"report_within": "10m", "start_within": null, "alert": 3}));
        assert_eq!(form("", "30s", "x").say(), json!({"report_within": null, "start_within": "30s", "alert": "x"}));
        assert_eq!(form("10m", "30s", "3").words(), "within 10m, begins within 30s, tells destination 3");
        assert_eq!(ExpectsForm::of(None), ExpectsForm::default());
        assert!(form("10m", "", "3").tells(&DestinationId(3)) && !form("", "", "").tells(&DestinationId(3)));
    }
}
