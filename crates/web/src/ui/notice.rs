//! What the page after a form says was done. The address carries one word of a fixed list and perhaps an event's number,
//! never a text, so that nobody can put words into our mouth with a link.

use crate::extract::{Query, id_of};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Created,
    Changed,
    Deleted,
    Paused,
    Resumed,
    Fired,
    Tested,
}

impl Done {
    const ALL: [(Done, &'static str); 7] = [
        (Done::Created, "created"),
        (Done::Changed, "changed"),
        (Done::Deleted, "deleted"),
        (Done::Paused, "paused"),
        (Done::Resumed, "resumed"),
        (Done::Fired, "fired"),
        (Done::Tested, "tested"),
    ];

    /// The dashboard, saying so.
    pub(crate) fn address(self) -> String {
        let word = Done::ALL.into_iter().find_map(|(done, word)| (done == self).then_some(word)).unwrap_or_default();
        format!("/?done={word}")
    }

    /// The dashboard, saying so and naming the event that came of it.
    pub(crate) fn address_with_event(self, event: oncue_domain::id::EventId) -> String {
        format!("{}&event={event}", self.address())
    }
}

/// What a page says was done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice {
    pub(crate) done: Done,
    pub(crate) event: Option<i64>,
}

impl Notice {
    /// Reads it from the address; a word that is not on the list says nothing.
    pub(crate) fn take(query: &mut Query) -> Option<Notice> {
        let event = query.take_text("event").as_deref().and_then(id_of);
        let word = query.take_text("done")?;
        let done = Done::ALL.into_iter().find_map(|(done, known)| (known == word).then_some(done))?;
        Some(Notice { done, event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::FromRequestParts;

    async fn read(uri: &str) -> Option<Notice> {
        let (mut parts, ()) = axum::http::Request::get(uri).body(()).expect("a request").into_parts();
        let mut query = Query::from_request_parts(&mut parts, &()).await.expect("any query can be read");
        Notice::take(&mut query)
    }

    #[tokio::test]
    async fn only_words_of_the_list_are_repeated() {
        let address = Done::Tested.address_with_event(oncue_domain::id::EventId(29));
        assert_eq!(address, "/?done=tested&event=29");
        let notice = read(&address).await.expect("a notice");
        assert_eq!((notice.done, notice.event), (Done::Tested, Some(29)));
        assert!(read("/?done=your+account+is+locked").await.is_none());
        assert!(read("/?event=29").await.is_none());
        assert_eq!(read("/?done=fired&event=x").await.expect("a notice").event, None);
    }
}
