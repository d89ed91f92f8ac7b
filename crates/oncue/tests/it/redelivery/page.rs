//! The pages, without a browser: what they offer, what their forms do, and whose they are.

use super::{Broken, delivery_when, destination, fail, failed, fire, trigger};
use crate::support::client::{Answer, Client};
use crate::support::server::Server;

const LIST: &str = "/ui/deliveries";

/// The same person with a browser.
fn browser(client: &Client) -> Client {
    Client::new(client.base()).with("cookie", &format!("access_token={}", client.token()))
}

#[track_caller]
fn post(client: &Client, path: &str, form: &[(&str, &str)]) -> Answer {
    client.call("POST", path).form(form).send()
}

#[test]
fn the_list_says_how_many_match_and_sends_one_some_or_all_again() {
    let server = Server::start_delivering();
    let ann = server.user();
    let page = browser(&ann);
    assert!(page.get(LIST).is(200).text.contains("Nothing has failed"));
    let (first, second) = (Broken::start(), Broken::start());
    let (to_first, to_second) =
        (destination(&ann, "First", &first.receiver, &[]), destination(&ann, "Second", &second.receiver, &[]));
    let (one, other) = (trigger(&ann, "one", &[to_first]), trigger(&ann, "other", &[to_second]));
    let of_one: Vec<i64> = (0..3).map(|_| fail(&ann, one)).collect();
    let of_other: Vec<i64> = (0..2).map(|_| fail(&ann, other)).collect();
    let list = page.get(LIST).is(200).text;
    assert!(list.contains("Redeliver all that match (5)") && list.contains("503 Service Unavailable"), "{list}");
    for of_first in [format!("destination={to_first}"), format!("trigger={one}&from=2020-01-01T00:00")] {
        let list = page.get(&format!("{LIST}?{of_first}")).is(200).text;
        assert!(list.contains("Redeliver all that match (3)"), "{of_first}: {list}");
        assert_eq!(list.matches("name=\"ids\"").count(), 3, "{of_first}");
    }
    for lead in ["/", "/events", &format!("/ui/destinations/{to_first}")] {
        let text = page.get(lead).is(200).text;
        assert!(text.contains(&format!("href=\"{LIST}")), "{lead} leads there");
    }
    first.mend();
    second.mend();
    let form =
        [("ids", format!("{}.0", of_one[0])), ("ids", format!("{}.0", of_one[1])), ("ids", "987654.0".to_owned())];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = post(&page, "/ui/deliveries/selected", &form).is(303);
    assert_eq!(sent.header("location"), "/ui/deliveries?done=redelivered&count=2&left=1");
    let said = page.get(sent.header("location")).is(200).text;
    assert!(said.contains("2 deliveries are owed again") && said.contains("One could not be"), "{said}");
    for event in &of_one[..2] {
        delivery_when(&ann, *event, "delivered");
    }
    let all = format!("{LIST}/redeliver?destination={to_second}");
    let asked = page.get(&all).is(200).text;
    assert!(asked.contains("Redeliver 2 failed deliveries?"), "{asked}");
    assert_eq!(failed(&ann, "").len(), 3, "asking sends nothing");
    let sent = post(&page, &all, &[]).is(303);
    assert_eq!(sent.header("location"), format!("{LIST}?destination={to_second}&done=redelivered&count=2"));
    for event in &of_other {
        delivery_when(&ann, *event, "delivered");
    }
    assert_eq!(failed(&ann, ""), [of_one[2]], "only what matched was sent");
    assert!(page.get(&all).is(200).text.contains("Nothing matches any more"));
}

#[test]
fn a_filter_that_cannot_be_read_sends_nothing() {
    let server = Server::start_delivering();
    let ann = server.user();
    let page = browser(&ann);
    let broken = Broken::start();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Broken", &broken.receiver, &[])]);
    let event = fail(&ann, trigger);
    let list = page.get(&format!("{LIST}?until=soon")).is(422).text;
    assert!(list.contains("Not all of the filter could be read"), "{list}");
    for path in ["/ui/deliveries/redeliver?until=soon", "/ui/deliveries/redeliver?destination=x"] {
        page.get(path).is(422);
        post(&page, path, &[]).is(422);
    }
    let many: Vec<(String, String)> = (0..201).map(|slot| ("ids".to_owned(), format!("{event}.{slot}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    post(&page, "/ui/deliveries/selected", &many).is(422);
    assert_eq!(page.get("/ui/deliveries/selected").is(303).header("location"), LIST);
    assert_eq!(broken.receiver.received().len(), 1);
}

#[test]
fn the_page_of_an_event_offers_what_can_be_done_with_it() {
    let server = Server::start_delivering();
    let ann = server.user();
    let page = browser(&ann);
    let broken = Broken::start();
    let to = destination(&ann, "Broken", &broken.receiver, &[]);
    let trigger = trigger(&ann, "called", &[to]);
    let event = fail(&ann, trigger);
    let at = format!("/events/{event}");
    let redeliver = format!("{at}/deliveries/0/redeliver");
    assert!(page.get(&at).is(200).text.contains(&format!("action=\"{redeliver}\"")));
    ann.post_nothing(&format!("/api/v1/destinations/{to}/pause")).is(200);
    let sent = post(&page, &redeliver, &[]).is(303);
    assert_eq!(sent.header("location"), format!("{at}?done=redelivered"));
    assert!(page.get(sent.header("location")).is(200).text.contains("The delivery is due"));
    delivery_when(&ann, event, "parked");
    let cancel = format!("{at}/deliveries/0/cancel");
    let parked = page.get(&at).is(200).text;
    assert!(parked.contains(&format!("href=\"{cancel}\"")) && !parked.contains(&redeliver), "{parked}");
    assert!(page.get(&cancel).is(200).text.contains("Nothing more is tried"));
    let sent = post(&page, &cancel, &[]).is(303);
    assert_eq!(sent.header("location"), format!("{at}?done=delivery-cancelled"));
    ann.post_nothing(&format!("/api/v1/destinations/{to}/resume")).is(200);
    broken.mend();
    post(&page, &redeliver, &[("back", LIST)]).is(303);
    delivery_when(&ann, event, "delivered");
    let delivered = page.get(&at).is(200).text;
    assert!(delivered.contains(&format!("href=\"{redeliver}\"")), "it can be sent again all the same: {delivered}");
    assert!(page.get(&redeliver).is(200).text.contains("may take it for a repeat"));
    let again = format!("{at}/fire-again");
    assert!(
        delivered.contains(&format!("href=\"{again}\""))
            && page.get(&again).is(200).text.contains("Fire called again?")
    );
    let fired = post(&page, &again, &[]).is(303);
    let new = fired.header("location").split('?').next().expect("a path").to_owned();
    let new_page = page.get(fired.header("location")).is(200).text;
    assert!(new_page.contains("has fired again") && new_page.contains(&format!("href=\"{at}\"")), "{new_page}");
    assert_ne!(new, at);
}

#[test]
fn the_pages_are_their_owners_alone() {
    let server = Server::start_delivering();
    let (ann, bob, nobody) = (server.user(), server.register("bob@example.com"), server.nobody());
    let broken = Broken::start();
    let to = destination(&ann, "The secret of Ann", &broken.receiver, &[]);
    let called = trigger(&ann, "called", &[to]);
    let event = fail(&ann, called);
    let (hers, his) = (browser(&ann), browser(&bob));
    for path in [
        format!("/events/{event}/deliveries/0/redeliver"),
        format!("/events/{event}/deliveries/0/cancel"),
        format!("/events/{event}/fire-again"),
    ] {
        hers.get(&path).is(200);
        let foreign = his.get(&path).is(404);
        assert_eq!(his.get(&path.replace(&format!("/{event}/"), "/987654/")).is(404).text, foreign.text, "{path}");
        post(&his, &path, &[]).is(404);
        assert!(nobody.get(&path).is(302).header("location").starts_with("/auth/login"), "{path}");
        post(&nobody, &path, &[]).is(401);
    }
    for path in [format!("{LIST}?destination={to}"), format!("{LIST}/redeliver?trigger={called}")] {
        let seen = his.get(&path).is(200).text;
        assert!(!seen.contains("Ann") && !seen.contains(&format!("/events/{event}")), "{path}: {seen}");
        nobody.get(&path).is(302);
    }
    let form = [("ids", format!("{event}.0"))];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let passed_over = post(&his, "/ui/deliveries/selected", &form).is(303);
    assert_eq!(passed_over.header("location"), "/ui/deliveries?done=redelivered&count=0&left=1");
    post(&his, "/ui/deliveries/redeliver", &[]).is(303);
    for path in ["/ui/deliveries/selected", "/ui/deliveries/redeliver"] {
        post(&nobody, path, &form).is(401);
    }
    assert_eq!(failed(&ann, ""), [event]);
    assert_eq!(broken.receiver.received().len(), 1);
    let waiting = fire(&ann, called);
    delivery_when(&ann, waiting, "failed");
}
