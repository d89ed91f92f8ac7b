//! From names to addresses. What comes back is only a claim, which whoever dials has judged; so it may come from anywhere, and in tests
//! it comes from where the test says.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a name may take to be looked up.
pub(super) const LOOKUP_MAX: Duration = Duration::from_secs(3);

/// How many names are looked up at once. The system's resolver holds a thread until it gives up, long after we have: without
/// a bound, a few name servers that do not answer would take every thread that others need.
const LOOKUPS_MAX: usize = 32;

/// How many names below one domain are looked up at once: one whose name servers do not answer must not take all of these threads.
const LOOKUPS_OF_A_DOMAIN_MAX: usize = 4;

/// Looks names up.
#[async_trait]
pub trait Names: Send + Sync {
    /// All addresses of a name, with that port; none where the name leads nowhere. Whoever asks sets the deadline; the turn is over
    /// when the work is, however long before that nobody waits for it any more.
    async fn look_up(&self, name: &str, port: u16, turn: Turn) -> Vec<SocketAddr>;
}

/// The system's resolver, with its hosts file and search list.
pub struct SystemNames;

/// A turn to look a name up, until it is dropped.
pub struct Turn {
    _of_its_domain: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Turn {
    pub(super) async fn take(name: &str) -> Turn {
        Turn::of(&LOOKUPS, name).await
    }

    async fn of(lookups: &Lookups, name: &str) -> Turn {
        // First the narrow door: whoever waits before it stands in nobody else's way.
        let of_its_domain = lookups.of_domain(domain(name)).acquire_owned().await;
        let of_all = Arc::clone(&lookups.all).acquire_owned().await;
        let is_open = "nobody closes it";
        Turn { _of_its_domain: of_its_domain.expect(is_open), _of_all: of_all.expect(is_open) }
    }
}

static LOOKUPS: LazyLock<Lookups> = LazyLock::new(Lookups::new);

/// The turns that there are.
struct Lookups {
    all: Arc<Semaphore>,
    of_domains: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Lookups {
    fn new() -> Lookups {
        Lookups { all: Arc::new(Semaphore::new(LOOKUPS_MAX)), of_domains: Mutex::default() }
    }

    fn of_domain(&self, domain: String) -> Arc<Semaphore> {
        // A poisoned lock means that a thread panicked while it held plain data; the data is still whole.
        let mut of_domains = self.of_domains.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody holds or waits for.
        of_domains.retain(|_, turns| Arc::strong_count(turns) > 1);
        Arc::clone(of_domains.entry(domain).or_insert_with(|| Arc::new(Semaphore::new(LOOKUPS_OF_A_DOMAIN_MAX))))
    }
}

/// What stands before a country's name in domains that are not one owner's, as in `co.uk`.
const SHARED: [&str; 7] = ["ac", "co", "com", "edu", "gov", "net", "org"];

/// What is likely to be one owner's of a name: its last two labels, or three where these are shared by many.
fn domain(name: &str) -> String {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let mut labels = name.rsplit('.');
    let is_country = labels.next().is_some_and(|label| label.len() == 2);
    let is_shared = is_country && labels.next().is_some_and(|label| SHARED.contains(&label));
    let count = if is_shared { 3 } else { 2 };
    let last: Vec<&str> = name.rsplit('.').take(count).collect();
    last.join(".")
}

#[async_trait]
impl Names for SystemNames {
    async fn look_up(&self, name: &str, port: u16, turn: Turn) -> Vec<SocketAddr> {
        let name = name.to_owned();
        let looked_up = tokio::task::spawn_blocking(move || {
            let answers = (name.as_str(), port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
            drop(turn);
            answers
        });
        looked_up.await.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turn where there is one at once.
    async fn now(lookups: &Lookups, name: &str) -> Option<Turn> {
        tokio::time::timeout(Duration::ZERO, Turn::of(lookups, name)).await.ok()
    }

    #[tokio::test]
    async fn a_domain_whose_names_nobody_answers_for_takes_few_turns() {
        let lookups = Lookups::new();
        let mut held = Vec::new();
        for number in 0..LOOKUPS_OF_A_DOMAIN_MAX {
            held.push(now(&lookups, &format!("a{number}.Mute.example.")).await.expect("a turn"));
        }
        assert!(now(&lookups, "b.mute.example").await.is_none());
        held.push(now(&lookups, "fine.example").await.expect("a turn of another domain"));
        held.remove(0);
        held.push(now(&lookups, "b.mute.example").await.expect("the turn that became free"));
        for number in held.len()..LOOKUPS_MAX {
            held.push(now(&lookups, &format!("{number}.example")).await.expect("a turn"));
        }
        assert!(now(&lookups, "one-more.example").await.is_none());
        held.clear();
        now(&lookups, "one-more.example").await.expect("all are free again");
        assert_eq!(lookups.of_domains.lock().expect("no panic").len(), 1, "what nobody uses is forgotten");
    }

    #[test]
    fn names_that_are_likely_to_be_one_owners_share_their_turns() {
        for (name, expected) in [
            ("a.b.example.com", "com.example"),
            ("example.com", "com.example"),
            ("hooks.shop.co.uk", "uk.co.shop"),
            ("hooks.shop.de", "de.shop"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(domain(name), expected, "{name}");
        }
    }
}
