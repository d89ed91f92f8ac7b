//! Forms that are carried out once. Each page brings a key that no other has, and its forms send it along. So a form that comes twice, because a
//! button was pressed twice or a connection broke, leads to where it led the first time, and does nothing more. What fires or makes a trigger
//! hands its key to the store, which writes it down in the transaction of what it does ([`Pressed`]); of the others, where they led is kept
//! beside. Forms of which a second one comes to nothing have no key.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use oncue_domain::id::UserId;
use oncue_domain::idempotency::{Answer, Key, Keyed, Outcome, Print, Remembered};
use oncue_domain::store::Begun;
use tokio::time::Instant;

use super::PageFault;
use crate::api::time;
use crate::app::{App, Shared};
use crate::auth::{Caller, visitor};
use crate::extract::{is_form, read_body};
use crate::fault::Fault;
use crate::idempotency::{Recalled, taken, to_the_end};

/// The field of a form that holds the key.
const FIELD: &str = "once";

/// Forms that write their keys down themselves, in the transaction of what they do.
const BY_THEMSELVES: [&str; 5] = [
    "/ui/triggers",
    "/ui/triggers/{id}/fire",
    "/ui/triggers/{id}/test",
    "/ui/triggers/{id}/run",
    "/events/{id}/fire-again",
];

/// Forms of which it is kept where they led.
const KEPT: [&str; 8] = [
    "/ui/destinations",
    "/ui/destinations/{id}/test",
    "/ui/destinations/{id}/rotate",
    "/ui/calendars",
    "/account/keys",
    "/events/{id}/deliveries/{slot}/redeliver",
    "/ui/deliveries/selected",
    "/ui/deliveries/redeliver",
];

/// The longest of these forms, in bytes; whoever handles one may take less.
const FORM_BYTES_MAX: usize = super::trigger_action::ACTION_BYTES_MAX;

const _: () = assert!(
    FORM_BYTES_MAX >= super::calendar::FORM_BYTES_MAX
        && FORM_BYTES_MAX >= super::trigger_form::FORM_BYTES_MAX
        && FORM_BYTES_MAX >= super::destination::FORM_BYTES_MAX
);

/// Whoever presses twice waits for what the first press came to, and looks so often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// And no longer than this. What has not ended by then may never end: its server was killed, or has failed.
const WAITS_FOR: Duration = Duration::from_secs(10);

/// The key of a form that writes it down itself; none where the form brought none.
pub(super) struct Pressed(Option<Keyed>);

impl<S: Send + Sync> FromRequestParts<S> for Pressed {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Pressed, Infallible> {
        Ok(Pressed(parts.extensions.remove::<Keyed>()))
    }
}

impl Pressed {
    /// Looks up what was done by this form.
    pub(super) async fn recall(self, app: &Shared, caller: &Caller) -> Result<Option<Recalled>, Fault> {
        let Pressed(Some(Keyed { key, print, .. })) = self else { return Ok(None) };
        Recalled::of(app, caller, key, print).await.map(Some)
    }
}

/// The key of a form that was sent to this address, the query included. What was typed and pressed is a part of it: whoever goes back, changes
/// something and sends the form again means something else.
fn keyed(address: &str, body: &[u8]) -> Option<Keyed> {
    let (_, once) = url::form_urlencoded::parse(body).find(|(name, once)| name == FIELD && !once.is_empty())?;
    let print = Print::of(&[b"form", address.as_bytes(), body]);
    let said: String = print.0.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    // What no page of ours has sent is no key.
    let key = Key::parse(format!("form-{once}-{said}").as_bytes()).ok()?;
    Some(Keyed { key, item: 0, print })
}

/// Carries a form out once, where it brings a key.
pub(super) async fn carry_out(State(app): State<App>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let (is_kept, by_itself) = (KEPT.contains(&matched), BY_THEMSELVES.contains(&matched));
    if request.method() != Method::POST || !is_form(request.headers()) || !(is_kept || by_itself) {
        return next.run(request).await;
    }
    // Whoever is nobody is told so by whoever handles the form.
    let Ok(Some(caller)) = visitor(&app, request.headers()).await else { return next.run(request).await };
    let (mut parts, body) = request.into_parts();
    let body = match read_body(body, FORM_BYTES_MAX).await {
        Ok(body) => body,
        Err(fault) => return PageFault(fault).into_response(),
    };
    let address = parts.uri.path_and_query().map_or_else(|| parts.uri.path(), PathAndQuery::as_str);
    let keyed = keyed(address, &body);
    if let Some(keyed) = keyed.clone().filter(|_| by_itself) {
        parts.extensions.insert(keyed);
    }
    let request = Request::from_parts(parts, Body::from(body));
    match keyed.filter(|_| is_kept) {
        Some(keyed) => {
            let led = to_the_end(lead(app, caller.owner(), keyed, request, next)).await;
            led.unwrap_or_else(|fault| PageFault(fault).into_response())
        }
        None => next.run(request).await,
    }
}

/// Carries a form out, and keeps where it led; or leads to where it led before.
async fn lead(app: App, owner: UserId, keyed: Keyed, request: Request, next: Next) -> Result<Response, Fault> {
    let mut begun = app.store.begin_once(owner, keyed.clone(), app.now()).await?;
    if let Begun::Before(_) = begun {
        app.count_request(owner).map_err(Fault::TooMany)?;
    }
    let until = Instant::now() + WAITS_FOR;
    while let Begun::Before(before) = begun {
        match settled(&app, owner, &keyed, before, until).await? {
            Some(before) => return again(&before, &keyed),
            // It was refused, so nothing was done, and its key is free.
            None => begun = app.store.begin_once(owner, keyed.clone(), app.now()).await?,
        }
    }
    if begun == Begun::Full {
        // A person can do nothing about it; so the form is carried out as one without a key.
        return Ok(next.run(request).await);
    }
    let response = next.run(request).await;
    // After a failure of the machine nobody knows whether something was done: the note stays.
    if !response.status().is_server_error()
        && let Err(error) = app.store.end_once(owner, keyed, led_to(&response)).await
    {
        tracing::warn!(%error, "where a form led could not be kept");
    }
    Ok(response)
}

/// What the first press came to, waited for where that may still be told; none where it was refused.
async fn settled(
    app: &App,
    owner: UserId,
    keyed: &Keyed,
    mut before: Remembered,
    until: Instant,
) -> Result<Option<Remembered>, Fault> {
    let may_end = |before: &Remembered| {
        let age = app.now().duration_since(before.at);
        before.outcome == Outcome::Underway && age.unsigned_abs() < WAITS_FOR && Instant::now() < until
    };
    while may_end(&before) {
        tokio::time::sleep(LOOK_EVERY).await;
        let all = app.store.recall(owner, &keyed.key, app.now()).await?;
        match all.into_iter().find(|one| one.item == keyed.item) {
            Some(one) => before = one,
            None => return Ok(None),
        }
    }
    Ok(Some(before))
}

/// What is kept of an answer: where it leads. A page may show a secret, so nothing of one is kept; one that refuses has done nothing.
fn led_to(response: &Response) -> Option<Answer> {
    let status = response.status();
    let location = response.headers().get(header::LOCATION).filter(|_| status == StatusCode::SEE_OTHER);
    let is_done = location.is_some() || status.is_success();
    is_done.then(|| Answer { status: status.as_u16(), body: location.map(|to| to.as_bytes().to_vec()) })
}

/// What whoever sends a form again is told.
fn again(before: &Remembered, keyed: &Keyed) -> Result<Response, Fault> {
    if before.print != keyed.print {
        return Err(taken());
    }
    let at = time(before.at);
    let detail = match &before.outcome {
        Outcome::Answered(Answer { body: Some(to), .. }) => {
            let location = HeaderValue::from_bytes(to).map_err(|_| taken())?;
            return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response());
        }
        Outcome::Answered(_) => format!(
            "This form was carried out at {at}, and nothing more was done now. Its answer showed something that is shown only once. What was \
             made is in its list; to make another, begin on a new page."
        ),
        Outcome::Underway => format!(
            "This form was sent at {at}, and it is not known yet whether it was carried out. Look at what there is before you begin on a new page."
        ),
        Outcome::Made(_) => return Err(taken()),
    };
    Err(Fault::new(StatusCode::CONFLICT, detail))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::post;
    use jiff::{SignedDuration, Timestamp};
    use oncue_domain::access::Registration;
    use oncue_domain::clock::Clock;
    use oncue_domain::idempotency::ANSWERS_MAX;
    use oncue_domain::store::memory::Memory;
    use oncue_domain::store::{NewUser, Registered, Store};
    use tower::ServiceExt as _;

    use super::*;
    use crate::app::{Mode, Settings, test_app, test_settings};

    const PATH: &str = "/ui/calendars";

    const BODY: &str = "name=c&once=abc";

    /// So long takes what the form does.
    const TAKES: Duration = Duration::from_secs(1);

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("in range")
    }

    /// A clock that stands.
    struct Standing;

    impl Clock for Standing {
        fn now(&self) -> Timestamp {
            now()
        }
    }

    /// One form, whose every time leads elsewhere.
    struct House {
        store: Arc<dyn Store>,
        owner: UserId,
        router: Router,
        carried_out: Arc<AtomicUsize>,
    }

    impl House {
        async fn new(rate_limit: Option<u32>) -> House {
            let store: Arc<dyn Store> = Arc::new(Memory::new(false));
            let ann = NewUser { email: "ann@example.com".to_owned(), password_hash: String::new() };
            let registered = store.register(ann, Registration::Open, now()).await.expect("a store that answers");
            let Registered::Done(user) = registered else { panic!("{registered:?}") };
            let owner = user.id;
            let settings = Settings { mode: Mode::Open(user), rate_limit, ..test_settings() };
            let app = test_app(Arc::clone(&store), Arc::new(Standing), settings);
            let carried_out = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&carried_out);
            let form = move || async move {
                tokio::time::sleep(TAKES).await;
                crate::ui::see_other(&format!("/made/{}", counted.fetch_add(1, Ordering::Relaxed)))
            };
            let router = Router::new()
                .route(PATH, post(form))
                .route_layer(axum::middleware::from_fn_with_state(Arc::clone(&app), carry_out))
                .with_state(app);
            House { store, owner, router, carried_out }
        }

        /// Sends the form: the status, and where it led.
        async fn send(&self) -> (u16, String) {
            let request = axum::http::Request::post(PATH)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(BODY))
                .expect("a request");
            let response = self.router.clone().oneshot(request).await.expect("an answer");
            let led = response.headers().get(header::LOCATION).map(|to| to.to_str().expect("an address").to_owned());
            (response.status().as_u16(), led.unwrap_or_default())
        }

        /// The form was sent at that instant, and has not ended.
        async fn begin(&self, at: Timestamp) -> Keyed {
            let keyed = keyed(PATH, BODY.as_bytes()).expect("a key");
            let begun = self.store.begin_once(self.owner, keyed.clone(), at).await.expect("a store that answers");
            assert_eq!(begun, Begun::Now);
            keyed
        }

        fn carried_out(&self) -> usize {
            self.carried_out.load(Ordering::Relaxed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_form_whose_sender_hangs_up_is_carried_out_and_the_next_press_leads_where_it_led() {
        let house = House::new(None).await;
        let hung_up = tokio::time::timeout(TAKES / 2, house.send()).await;
        assert!(hung_up.is_err(), "{hung_up:?}");
        assert_eq!(house.send().await, (303, "/made/0".to_owned()));
        assert_eq!(house.carried_out(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_press_waits_for_the_first_while_that_may_still_end() {
        let house = House::new(None).await;
        let keyed = house.begin(now()).await;
        let begun = Instant::now();
        assert_eq!(house.send().await.0, 409, "it has not ended");
        assert!((WAITS_FOR..WAITS_FOR * 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());

        let answer = Answer { status: 303, body: Some(b"/there".to_vec()) };
        let ending = async {
            tokio::time::sleep(TAKES).await;
            house.store.end_once(house.owner, keyed.clone(), Some(answer)).await.expect("a store that answers");
        };
        let ((), second) = tokio::join!(ending, house.send());
        assert_eq!(second, (303, "/there".to_owned()));
        assert_eq!(house.carried_out(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_while_a_second_press_waited_is_that_one_s_to_do() {
        let house = House::new(None).await;
        let keyed = house.begin(now()).await;
        let ending = async {
            tokio::time::sleep(TAKES).await;
            house.store.end_once(house.owner, keyed.clone(), None).await.expect("a store that answers");
        };
        let ((), second) = tokio::join!(ending, house.send());
        assert_eq!(second, (303, "/made/0".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_began_long_ago_is_not_waited_for() {
        let house = House::new(None).await;
        house.begin(now() - SignedDuration::try_from(WAITS_FOR).expect("in range")).await;
        let begun = Instant::now();
        assert_eq!(house.send().await.0, 409);
        assert_eq!((begun.elapsed(), house.carried_out()), (Duration::ZERO, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_counted_before() {
        let house = House::new(Some(1)).await;
        house.begin(now()).await;
        assert_eq!(house.send().await.0, 409);
        let begun = Instant::now();
        assert_eq!(house.send().await.0, 429);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn where_no_more_answers_are_kept_a_form_is_carried_out_each_time() {
        let house = House::new(None).await;
        for number in 0..ANSWERS_MAX {
            let keyed = Keyed { key: Key::from_stored(format!("key-{number}")), item: 0, print: Print::of(&[]) };
            let begun = house.store.begin_once(house.owner, keyed, now()).await.expect("a store that answers");
            assert_eq!(begun, Begun::Now);
        }
        assert_eq!(house.send().await, (303, "/made/0".to_owned()));
        assert_eq!(house.send().await, (303, "/made/1".to_owned()));
    }

    #[test]
    fn whoever_sends_a_form_again_is_told_what_came_of_it() {
        let keyed = keyed(PATH, BODY.as_bytes()).expect("a key");
        let before = |outcome| Remembered { item: 0, print: keyed.print, at: now(), outcome };
        let told = |before: &Remembered| match again(before, &keyed) {
            Ok(response) => (response.status().as_u16(), format!("{:?}", response.headers().get(header::LOCATION))),
            Err(fault) => (fault.status().as_u16(), fault.detail()),
        };
        let answered = |body: Option<&[u8]>| Outcome::Answered(Answer { status: 303, body: body.map(<[u8]>::to_vec) });
        let other = Remembered { print: Print::of(&[]), ..before(answered(Some(b"/there"))) };
        for (before, status, words) in [
            (before(answered(Some(b"/there"))), 303, "/there"),
            (before(answered(Some(b"\n"))), 422, "another call"),
            (before(answered(None)), 409, "was carried out at 2027-01-15T08:00:00Z, and nothing more was done"),
            (before(Outcome::Underway), 409, "was sent at 2027-01-15T08:00:00Z, and it is not known yet"),
            (before(Outcome::Made(7)), 422, "another call"),
            (other, 422, "another call"),
        ] {
            let (said, detail) = told(&before);
            assert_eq!(said, status, "{before:?}");
            assert!(detail.contains(words), "{before:?}: {detail}");
        }
    }

    #[test]
    fn a_form_is_the_same_only_with_all_that_was_typed_and_pressed() {
        let key = |path: &str, body: &str| keyed(path, body.as_bytes()).map(|keyed| keyed.key);
        let first = key("/ui/triggers/7/test", "back=%2F&once=abc");
        assert!(first.as_ref().is_some_and(|key| key.as_str().starts_with("form-abc-")), "{first:?}");
        assert_eq!(first, key("/ui/triggers/7/test", "back=%2F&once=abc"));
        for (path, body) in [
            ("/ui/triggers/7/run", "back=%2F&once=abc"),
            ("/ui/triggers/7/test?q=t", "back=%2F&once=abc"),
            ("/ui/triggers/7/test", "back=%2F&once=abd"),
            ("/ui/triggers/7/test", "back=%2F&once=abc&payload=1"),
        ] {
            assert_ne!(first, key(path, body), "{path} {body}");
        }
    }

    #[test]
    fn what_no_page_of_ours_sends_is_no_key() {
        let long = format!("once={}", "k".repeat(300));
        for body in ["", "back=%2F", "once=", "once=a+b", "once=%C3%A4", "once=%0A", &long] {
            assert_eq!(keyed("/ui/triggers", body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn of_a_page_nothing_is_kept_and_of_a_refusal_not_even_that_it_was() {
        let kept = |response: Response| led_to(&response).map(|answer| (answer.status, answer.body));
        assert_eq!(kept(crate::ui::see_other("/a?b=1")), Some((303, Some(b"/a?b=1".to_vec()))));
        assert_eq!(kept((StatusCode::OK, "a secret").into_response()), Some((200, None)));
        assert_eq!(kept((StatusCode::UNPROCESSABLE_ENTITY, "mistakes").into_response()), None);
        assert_eq!(kept(crate::ui::redirect("/auth/login")), None);
    }
}
