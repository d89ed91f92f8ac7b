//! The receiver of the load's deliveries.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::support::receiver::{OK, Receiver, Reply};

/// Of so many requests the receiver refuses one.
const REFUSED_ONE_IN: usize = 40;

/// Refuses some deliveries, each of them once: a second refusal would cost the run a minute.
pub(crate) fn moody() -> Receiver {
    let refused = Mutex::new(BTreeSet::new());
    Receiver::scripted(move |request, before| {
        let mut refused = refused.lock().expect("no thread panics with the set");
        let is_refused = before % REFUSED_ONE_IN == 7 && refused.insert(request.webhook_id().to_owned());
        if is_refused { Reply::Answer(500, "", "") } else { OK }
    })
}
