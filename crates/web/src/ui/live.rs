//! What happens while a page is open, told to it as it happens: server-sent events. A page says up to which event it knows
//! (it was told by the very read that made its rows), and is told of every later one, once; of everything else it is only told
//! that it ought to look again. The store's hints wake us, a beat looks without any; nothing here holds up whoever commits,
//! and nothing waits for a reader who does not read.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::{self, EventPage, EventSearch, FOLLOWED_MAX};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::event_line::Rows;
use super::event_query::EventQuery;
use super::run::of_events;
use super::viewer::shown_zone;
use crate::app::App;
use crate::auth::{Caller, visitor};
use crate::extract::Query;
use crate::fault::{Fault, respond_at};
use crate::server::{Closing, Endless};
use crate::watchers::{Heard, Seat, Watchers};

/// A page hears from us at least this often, and whether its session still holds is looked at as often.
const BEAT_EVERY: Duration = Duration::from_secs(15);

/// After each message a pause, so that no page gets more than four a second; and after a look that did not come to the end.
const PAUSE: Duration = Duration::from_millis(250);

/// How many rows one message brings; a page that is further behind is quicker made anew.
const ROWS_MAX: usize = 200;

/// How long a browser waits before it connects again, in milliseconds.
const RECONNECT_AFTER_MS: u32 = 2000;

/// When to come back where there is no room, in seconds. Pages look for themselves meanwhile.
const NO_ROOM_FOR_S: u32 = 30;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// GET /ui/live
pub(super) async fn live(
    State(app): State<App>,
    closing: Option<Extension<Closing>>,
    headers: HeaderMap,
    mut query: Query,
) -> Response {
    let refuse = |fault| respond_at("/ui/live", fault);
    let caller = match admit(&app, &headers).await {
        Ok(caller) => caller,
        Err(fault) => return refuse(fault),
    };
    let zone = shown_zone(&app, &caller, None);
    let after = query.take("after", read_place);
    let has_rows = query.take_text("rows").is_some();
    let (wanted, unread) = EventQuery::take(&mut query, &zone);
    if let Some(unread) = unread.first() {
        return refuse(Fault::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{}: {}", unread.field, unread.message)));
    }
    if let Err(fault) = query.finish() {
        return refuse(fault);
    }
    // A browser that comes back says what it was told last; its address is that of the page as it was first.
    let told = headers.get(LAST_EVENT_ID).and_then(|id| read_place(id.to_str().ok()?).ok());
    let Some(seat) = Watchers::sit(&app.watchers, caller.owner()) else {
        let no_room = "Too many pages are watching already; this one looks for itself.";
        let mut response = refuse(Fault::new(StatusCode::SERVICE_UNAVAILABLE, no_room));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(NO_ROOM_FOR_S));
        return response;
    };
    let now = Instant::now();
    let seen = *seat.heard.borrow();
    let watch = Watch {
        seen,
        owner: caller.owner(),
        place: told.or(after),
        is_behind: false,
        has_rows,
        wanted,
        zone,
        seat,
        headers,
        app,
        beat_at: now,
        quiet_until: now,
        is_first: true,
        is_over: false,
    };
    respond(watch, closing.map(|Extension(closing)| closing))
}

async fn admit(app: &App, headers: &HeaderMap) -> Result<Caller, Fault> {
    let caller = visitor(app, headers).await?.ok_or(Fault::Unauthenticated)?;
    app.count_request(caller.owner()).map_err(Fault::TooMany)?;
    Ok(caller)
}

fn read_place(text: &str) -> Result<EventId, &'static str> {
    text.parse().map(EventId).map_err(|_| "This is not the number of an event.")
}

fn respond(watch: Watch, closing: Option<Closing>) -> Response {
    let messages = unfold((watch, closing), async |(mut watch, mut closing)| {
        let message = tokio::select! {
            biased;
            () = wait(&mut closing) => None,
            message = watch.next() => message,
        };
        message.map(|message| (Ok::<_, Infallible>(Bytes::from(message)), (watch, closing)))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies would otherwise gather messages until a buffer is full.
        (X_ACCEL_BUFFERING, "no"),
    ];
    let mut response = (headers, Body::from_stream(messages)).into_response();
    response.extensions_mut().insert(Endless);
    response
}

async fn wait(closing: &mut Option<Closing>) {
    match closing {
        Some(closing) => closing.wait().await,
        None => std::future::pending().await,
    }
}

/// One page that is open.
struct Watch {
    app: App,
    /// What the page came with; whether that still holds is asked again with each beat.
    headers: HeaderMap,
    owner: UserId,
    zone: Zone,
    wanted: EventQuery,
    /// Whether the page takes rows; others only want to know that there are some.
    has_rows: bool,
    /// Up to which event the page knows; none before the first look of a page that does not say.
    place: Option<EventId>,
    /// Whether the last look may have ended before the end of what was logged: others' events are walked over too, and one
    /// look walks over so many of them only.
    is_behind: bool,
    seat: Seat,
    seen: Heard,
    beat_at: Instant,
    quiet_until: Instant,
    is_first: bool,
    is_over: bool,
}

/// Why there is something to do.
#[derive(PartialEq, Eq)]
enum Wake {
    Beat,
    Hint,
    /// The last look did not come to the end.
    Behind,
}

impl Watch {
    /// What the page is told next, as soon as there is something; none when that was all.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.is_over {
                return None;
            }
            let wake = self.wait().await;
            match self.look(wake).await {
                Ok(None) => return None,
                Ok(Some(messages)) if messages.0.is_empty() => {}
                Ok(Some(messages)) => {
                    self.quiet_until = Instant::now() + PAUSE * messages.1;
                    return Some(messages.0);
                }
                Err(error) => {
                    // The page comes back by itself, and goes on where it was.
                    tracing::warn!(%error, "a live page could not be told what happened");
                    return None;
                }
            }
        }
    }

    async fn wait(&mut self) -> Wake {
        tokio::select! {
            biased;
            () = sleep_until(self.beat_at) => Wake::Beat,
            () = sleep_until(self.quiet_until), if self.is_behind => Wake::Behind,
            () = hinted(&mut self.seat.heard, self.seen, self.quiet_until) => Wake::Hint,
        }
    }

    /// What is to be told, if the page may still be told anything.
    async fn look(&mut self, wake: Wake) -> Result<Option<Messages>, store::Error> {
        let mut messages = Messages::default();
        let heard = *self.seat.heard.borrow();
        let seen = std::mem::replace(&mut self.seen, heard);
        if self.is_first {
            messages.0 = format!("retry: {RECONNECT_AFTER_MS}\n\n");
            if !self.begin().await? {
                self.is_over = true;
                messages.say("reload", None, "");
                return Ok(Some(messages));
            }
        } else if wake == Wake::Beat && !self.is_still_admitted().await {
            return Ok(None);
        }
        if wake != Wake::Hint || heard.logged != seen.logged {
            self.tell_fired(&mut messages).await?;
        }
        if heard.settled != seen.settled {
            messages.say("settled", None, "");
        }
        if heard.edited != seen.edited {
            messages.say("changed", None, "");
        }
        if wake == Wake::Beat {
            self.beat_at = Instant::now() + BEAT_EVERY;
            messages.say("beat", self.place, &self.app.now().to_string());
        }
        Ok(Some(messages))
    }

    /// Finds the place to begin at. False where the page knows of events that there never were: it looks at another life of
    /// a server that forgets when it stops.
    async fn begin(&mut self) -> Result<bool, store::Error> {
        self.is_first = false;
        let newest = self.newest().await?;
        let place = *self.place.get_or_insert(newest);
        Ok(place <= newest)
    }

    async fn newest(&self) -> Result<EventId, store::Error> {
        let search = EventQuery::default().search(self.app.settings.retention, self.app.now());
        let read = self.app.store.event_lines(self.owner, search, EventPage::NewestFirst(None), 1).await?;
        Ok(read.logged_until)
    }

    async fn is_still_admitted(&self) -> bool {
        matches!(Caller::find(&self.app, &self.headers).await, Ok(Some(caller)) if caller.owner() == self.owner)
    }

    async fn tell_fired(&mut self, messages: &mut Messages) -> Result<(), store::Error> {
        let Some(place) = self.place else { return Ok(()) };
        let (now, retention) = (self.app.now(), self.app.settings.retention);
        let search: EventSearch = self.wanted.search(retention, now);
        let limit = if self.has_rows { ROWS_MAX + 1 } else { 1 };
        let read = self.app.store.events_logged_after(self.owner, search, place, limit).await?;
        // Numbers have gaps, so this may be said once too often; one more look finds nothing then, and costs little.
        let passed = usize::try_from(read.logged_until.0.saturating_sub(place.0)).unwrap_or_default();
        self.is_behind = read.lines.len() < limit && passed >= FOLLOWED_MAX;
        if read.lines.is_empty() {
            self.place = Some(read.logged_until);
            if self.is_behind {
                self.quiet_until = Instant::now() + PAUSE;
            }
        } else if !self.has_rows {
            self.place = Some(self.newest().await?);
            messages.say("fired", self.place, "");
        } else if read.lines.len() > ROWS_MAX {
            self.is_over = true;
            messages.say("reload", None, "");
        } else {
            self.place = Some(read.logged_until);
            // In the order of the list: the newest on top.
            let ids = read.lines.iter().map(|line| line.id).collect();
            let runs = of_events(&self.app, self.owner, ids, now).await?;
            let rows = Rows::of(read.lines.iter().rev(), &runs, retention, now, &self.zone).to_string();
            messages.say("fired", self.place, &rows);
        }
        Ok(())
    }
}

/// Comes back when there is something new to look at, and not before the pause is over. What is compared are counts, so that
/// a hint is not lost when somebody else was quicker.
async fn hinted(heard: &mut watch::Receiver<Heard>, seen: Heard, quiet_until: Instant) {
    if heard.wait_for(|heard| *heard != seen).await.is_err() {
        std::future::pending::<()>().await;
    }
    sleep_until(quiet_until).await;
}

/// Messages as they go over the line, and how many they are.
#[derive(Default)]
struct Messages(String, u32);

impl Messages {
    fn say(&mut self, event: &str, id: Option<EventId>, data: &str) {
        self.0.push_str(&format!("event: {event}\n"));
        if let Some(id) = id {
            self.0.push_str(&format!("id: {id}\n"));
        }
        // One field for each line; and one at least, because browsers drop a message without any.
        for line in data.split(['\n', '\r']) {
            self.0.push_str(&format!("data: {line}\n"));
        }
        self.0.push('\n');
        self.1 += 1;
    }
}

#[cfg(test)]
mod tests;
