//! Where the time of an attempt went: a line for each part of the way with its length, and a bar for when in the attempt it was.

use askama::Template;
use oncue_domain::receipt::Receipt;

/// The parts of an attempt.
#[derive(Debug, Template)]
#[template(path = "chart/phases.html")]
pub(crate) struct Phases {
    rows: Vec<Row>,
}

impl askama::filters::HtmlSafe for Phases {}

/// One part.
#[derive(Debug, PartialEq)]
struct Row {
    name: &'static str,
    /// What it is.
    said: &'static str,
    took: String,
    /// Where in the attempt it lies and how much of it that is, in percent; none for what is no part of it, or took no time.
    bar: Option<(f64, f64)>,
}

impl Phases {
    /// The parts of an attempt that took so many microseconds.
    pub(crate) fn new(receipt: &Receipt, took_us: i64) -> Phases {
        let whole_us = u64::try_from(took_us).unwrap_or(0);
        let facts = &receipt.facts;
        let [connect, tls, wait, receive] =
            [facts.connect_us, facts.tls_us, facts.wait_us, facts.receive_us].map(|time| time.map(u64::from));
        let known: u64 = [connect, tls, wait, receive].into_iter().flatten().sum();
        let rest = whole_us.saturating_sub(known);
        let is_reused = connect.is_none() && wait.is_some();
        let not_gone = if is_reused { "none: the connection was there" } else { "–" };
        let parts = [
            ("Connect", "look-up of the name until the connection stood", connect, not_gone),
            ("TLS", "handshake", tls, not_gone),
            ("Send", "writing the request, and all that is not told elsewhere", Some(rest), "–"),
            ("Wait", "the request’s last byte to the answer’s first", wait, "–"),
            ("Receive", "the answer’s first byte to the last that was read", receive, "–"),
        ];
        let queue = Row {
            name: "Queue",
            said: "due until the attempt began",
            took: receipt.queue_us.map_or_else(|| "not known".to_owned(), length),
            bar: None,
        };
        let mut rows = vec![queue];
        let mut before = 0;
        for (name, said, took_us, none) in parts {
            let bar = took_us.and_then(|took_us| bar(before, took_us, whole_us));
            before += took_us.unwrap_or(0);
            rows.push(Row { name, said, took: took_us.map_or_else(|| none.to_owned(), length), bar });
        }
        rows.push(Row { name: "In all", said: "without the queue", took: length(whole_us), bar: None });
        Phases { rows }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no attempt takes as many microseconds as that")]
fn bar(before_us: u64, took_us: u64, whole_us: u64) -> Option<(f64, f64)> {
    let share = |us: u64| (us as f64 * 1000.0 / whole_us as f64).round() / 10.0;
    (took_us > 0 && whole_us > 0).then(|| {
        // What is too short to be seen is a hairline.
        let from = share(before_us).min(99.5);
        (from, share(took_us).clamp(0.5, 100.0 - from))
    })
}

/// A length of time with three digits or so.
fn length(us: u64) -> String {
    match us {
        ..100_000 => format!("{}.{:02} ms", us / 1000, us % 1000 / 10),
        100_000..1_000_000 => format!("{} ms", us / 1000),
        1_000_000..60_000_000 => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
        _ => {
            crate::ui::moment::span(jiff::SignedDuration::from_secs(i64::try_from(us / 1_000_000).unwrap_or(i64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::outbound::Facts;

    fn receipt(facts: Facts) -> Receipt {
        Receipt { sent: None, queue_us: Some(1_250), facts, answer_headers: Vec::new() }
    }

    fn told(phases: &Phases) -> Vec<(&'static str, &str)> {
        phases.rows.iter().map(|row| (row.name, row.took.as_str())).collect()
    }

    #[test]
    fn the_parts_follow_each_other_and_the_rest_is_sending() {
        let facts = Facts {
            address: None,
            connect_us: Some(1_000),
            tls_us: Some(4_000),
            wait_us: Some(4_000),
            receive_us: Some(500),
        };
        let phases = Phases::new(&receipt(facts), 10_000);
        let expected = [
            ("Queue", "1.25 ms"),
            ("Connect", "1.00 ms"),
            ("TLS", "4.00 ms"),
            ("Send", "0.50 ms"),
            ("Wait", "4.00 ms"),
            ("Receive", "0.50 ms"),
            ("In all", "10.00 ms"),
        ];
        assert_eq!(told(&phases), expected);
        let bars: Vec<_> = phases.rows.iter().map(|row| row.bar).collect();
        let expected = [
            None,
            Some((0.0, 10.0)),
            Some((10.0, 40.0)),
            Some((50.0, 5.0)),
            Some((55.0, 40.0)),
            Some((95.0, 5.0)),
            None,
        ];
        assert_eq!(bars, expected);
    }

    #[test]
    fn what_was_not_come_to_is_told_from_what_was_not_needed() {
        let reused =
            Phases::new(&receipt(Facts { wait_us: Some(900), receive_us: Some(1), ..Facts::default() }), 1_000);
        assert!(told(&reused)[1].1.contains("was there"));
        let unreached = Phases::new(&receipt(Facts { connect_us: Some(5_000_000), ..Facts::default() }), 5_000_100);
        assert_eq!(told(&unreached)[1..5], [("Connect", "5.00 s"), ("TLS", "–"), ("Send", "0.10 ms"), ("Wait", "–")]);
        let nothing = Phases::new(&Receipt { queue_us: None, ..receipt(Facts::default()) }, 0);
        assert_eq!(told(&nothing)[0].1, "not known");
        assert!(nothing.rows.iter().all(|row| row.bar.is_none()));
    }

    #[test]
    fn no_bar_leaves_its_place_whatever_the_figures_are() {
        for facts in [
            Facts {
                connect_us: Some(u32::MAX),
                tls_us: Some(u32::MAX),
                wait_us: Some(1),
                receive_us: Some(1),
                address: None,
            },
            Facts { receive_us: Some(1), ..Facts::default() },
        ] {
            for row in Phases::new(&receipt(facts), 7).rows {
                assert!(
                    row.bar.is_none_or(|(from, width)| from >= 0.0 && width > 0.0 && from + width <= 100.01),
                    "{row:?}"
                );
            }
        }
    }
}
