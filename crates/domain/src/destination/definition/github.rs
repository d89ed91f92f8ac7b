//! GitHub: a destination that starts a run of one workflow, or tells a repository that something happened. The limits are those of
//! GitHub's REST API, version 2022-11-28.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use url::Url;

use super::Secrets;
use super::fields::Fields;
use super::kind::{Kind, read_address, read_part, read_secret};
use super::secret::Secret;
use crate::template::{Place, Template};

/// Where GitHub itself answers.
const API: &str = "https://api.github.com/";

/// How many inputs a run may be given.
const INPUTS_MAX: usize = 25;

/// The longest name of an input, and the longest type of an event, in characters.
const WORD_CHARS_MAX: usize = 100;

/// The longest name of an account, of a repository, and of a branch or a workflow's file.
const OWNER_CHARS_MAX: usize = 39;
const REPOSITORY_CHARS_MAX: usize = 100;
const REF_CHARS_MAX: usize = 255;

/// `github`: `{"api": "https://api.github.com", "owner": "ann", "repository": "site", "token": "…"}`, and either `"workflow":
/// {"file": "build.yml", "ref": "main", "inputs": {"colour": "red"}}` or `"event_type": "due"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Github {
    /// The address of the API; its path ends with a slash.
    pub api: Url,
    /// Whose repository it is.
    pub owner: String,
    /// The repository.
    pub repository: String,
    /// With what oncue may act there.
    pub token: Secret,
    /// What happens there.
    pub dispatch: Dispatch,
}

/// What happens in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// A run of a workflow (`workflow_dispatch`).
    Workflow {
        /// The name of its file, or its number.
        file: String,
        /// The branch or tag to run on.
        reference: String,
        /// What it is given: templates; it must declare all of them.
        inputs: BTreeMap<String, Template>,
    },
    /// An event for all workflows that listen to this type (`repository_dispatch`).
    Repository {
        /// The type.
        event_type: String,
    },
}

impl Github {
    pub(super) fn read(fields: &mut Fields<'_>, former: Option<&Kind>) -> Option<Github> {
        let former = match former {
            Some(Kind::Github(former)) => Some(former),
            _ => None,
        };
        let mut inner = read_part(fields, "github")?;
        let api = read_api(&mut inner);
        let owner = read_word(&mut inner, "owner", "whose repository it is", OWNER_CHARS_MAX);
        let repository = read_word(&mut inner, "repository", "the name of the repository", REPOSITORY_CHARS_MAX);
        let is_same = former.zip(api.as_ref()).is_some_and(|(former, api)| former.api == *api);
        let token = read_secret(&mut inner, "token", former.map(|former| &former.token), is_same);
        if token.is_none() && !inner.is_refused("token") {
            inner.refuse("token", "This is missing: a token that may start workflows in the repository.");
        }
        let dispatch = read_dispatch(&mut inner);
        fields.close(inner);
        Some(Github { api: api?, owner: owner?, repository: repository?, token: token?, dispatch: dispatch? })
    }

    pub(super) fn write(&self, object: &mut Map<String, Value>, secrets: Secrets) {
        let mut part = json!({
            "api": self.api.as_str(),
            "owner": self.owner,
            "repository": self.repository,
            "token": secrets.write(self.token.expose()),
        });
        match &self.dispatch {
            Dispatch::Workflow { file, reference, inputs } => {
                let inputs = inputs.iter().map(|(name, value)| (name.clone(), json!(value.as_str())));
                let inputs: Map<String, Value> = inputs.collect();
                part["workflow"] = json!({"file": file, "ref": reference, "inputs": inputs});
            }
            Dispatch::Repository { event_type } => part["event_type"] = json!(event_type),
        }
        object.insert("github".to_owned(), part);
    }
}

/// The address of the API. A GitHub server of one's own has it under a path.
fn read_api(inner: &mut Fields<'_>) -> Option<Url> {
    let mut api = if inner.has("api") {
        read_address(inner, "api", "the address of the API")?
    } else {
        inner.take("api");
        Url::parse(API).expect("the constant is an address")
    };
    if api.query().is_some() {
        inner.refuse("api", "The address of the API has no query.");
        return None;
    }
    if !api.path().ends_with('/') {
        api.set_path(&format!("{}/", api.path()));
    }
    Some(api)
}

/// A name that stands in an address as one segment.
fn read_word(inner: &mut Fields<'_>, name: &'static str, what: &str, chars_max: usize) -> Option<String> {
    let text = inner.needed_text(name, what)?;
    let is_word = (1..=chars_max).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !matches!(text, "." | "..");
    inner.note(
        name,
        is_word
            .then(|| text.to_owned())
            .ok_or_else(|| format!("This has 1 to {chars_max} letters, digits, hyphens, underscores and dots.")),
    )
}

fn read_dispatch(inner: &mut Fields<'_>) -> Option<Dispatch> {
    match (inner.has("workflow"), inner.has("event_type")) {
        (true, false) => {
            inner.take("event_type");
            read_workflow(inner)
        }
        (false, true) => {
            inner.take("workflow");
            let text = inner.text("event_type")?;
            let event_type = read_line(text, WORD_CHARS_MAX);
            inner.note("event_type", event_type).map(|event_type| Dispatch::Repository { event_type })
        }
        (false, false) => {
            inner.take("workflow");
            inner.take("event_type");
            inner.refuse("workflow", "This is missing: name a workflow, or an event_type instead.");
            None
        }
        (true, true) => {
            inner.take("workflow");
            inner.take("event_type");
            inner.refuse("event_type", "Name a workflow or an event_type, not both.");
            None
        }
    }
}

fn read_workflow(fields: &mut Fields<'_>) -> Option<Dispatch> {
    let mut inner = fields.object("workflow")?;
    let file = read_word(&mut inner, "file", "the name of the workflow's file, like build.yml", REF_CHARS_MAX);
    let reference = inner.needed_text("ref", "the branch or tag to run on");
    let reference = reference.and_then(|text| inner.note("ref", read_line(text, REF_CHARS_MAX)));
    let inputs = read_inputs(&mut inner);
    fields.close(inner);
    Some(Dispatch::Workflow { file: file?, reference: reference?, inputs: inputs? })
}

fn read_inputs(inner: &mut Fields<'_>) -> Option<BTreeMap<String, Template>> {
    let Some(value) = inner.take("inputs") else { return Some(BTreeMap::new()) };
    let object = inner.note("inputs", value.as_object().ok_or("This must be an object of names and texts."))?;
    if object.len() > INPUTS_MAX {
        inner.refuse("inputs", format!("A workflow takes at most {INPUTS_MAX} inputs."));
        return None;
    }
    let mut inputs = BTreeMap::new();
    for (name, value) in object {
        let Ok(name) = read_line(name, WORD_CHARS_MAX) else {
            inner.refuse(
                "inputs",
                format!("The name of an input has 1 to {WORD_CHARS_MAX} characters, and no line breaks."),
            );
            return None;
        };
        let template = value.as_str().ok_or("The value of an input is a text in quotes.".to_owned());
        let template = template.and_then(|text| inner.parse_template(text, Place::Body));
        let template = inner.note(&format!("inputs.{name}"), template)?;
        inputs.insert(name, template);
    }
    Some(inputs)
}

fn read_line(text: &str, chars_max: usize) -> Result<String, String> {
    let is_line = (1..=chars_max).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    is_line.then(|| text.to_owned()).ok_or_else(|| format!("This has 1 to {chars_max} characters, and no line breaks."))
}
