//! Waking at an exact instant. The runtime's own timer counts whole milliseconds and rounds up, which is most of the lateness
//! of an idle server; a thread that sleeps on the system's clock is exact to some fifty microseconds. It is a hint like any
//! other: whoever waits for it also sleeps, and a ring too many only costs a look.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// A thread that rings once at the instant it was last set to.
pub(crate) struct Alarm {
    settings: Sender<Instant>,
    rings: Arc<Notify>,
}

impl Alarm {
    /// Starts the thread; it ends when the `Alarm` is dropped.
    pub(crate) fn start() -> std::io::Result<Alarm> {
        let (settings, set) = channel();
        let rings = Arc::new(Notify::new());
        let ringing = Arc::clone(&rings);
        std::thread::Builder::new().name("oncue-alarm".to_owned()).spawn(move || ring(&set, &ringing))?;
        Ok(Alarm { settings, rings })
    }

    /// Comes back after `wait`, or sooner when an earlier setting still rings.
    pub(crate) async fn after(&self, wait: Duration) {
        // A thread that is gone never rings; whoever waits sleeps as well.
        let _ = self.settings.send(Instant::now() + wait);
        self.rings.notified().await;
    }
}

fn ring(set: &Receiver<Instant>, rings: &Notify) {
    let mut armed: Option<Instant> = None;
    loop {
        let setting = match armed {
            None => set.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => set.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match setting {
            Ok(at) => armed = Some(at),
            Err(RecvTimeoutError::Timeout) => {
                rings.notify_one();
                armed = None;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_rings_once_for_each_setting_and_not_before_its_time() {
        let alarm = Alarm::start().expect("a thread");
        let started = Instant::now();
        alarm.after(Duration::from_millis(20)).await;
        assert!(started.elapsed() >= Duration::from_millis(20));
        alarm.after(Duration::from_millis(5)).await;
        assert!(started.elapsed() >= Duration::from_millis(25));
    }

    #[tokio::test]
    async fn a_later_setting_takes_the_place_of_the_former() {
        let alarm = Alarm::start().expect("a thread");
        let never = tokio::time::timeout(Duration::from_millis(5), alarm.after(Duration::from_secs(3600)));
        assert!(never.await.is_err());
        alarm.after(Duration::from_millis(5)).await;
    }
}
