//! Requests in, pages and JSON out. Here is the complete map of addresses; each noun has its file in `api` (surface two),
//! `flat` (surface one) and `ui` (pages). Handlers are checklists: extract, permit, decide, store, answer. No SQL, no
//! outgoing HTTP and no background tasks; what must happen later is written to the store, and the engine finds it there.

mod access;
mod api;
mod app;
mod auth;
pub mod cursor;
mod extract;
mod fault;
mod flat;
mod guard;
mod health;
mod idempotency;
mod openapi;
mod payload_schema;
mod report;
mod server;
mod turns;
mod ui;
mod watchers;

use std::sync::Arc;

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use api::why::Records;
pub use api::why::beside::{Unanswered, Why, why};
pub use app::{Database, Doors, Entropy, Mode, Settings};
pub use auth::password::hash as hash_password;
pub use server::serve;

use api::dry_run::askable;
use app::{App, Shared};
use fault::{Fault, respond_at};

/// Everything that can be asked of this server.
pub fn router(doors: Doors, settings: Settings) -> Router {
    let app: App = Arc::new(Shared::new(doors, settings));
    let (documented, document) = documented().split_for_parts();
    let all = documented
        .layer(from_fn_with_state(Arc::clone(&app), idempotency::keep))
        .layer(from_fn_with_state(Arc::new(askable::calls(&document)), askable::refuse_elsewhere))
        .merge(ui::router(&app))
        .route("/auth/login", get(access::login_page))
        .route("/auth/register", get(access::register_page))
        .route("/logout", get(access::logout_by_get).post(access::logout))
        .route("/docs", get(openapi::docs))
        .route("/docs/{file}", get(openapi::docs_file))
        .route(
            "/openapi.json",
            get({
                let document: Arc<str> = openapi::finish(document).into();
                move || openapi::document(Arc::clone(&document))
            }),
        )
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(from_fn(guard::count))
        .with_state(Arc::clone(&app));
    // The guard may rewrite an address, so it must come before any route is chosen.
    Router::new().fallback_service(all).layer(from_fn_with_state(app, guard::guard))
}

/// The addresses that stand in the OpenAPI document: both surfaces and the server's own health.
fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(flat::trigger::list, flat::trigger::create))
        .routes(routes!(flat::trigger::test))
        .routes(routes!(flat::trigger::get, flat::trigger::edit, flat::trigger::delete))
        .routes(routes!(flat::trigger::fire))
        .routes(routes!(flat::event::active))
        .routes(routes!(flat::event::archived))
        .routes(routes!(flat::statistics::stats))
        .routes(routes!(api::trigger::list, api::trigger::create))
        .routes(routes!(api::trigger::table))
        .routes(routes!(api::trigger::get, api::trigger::replace, api::trigger::patch, api::trigger::delete))
        .routes(routes!(api::trigger::upcoming))
        .routes(routes!(api::trigger::skipped))
        .routes(routes!(api::why::why))
        .routes(routes!(api::revision::list))
        .routes(routes!(api::revision::get))
        .routes(routes!(api::revision::restore))
        .routes(routes!(api::upcoming::list))
        .routes(routes!(api::forecast::forecast))
        .routes(routes!(api::fire::test))
        .routes(routes!(api::fire::fire))
        .routes(routes!(api::fire::run))
        .routes(routes!(api::backlog::backfill))
        .routes(routes!(api::backlog::list))
        .routes(routes!(api::backlog::release_all))
        .routes(routes!(api::backlog::discard_all))
        .routes(routes!(api::backlog::release))
        .routes(routes!(api::backlog::discard))
        .routes(routes!(api::bulk::create))
        .routes(routes!(api::bulk::fire))
        .routes(routes!(api::event::list))
        .routes(routes!(api::event::table))
        .routes(routes!(api::event::aggregated))
        .routes(routes!(api::event::get))
        .routes(routes!(api::receipt::get))
        .routes(routes!(api::calendar::list, api::calendar::create))
        .routes(routes!(api::calendar::get, api::calendar::replace, api::calendar::delete))
        .routes(routes!(api::destination::list, api::destination::create))
        .routes(routes!(
            api::destination::get,
            api::destination::replace,
            api::destination::patch,
            api::destination::delete
        ))
        .routes(routes!(api::destination::pause))
        .routes(routes!(api::destination::resume))
        .routes(routes!(api::destination::preview::preview))
        .routes(routes!(api::destination::trial::test))
        .routes(routes!(api::destination::secret::rotate))
        .routes(routes!(api::destination::secret::delete))
        .routes(routes!(api::inbox::list))
        .routes(routes!(api::inbox::get))
        .routes(routes!(api::delivery::list))
        .routes(routes!(api::redelivery::redeliver))
        .routes(routes!(api::redelivery::many::redeliver_many))
        .routes(routes!(api::redelivery::cancel))
        .routes(routes!(api::redelivery::fire_again))
        .routes(routes!(api::schedule::preview))
        .routes(routes!(api::api_key::list, api::api_key::create))
        .routes(routes!(api::api_key::delete))
        .routes(routes!(api::freeze::list, api::freeze::freeze, api::freeze::thaw))
        .routes(routes!(api::node::list))
        .routes(routes!(api::act::list))
        .routes(routes!(report::report))
        .routes(routes!(access::login))
        .routes(routes!(access::register))
        .routes(routes!(health::ping))
        .routes(routes!(health::alive))
        .routes(routes!(health::schedule))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}

async fn unknown(OriginalUri(uri): OriginalUri) -> Response {
    respond_at(uri.path(), Fault::not_found("Page"))
}

async fn wrong_method(OriginalUri(uri): OriginalUri) -> Response {
    respond_at(uri.path(), Fault::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take that method."))
}

fn after_panic(cause: Box<dyn std::any::Any + Send>) -> Response {
    let cause =
        cause.downcast_ref::<&str>().map(ToString::to_string).or_else(|| cause.downcast_ref::<String>().cloned());
    let cause = cause.unwrap_or_default();
    tracing::error!(cause, "a handler panicked");
    respond_at(
        "",
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong inside oncue; its log says what."),
    )
}
