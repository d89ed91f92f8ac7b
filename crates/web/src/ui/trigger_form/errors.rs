//! What is wrong with a trigger's form: surface two's errors, brought back to the fields that they are about and put into the
//! order of the form. What is wrong is decided where the JSON is read.

use oncue_domain::error::Invalid;

/// One thing that is wrong with a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// The field, by its name in the form; empty where it is none of them.
    pub(crate) field: &'static str,
    /// What the form calls it.
    pub(crate) label: &'static str,
    pub(crate) message: String,
}

/// Everything that is wrong with a form, in the order of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FormErrors(pub(crate) Vec<FieldError>);

/// Surface two's path of a field, the form's name for it and its label, in the order of the form.
const FIELDS: [(&str, &str, &str); 38] = [
    ("name", "name", "Name"),
    ("api_payload", "payload", "Payload"),
    ("payload_schema", "payload_schema", "Schema of payloads"),
    ("is_test", "is_test", "Only a test"),
    ("type", "kind", "Fires"),
    ("schedule_details", "kind", "Fires"),
    ("schedule_details.run_at", "run_at", "At"),
    ("schedule_details.every", "every", "Period"),
    ("schedule_details.start_at", "start_at", "First firing"),
    ("schedule_details.cron", "cron", "Cron line"),
    ("schedule_details.rrule", "rrule", "Calendar rule"),
    ("schedule_details.rrule_start", "rrule_start", "Starts"),
    ("schedule_details.any_of", "any_of", "Schedules"),
    ("schedule_details.timezone", "timezone", "Time zone"),
    ("schedule_details.starts_at", "starts_at", "Not before"),
    ("schedule_details.ends_at", "ends_at", "Until"),
    ("schedule_details.excluded_dates", "excluded_dates", "Not on"),
    ("schedule_details.jitter", "jitter", "Spread over"),
    ("schedule_details.except_calendars", "calendars", "Not on the dates of"),
    ("schedule_details.gap", "gap", "Times that the clocks skip"),
    ("schedule_details.fold", "fold", "Times that come twice"),
    ("schedule_details.max_fires", "max_fires", "At most so often"),
    ("schedule_details.delete_when_done", "delete_when_done", "Delete when done"),
    ("schedule_details.misfire", "misfire", "What is missed"),
    ("schedule_details.misfire.policy", "misfire", "What is missed"),
    ("schedule_details.misfire.at_most", "misfire_at_most", "At most so many"),
    ("schedule_details.misfire.not_older_than", "misfire_age", "Not older than"),
    ("schedule_details.misfire.hold", "misfire_hold", "Held"),
    ("expires_at", "expires_at", "Expires"),
    ("destinations", "destinations", "Destinations"),
    ("webhook_url", "webhook_url", "Webhook address"),
    ("format", "format", "Format"),
    ("expects", "report_within", "Reports its end within"),
    ("expects.report_within", "report_within", "Reports its end within"),
    ("expects.start_within", "start_within", "Reports its start within"),
    ("expects.alert", "run_alert", "Who is told"),
    ("overlap", "overlap", "While an event is under way"),
    ("", "", ""),
];

/// The fields that are folded away until somebody needs them.
const FOLDED: [&str; 12] = super::TermsForm::NAMES;

/// The path of the field; one destination or calendar of several has no field of its own.
fn field_of(error: &Invalid) -> &str {
    const CALENDARS: &str = "schedule_details.except_calendars";
    match error.field.as_str() {
        field if field.starts_with("destinations.") => "destinations",
        field if field.starts_with(CALENDARS) => CALENDARS,
        field => field,
    }
}

impl FormErrors {
    pub(crate) fn of(errors: Vec<Invalid>) -> FormErrors {
        let place =
            |error: &Invalid| FIELDS.iter().position(|(path, ..)| *path == field_of(error)).unwrap_or(FIELDS.len() - 1);
        let mut placed: Vec<(usize, String)> = errors.into_iter().map(|error| (place(&error), error.message)).collect();
        placed.sort_by_key(|(place, _)| *place);
        let errors = placed.into_iter().map(|(place, message)| {
            let (_, field, label) = FIELDS[place];
            FieldError { field, label, message }
        });
        FormErrors(errors.collect())
    }

    /// What is wrong with one field.
    pub(crate) fn at(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }

    /// Whether something is wrong with a field that is folded away.
    pub(crate) fn are_folded(&self) -> bool {
        self.0.iter().any(|error| FOLDED.contains(&error.field) || error.field == "calendars")
    }

    /// Whether this is the first wrong field, where the typing should go on.
    pub(crate) fn begin_at(&self, field: &str) -> bool {
        self.0.iter().find(|error| !error.field.is_empty()).is_some_and(|error| error.field == field)
    }
}
