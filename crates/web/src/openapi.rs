//! The OpenAPI document of both surfaces, made from the handlers, and Swagger UI to read it with, from inside the binary.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use oncue_domain::idempotency::KEY_CHARS_MAX;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::{Response as Documented, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required,
};
use utoipa::openapi::{PathsBuilder, SecurityRequirement};
use utoipa::{IntoResponses, PartialSchema};

use crate::fault::{Fault, FieldProblem, FlatErrorDocument, ProblemDocument, is_for_programs, respond_at};

/// What the document says before the handlers add theirs.
pub(crate) fn head() -> OpenApi {
    let mut components = Components::new();
    components.schemas.insert("Problem".to_owned(), ProblemDocument::schema());
    components.schemas.insert("FieldProblem".to_owned(), FieldProblem::schema());
    components.schemas.insert("FlatError".to_owned(), FlatErrorDocument::schema());
    components
        .add_security_scheme("bearer", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()));
    components
        .add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(crate::auth::COOKIE))));
    let licence = LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("oncue")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Triggers that fire on time or on call, and the events they make. Two surfaces over the same triggers: the \
             account API under /api/v1, and the flat API under /triggers and /logs.",
        ))
        .license(Some(licence))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .paths(PathsBuilder::new())
        .components(Some(components))
        .security(Some([
            SecurityRequirement::new("bearer", Vec::<String>::new()),
            SecurityRequirement::new("cookie", Vec::<String>::new()),
        ]))
        .build()
}

/// The whole document as JSON.
pub(crate) fn finish(mut document: OpenApi) -> String {
    for (path, calls) in &mut document.paths.paths {
        if let Some(call) = calls.post.as_mut().filter(|_| is_for_programs(path)) {
            call.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
        }
    }
    document.to_json().expect("a document of strings and maps is always JSON")
}

/// The header that every POST takes.
fn idempotency_key() -> Parameter {
    let key = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(KEY_CHARS_MAX));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "1 to 255 visible ASCII characters. The same call again under the same key within 24 hours is not carried out again, and is \
             answered as before, with Idempotency-Replayed: true. 422 where the key was another call's; 409 where the first call has not \
             ended, or showed a secret.",
        ))
        .schema(Some(key))
        .build()
}

/// GET /openapi.json
pub(crate) async fn document(document: Arc<str>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

/// The page around Swagger UI; its own has inline scripts and looks for its files beside itself.
const DOCS_PAGE: &str = include_str!("../static/docs.html");

/// Starts Swagger UI on our document.
const DOCS_START: &str = include_str!("../static/docs.js");

/// GET /docs
pub(crate) async fn docs() -> Response {
    let page = DOCS_PAGE.replace("{icon}", crate::ui::icon());
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

/// GET /docs/{file}
pub(crate) async fn docs_file(Path(file): Path<String>) -> Response {
    if file == "start.js" {
        return ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], DOCS_START).into_response();
    }
    let config = Arc::new(utoipa_swagger_ui::Config::from("/openapi.json"));
    match utoipa_swagger_ui::serve(&file, config) {
        Ok(Some(asset)) => {
            let is_compressed = asset.bytes.starts_with(&GZIP_MAGIC);
            let mut response = ([(header::CONTENT_TYPE, asset.content_type)], asset.bytes.into_owned()).into_response();
            if is_compressed {
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        }
        _ => respond_at("/docs", Fault::not_found("Page")),
    }
}

/// What every gzip file begins with (RFC 1952 §2.3.1). Swagger UI's files are compressed in the binary, and every browser
/// takes them so.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

type Responses = BTreeMap<String, RefOr<Documented>>;

fn errors(schema: &str, content_type: &str, kinds: &[(&str, &str)]) -> Responses {
    let reference = Ref::from_schema_name(schema);
    kinds
        .iter()
        .map(|(status, description)| {
            let content = ContentBuilder::new().schema(Some(RefOr::Ref(reference.clone()))).build();
            let response = ResponseBuilder::new().description(*description).content(content_type, content).build();
            ((*status).to_owned(), RefOr::T(response))
        })
        .collect()
}

/// What any call may answer besides what it is for.
const ANY: [(&str, &str); 11] = [
    ("400", "The request makes no sense as it stands"),
    ("401", "No credentials, or none that are known"),
    ("403", "The key has not the scope, or another site sent this"),
    ("404", "There is no such thing, or it is somebody else's"),
    ("405", "The address does not take this method"),
    ("408", "The body took too long to arrive"),
    ("413", "The body is too large"),
    ("421", "The server does not answer to that name"),
    ("422", "A field is wrong; it is named"),
    ("429", "Too often; Retry-After says when to come back"),
    ("503", "The database cannot be reached or written right now"),
];

/// What only calls with a body answer.
const WITH_BODY: [(&str, &str); 2] =
    [("409", "It conflicts with how things stand"), ("415", "The body is not marked as JSON")];

/// The errors of any call of surface two.
pub(crate) struct Errors;

/// The errors of a call of surface two with a body.
pub(crate) struct MakingErrors;

/// The errors of firing on surface two.
pub(crate) type FiringErrors = MakingErrors;

/// The errors of logging in and registering: a form gets its page again, JSON gets a problem.
pub(crate) struct AccessErrors;

/// The errors of any call of surface one.
pub(crate) struct FlatErrors;

/// The errors of a call of surface one with a body.
pub(crate) struct FlatMakingErrors;

impl IntoResponses for Errors {
    fn responses() -> Responses {
        errors("Problem", "application/problem+json", &ANY)
    }
}

impl IntoResponses for MakingErrors {
    fn responses() -> Responses {
        let mut all = Errors::responses();
        all.extend(errors("Problem", "application/problem+json", &WITH_BODY));
        all
    }
}

impl IntoResponses for AccessErrors {
    fn responses() -> Responses {
        let mut all = MakingErrors::responses();
        let page = || ContentBuilder::new().schema(Some(String::schema())).build();
        for response in all.values_mut() {
            if let RefOr::T(response) = response {
                response.content.insert("text/html".to_owned(), RefOr::T(page()));
            }
        }
        all
    }
}

impl IntoResponses for FlatErrors {
    fn responses() -> Responses {
        errors("FlatError", "application/json", &ANY)
    }
}

impl IntoResponses for FlatMakingErrors {
    fn responses() -> Responses {
        let mut all = FlatErrors::responses();
        all.extend(errors("FlatError", "application/json", &WITH_BODY));
        all
    }
}

#[cfg(test)]
mod tests {
    use oncue_domain::act::{Action, Thing};
    use serde_json::Value;
    use utoipa::ToSchema;

    use super::*;

    fn document() -> Value {
        let (_, document) = crate::documented().split_for_parts();
        serde_json::from_str(&finish(document)).expect("it is JSON")
    }

    #[test]
    fn errors_are_documented_under_the_names_they_are_registered_by() {
        assert_eq!(ProblemDocument::name(), "Problem");
        assert_eq!(FlatErrorDocument::name(), "FlatError");
    }

    #[test]
    fn the_audit_log_is_documented_with_every_action_and_every_sort_of_thing() {
        let document = document();
        let parameters = &document["paths"]["/api/v1/audit"]["get"]["parameters"];
        let said = |name: &str| {
            let named = |one: &&Value| one["name"] == name;
            parameters.as_array().and_then(|all| all.iter().find(named)).expect("it is documented")["description"]
                .to_string()
        };
        for (name, words) in
            [("action", Action::ALL.map(Action::word).as_slice()), ("object", Thing::ALL.map(Thing::word).as_slice())]
        {
            let said = said(name);
            assert!(words.iter().all(|word| said.contains(&format!("`{word}`"))), "{said}");
        }
    }

    #[test]
    fn every_schema_has_an_example() {
        let document = document();
        let schemas = document["components"]["schemas"].as_object().expect("there are schemas");
        for (name, schema) in schemas {
            let parts: Vec<&Value> =
                schema["allOf"].as_array().map_or_else(|| vec![schema], |parts| parts.iter().collect());
            let has_example = |part: &&Value| {
                let properties = part["properties"].as_object();
                part.get("example").is_some()
                    || part.get("examples").is_some()
                    || part.get("$ref").is_some()
                    || properties.is_some_and(|all| all.values().any(|property| property.get("example").is_some()))
            };
            assert!(
                schema.get("example").is_some() || parts.iter().all(has_example),
                "{name} has no example: {schema}"
            );
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_call_has_a_name_of_its_own() {
        let document = document();
        let text = document.to_string();
        for reference in
            text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().expect("it ends"))
        {
            assert!(document["components"]["schemas"].get(reference).is_some(), "{reference} is not defined");
        }
        let mut names = std::collections::BTreeSet::new();
        for (path, calls) in document["paths"].as_object().expect("there are paths") {
            for (method, call) in calls.as_object().expect("there are methods") {
                let name = call["operationId"].as_str().expect("it has a name");
                assert!(names.insert(name.to_owned()), "{method} {path} shares the name {name}");
                assert!(!call["tags"].as_array().expect("it has a tag").is_empty());
                let words = call["summary"].as_str().or(call["description"].as_str());
                assert!(words.is_some_and(|words| !words.is_empty()), "{method} {path} is not described");
            }
        }
        assert_eq!(document["openapi"], "3.1.0");
    }
}
