//! What the form of a destination would send, beside the form: for a sample, for the next event of a trigger, or for an event that there
//! is. It is read and rendered by what the API's preview goes by, so a preview never shows what saving refuses.

use std::fmt::Display;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::arrival::HIDDEN;
use oncue_domain::destination::Destination;
use oncue_domain::error::Invalid;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::message::{Preview, Unfit};
use oncue_domain::payload::Payload;

use super::edit::FormPage;
use super::form::{DestinationForm, FieldError, FormErrors};
use super::row::kind_title;
use crate::api::destination::preview::{Wanted, render, sample};
use crate::api::destination::{destination_id, load};
use crate::app::{App, Shared};
use crate::auth::Visitor;
use crate::extract::{PathId, id_of};
use crate::fault::Fault;
use crate::ui::event::beginning;
use crate::ui::pretty::pretty;
use crate::ui::{PageFault, trigger_row};

/// How many triggers can be chosen to preview an event of.
const TRIGGERS_LISTED: usize = 200;

/// How many bytes of a body are shown.
const BODY_BYTES_SHOWN: usize = 16 * 1024;

/// How many characters of a template's line stand before and behind the place where it does not fit.
const EXCERPT_CHARS: usize = 32;

/// With which event the form is previewed, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) trigger: String,
    pub(super) event: String,
    pub(super) payload: String,
}

/// The fields of [`Asked`]: where the API has them, what the form calls them, and their names in it.
const ASKED: [(&str, &str, &str); 3] = [
    ("trigger_id", "As an event of", "preview_trigger"),
    ("event_id", "Event", "preview_event"),
    ("payload", "Payload", "preview_payload"),
];

impl Asked {
    /// Takes the three fields out of a form.
    pub(super) fn take(mut take: impl FnMut(&str) -> String) -> Asked {
        Asked { trigger: take("preview_trigger"), event: take("preview_event"), payload: take("preview_payload") }
    }

    fn read(&self) -> Result<Wanted, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let mut number = |field: &str, text: &str| match (text, id_of(text)) {
            ("", _) => None,
            (_, Some(id)) => Some(id),
            (_, None) => {
                wrong.push(Invalid::new(field, "This is a number."));
                None
            }
        };
        let (trigger, event) = (number("trigger_id", &self.trigger), number("event_id", &self.event));
        let payload = (!self.payload.is_empty()).then(|| Payload::parse(&self.payload)).transpose();
        let payload = payload.map_err(|invalid| wrong.push(Invalid::new("payload", invalid.message)));
        match (payload, wrong.is_empty()) {
            (Ok(payload), true) => Ok(Wanted { trigger: trigger.map(TriggerId), event: event.map(EventId), payload }),
            _ => Err(wrong),
        }
    }
}

/// What the form would send.
#[derive(Debug, Default, Template)]
#[template(path = "destination_preview.html")]
pub(super) struct PreviewPart {
    /// What keeps the form from being a destination, or its event from being one.
    problems: Vec<FieldError>,
    /// Where the template does not fit: the line with a mark below.
    excerpt: Option<String>,
    shown: Option<Shown>,
}

impl askama::filters::HtmlSafe for PreviewPart {}

/// What would be sent, in texts.
#[derive(Debug)]
struct Shown {
    /// What comes before the body: a request's first line and its headers, or the head of a mail.
    head: String,
    body: String,
    bytes: usize,
    is_cut: bool,
    is_laid_out: bool,
    is_json: bool,
    /// Why the body is no JSON, where it says that it is.
    json_error: Option<String>,
    is_signed: bool,
}

impl PreviewPart {
    /// What `form` would send for a destination that is `current` so far.
    pub(super) async fn of(
        app: &Shared,
        owner: UserId,
        form: &DestinationForm,
        current: Option<&Destination>,
        now: Timestamp,
    ) -> Result<PreviewPart, Fault> {
        match seen(app, owner, form, current, now).await {
            Ok(Ok(preview)) => Ok(PreviewPart { shown: Some(Shown::of(preview)), ..PreviewPart::default() }),
            Ok(Err(unfit)) => Ok(PreviewPart::unfit(unfit, form)),
            Err(Fault::Invalid(errors)) => {
                Ok(PreviewPart { problems: placed(errors, &form.kind), ..PreviewPart::default() })
            }
            Err(fault) => Err(fault),
        }
    }

    fn unfit(unfit: Unfit, form: &DestinationForm) -> PreviewPart {
        let template = form.text(&unfit.field.replace('.', "_"));
        let excerpt = unfit.fault.as_ref().and_then(|fault| excerpt(template, fault.line, fault.column));
        let problems = placed(vec![Invalid::new(unfit.field, unfit.words)], &form.kind);
        PreviewPart { problems, excerpt, shown: None }
    }

    /// The one sentence that is read out when it changes.
    fn said(&self) -> String {
        match (&self.shown, self.problems.first()) {
            (Some(Shown { json_error: Some(error), .. }), _) => format!("The body is not valid JSON: {error}."),
            (Some(_), _) => "It can be sent like this.".to_owned(),
            (None, Some(problem)) => problem.message.clone(),
            (None, None) => String::new(),
        }
    }
}

async fn seen(
    app: &Shared,
    owner: UserId,
    form: &DestinationForm,
    current: Option<&Destination>,
    now: Timestamp,
) -> Result<Result<Preview, Unfit>, Fault> {
    let mut said = form.to_json()?;
    // What it is called is thought of last, and seldom sent.
    said.entry("name").or_insert_with(|| kind_title(&form.kind).into());
    let sample = sample(app, owner, form.asked.read().map_err(Fault::Invalid)?, now).await?;
    render(app, owner, said, current, &sample, now).await
}

/// Brings what is wrong to the fields of the form and of the preview.
fn placed(errors: Vec<Invalid>, kind: &str) -> Vec<FieldError> {
    let asked = |error: &Invalid| ASKED.iter().find(|(path, ..)| *path == error.field);
    let (of_asked, of_form): (Vec<Invalid>, Vec<Invalid>) =
        errors.into_iter().partition(|error| asked(error).is_some());
    let of_asked = of_asked.into_iter().filter_map(|error| {
        let (_, label, field) = asked(&error)?;
        Some(FieldError { field: (*field).to_owned(), label, message: error.message })
    });
    of_asked.chain(FormErrors::of(of_form, kind).0).collect()
}

/// A line of a template around one of its characters, with a mark below that; none where the template is not to be seen.
fn excerpt(template: &str, line: usize, column: usize) -> Option<String> {
    let text: Vec<char> = template.lines().nth(line.checked_sub(1)?)?.chars().collect();
    let at = column.checked_sub(1)?.min(text.len());
    let from = at.saturating_sub(EXCERPT_CHARS);
    let to = (at + EXCERPT_CHARS).min(text.len());
    // A tab would put the mark elsewhere.
    let part: String = text[from..to].iter().map(|c| if c.is_whitespace() { ' ' } else { *c }).collect();
    Some(format!("{part}\n{}^", " ".repeat(at - from)))
}

impl Shown {
    fn of(preview: Preview) -> Shown {
        let line = |(name, value): (&str, &dyn Display)| format!("{name}: {value}\n");
        match preview {
            Preview::Request { method, url, headers, body, json } => {
                let is_signed = headers.iter().any(|(name, _)| name == "webhook-signature");
                let lines = headers.iter().map(|(name, value)| line((name, &value.as_deref().unwrap_or(HIDDEN))));
                let head = format!("{} {url}\n{}", method.word(), lines.collect::<String>());
                let is_json = json == Some(Ok(()));
                let json_error = json.and_then(Result::err);
                Shown { is_signed, is_json, json_error, ..Shown::text(head, &String::from_utf8_lossy(&body), is_json) }
            }
            Preview::Mail { from, to, subject, text } => {
                let head = [line(("From", &from)), line(("To", &to.join(", "))), line(("Subject", &subject))].concat();
                Shown::text(head, &text, false)
            }
        }
    }

    fn text(head: String, body: &str, is_json: bool) -> Shown {
        // What somebody laid out already is shown as they did.
        let is_laid_out = is_json && !body.trim().contains('\n') && body.len() > 1;
        let laid_out = if is_laid_out { pretty(body) } else { body.to_owned() };
        let shown = beginning(&laid_out, BODY_BYTES_SHOWN);
        Shown {
            head,
            bytes: body.len(),
            is_cut: shown.len() < laid_out.len(),
            body: shown.to_owned(),
            is_laid_out: is_laid_out && laid_out != body,
            is_json,
            json_error: None,
            is_signed: false,
        }
    }
}

/// The triggers that an event can be previewed of.
pub(super) async fn triggers(app: &Shared, owner: UserId) -> Result<Vec<(TriggerId, String)>, Fault> {
    let heads = app.store.trigger_heads(owner, TRIGGERS_LISTED).await?;
    let label = |name: Option<&str>, id| trigger_row::label(name.unwrap_or_default(), id);
    Ok(heads.iter().map(|head| (head.id, label(head.name.as_deref(), head.id))).collect())
}

/// POST /ui/destinations/preview: the form again, with what it would send beside it.
pub(in crate::ui) async fn preview_new(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let form = DestinationForm::read(request, None).await?;
    Ok(FormPage::new(&app, &caller, None, form).await?.unsaved().show())
}

/// POST /ui/destinations/{id}/preview
pub(in crate::ui) async fn preview_edit(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    let current = load(&app, caller.owner(), destination_id(&id)?).await?;
    let form = DestinationForm::read(request, Some(&current)).await?;
    Ok(FormPage::new(&app, &caller, Some(&current), form).await?.unsaved().show())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";

    fn request(body: &str, json: Option<Result<(), String>>) -> Preview {
        let headers = vec![("x-key".to_owned(), None), ("x-nasty".to_owned(), Some(NASTY.to_owned()))];
        let (method, url) = (oncue_domain::outbound::Method::Post, "https://example.com/".to_owned());
        Preview::Request { method, url, headers, body: body.as_bytes().to_vec(), json }
    }

    fn html(preview: Preview) -> String {
        let part = PreviewPart { shown: Some(Shown::of(preview)), ..PreviewPart::default() };
        part.render().expect("it renders")
    }

    #[test]
    fn nothing_that_is_rendered_is_markup_on_the_page() {
        let mail = Preview::Mail {
            from: NASTY.to_owned(),
            to: vec![NASTY.to_owned()],
            subject: NASTY.to_owned(),
            text: NASTY.to_owned(),
        };
        for preview in [request(NASTY, Some(Err(NASTY.to_owned()))), mail] {
            let html = html(preview);
            assert!(
                html.contains("alert(1)") && !html.contains("<script>alert") && !html.contains("<img src=x"),
                "{html}"
            );
        }
    }

    #[test]
    fn a_body_is_shown_as_it_is_but_for_json_on_one_line() {
        assert!(html(request("{\"a\":1}", Some(Ok(())))).contains("{\n  &#34;a&#34;: 1\n}"));
        assert!(html(request("{\"a\":\n1}", Some(Ok(())))).contains("{&#34;a&#34;:\n1}"));
        assert!(html(request("{\"a\":1}", None)).contains("{&#34;a&#34;:1}"));
        let long = html(request(&"x".repeat(BODY_BYTES_SHOWN + 1), None));
        assert!(long.contains("beginning"), "it is said that there is more");
    }

    #[test]
    fn a_mark_stands_below_what_does_not_fit() {
        assert_eq!(excerpt("a\n\t{{ payload.x }}", 2, 5).as_deref(), Some(" {{ payload.x }}\n    ^"));
        let long = format!("{}!{}", "x".repeat(100), "y".repeat(100));
        let cut = excerpt(&long, 1, 101).expect("there is such a line");
        let (line, mark) = cut.split_once('\n').expect("two lines");
        assert_eq!((line.chars().count(), line.find('!')), (2 * EXCERPT_CHARS, mark.find('^')));
        assert_eq!(excerpt("a", 2, 1), None);
        assert_eq!(excerpt("", 1, 1), None, "of what is secret nothing is known");
        assert_eq!(excerpt("a", 1, 99).as_deref(), Some("a\n ^"));
    }

    #[test]
    fn what_is_wrong_with_the_sample_is_said_at_its_own_fields() {
        let asked = Asked { trigger: "x".to_owned(), event: "7".to_owned(), payload: "{".to_owned() };
        let errors = asked.read().expect_err("two are wrong");
        let mut errors = errors;
        errors.push(Invalid::new("url", "No."));
        let fields: Vec<String> = placed(errors, "webhook").into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["preview_trigger", "preview_payload", "url"]);
        assert_eq!(Asked::default().read(), Ok(Wanted::default()));
    }
}
