//! An event as a call of GitHub's REST API, version 2022-11-28: "Create a workflow dispatch event" and "Create a repository dispatch
//! event", with the limits that stand there.

use std::collections::BTreeMap;

use serde::Serialize;
use url::Url;

use super::cloudevent::Data;
use super::compose::{Unfit, unrendered};
use super::{Source, to_json};
use crate::destination::definition::{Dispatch, Github};
use crate::outbound::Headers;
use crate::template::{Context, Template};

/// How many bytes of JSON GitHub takes with an event of a repository; it says less than 64 KB.
const PAYLOAD_BYTES_MAX: usize = 64 * 1000 - 1;

/// How many characters all inputs of a workflow may have together.
const INPUTS_CHARS_MAX: usize = 65_535;

#[derive(Serialize)]
struct WorkflowRun<'a> {
    #[serde(rename = "ref")]
    reference: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    inputs: BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
struct RepositoryEvent<'a> {
    event_type: &'a str,
    client_payload: ClientPayload<'a>,
}

/// Four of the ten properties that GitHub takes; a workflow finds the payload as `github.event.client_payload.payload`.
#[derive(Serialize)]
struct ClientPayload<'a> {
    id: String,
    #[serde(flatten)]
    data: Data<'a>,
}

/// The address and the body of the call.
pub(super) fn dispatch(context: &Context<'_>, github: &Github, source: &Source) -> Result<(Url, Vec<u8>), Unfit> {
    let event = context.event;
    let mut url = github.api.clone();
    let unusable = || Unfit::of("github.api", "The address of GitHub's API cannot be used.".to_owned());
    {
        let mut path = url.path_segments_mut().map_err(|()| unusable())?;
        path.pop_if_empty().extend(["repos", &github.owner, &github.repository]);
        match &github.dispatch {
            Dispatch::Workflow { file, .. } => path.extend(["actions", "workflows", file, "dispatches"]),
            Dispatch::Repository { .. } => path.extend(["dispatches"]),
        };
    }
    let body = match &github.dispatch {
        Dispatch::Workflow { reference, inputs, .. } => {
            let inputs = rendered(inputs, context)?;
            let chars: usize = inputs.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
            if chars > INPUTS_CHARS_MAX {
                let words =
                    format!("The inputs have {chars} characters together; GitHub takes at most {INPUTS_CHARS_MAX}.");
                return Err(Unfit::of("github.workflow.inputs", words));
            }
            to_json(&WorkflowRun { reference, inputs })
        }
        Dispatch::Repository { event_type } => {
            let client_payload = ClientPayload { id: event.message_id.to_string(), data: Data::new(event, source) };
            let bytes = to_json(&client_payload).len();
            if bytes > PAYLOAD_BYTES_MAX {
                let words = format!(
                    "The event has {bytes} bytes as JSON; GitHub takes at most {PAYLOAD_BYTES_MAX} with an event of a repository."
                );
                return Err(Unfit::of("", words));
            }
            to_json(&RepositoryEvent { event_type, client_payload })
        }
    };
    Ok((url, body))
}

fn rendered<'a>(
    inputs: &'a BTreeMap<String, Template>,
    context: &Context<'_>,
) -> Result<BTreeMap<&'a str, String>, Unfit> {
    let rendered = inputs.iter().map(|(name, template)| {
        let unfit = |fault| unrendered(&format!("github.workflow.inputs.{name}"), &format!("input {name}"), fault);
        let value = template.render(context).map_err(unfit)?;
        Ok((name.as_str(), value))
    });
    rendered.collect()
}

/// Headers that are the same in all calls.
pub(crate) const OWN_HEADERS: [(&str, &str); 2] =
    [("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")];

/// Who asks, and in which version of the API.
pub(super) fn headers(github: &Github) -> Headers {
    let own = OWN_HEADERS.map(|(name, value)| (name.into(), value.to_owned()));
    own.into_iter().chain([("authorization".into(), format!("Bearer {}", github.token.expose()))]).collect()
}
