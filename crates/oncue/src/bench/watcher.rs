//! Pages that are open while the server works. Each hears on a connection without an end that something happened, and then
//! fetches its own address again, as often at most as the script in a browser does; one that gets no such connection looks
//! every ten seconds. What a browser makes of a page may not enter: it costs another machine.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::load::Client;

/// What `live.js` waits at least between two looks, and between two where nobody tells it anything.
const REFRESH_EVERY: Duration = Duration::from_secs(2);
const POLL_EVERY: Duration = Duration::from_secs(10);

/// Pages that are open until this is dropped.
pub(super) struct Watchers {
    took_ms: Arc<Mutex<Vec<f64>>>,
    pages: JoinSet<()>,
}

impl Watchers {
    /// Opens so many pages at `path`.
    pub(super) fn open(address: &str, token: &str, path: &'static str, count: usize) -> Watchers {
        let took_ms = Arc::new(Mutex::new(Vec::new()));
        let mut pages = JoinSet::new();
        for _ in 0..count {
            let (address, token, took_ms) = (address.to_owned(), token.to_owned(), Arc::clone(&took_ms));
            pages.spawn(async move {
                if let Err(error) = watch(&address, &token, path, &took_ms).await {
                    eprintln!("bench: a page that was open is not any more: {error:#}");
                }
            });
        }
        Watchers { took_ms, pages }
    }

    /// How long each look took, in milliseconds; no page is open any more.
    pub(super) fn close(mut self) -> Vec<f64> {
        self.pages.abort_all();
        std::mem::take(&mut self.took_ms.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn watch(address: &str, token: &str, path: &str, took_ms: &Mutex<Vec<f64>>) -> anyhow::Result<()> {
    let mut page = Client::connect(address, token).await?;
    page.page(path).await?;
    let mut told = Client::connect(address, token).await?.follow("/ui/live").await?;
    let mut looked_at = Instant::now();
    loop {
        match &mut told {
            Some(told) => told.news().await?,
            None => {
                sleep(POLL_EVERY).await;
                // By then the server has closed what was idle.
                page = Client::connect(address, token).await?;
            }
        }
        sleep_until(looked_at + REFRESH_EVERY).await;
        looked_at = Instant::now();
        page.page(path).await?;
        let took = looked_at.elapsed().as_secs_f64() * 1e3;
        took_ms.lock().unwrap_or_else(PoisonError::into_inner).push(took);
    }
}
