//! GET /ui/nodes: which nodes run, what each of them does, and how far they are together, for the operator. A page of three
//! questions to the store; what a single user has to look at is on the overview.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::audit::Round;
use oncue_domain::node::{NodeView, VERSION, Work};
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::DUE_COUNTED_MAX;

use super::badge::Badge;
use super::frame::{Frame, Place};
use super::moment::{Moment, lateness};
use super::number::number;
use super::viewer::shown_zone;
use super::{PageFault, page};
use crate::app::{App, Database};
use crate::auth::Visitor;

/// A scheduler looks twice a second, and what it does is said once a second; one that has not looked for so long hangs.
const HANGS_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// A node.
struct Row {
    name: String,
    address: String,
    version: String,
    is_asked: bool,
    state: Badge,
    silent_since: Option<Moment>,
    /// Since when its scheduler has not looked at what is due, where it should have.
    hangs_since: Option<Moment>,
    started: Moment,
    /// In what it differs from the node that made this page, where all should be alike.
    differs: Vec<String>,
    work: Option<Doing>,
}

/// What it does.
struct Doing {
    running: String,
    waiting: String,
    fired: String,
    attempts: String,
    failed: Option<String>,
    lateness: Option<String>,
}

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    frame: Frame,
    /// The hosts of a PostgreSQL; none on SQLite.
    hosts: Option<String>,
    rows: Vec<Row>,
    silent: usize,
    /// Which versions run, each with the number of its nodes.
    versions: Vec<(String, usize)>,
    owed: String,
    due: String,
    overdue: String,
    is_overdue: bool,
    next: Option<Moment>,
    /// The last round of this node's auditor, once one has ended.
    audit: Option<Audit>,
}

/// A round of the auditor.
struct Audit {
    triggers: String,
    ended: Moment,
    /// How many defects it found, where there were any.
    found: Option<String>,
    /// Whether all of them were put right.
    is_repaired: bool,
}

impl Audit {
    fn of(round: Round, now: Timestamp, zone: &Zone) -> Audit {
        let found = round.found.mistakes();
        Audit {
            triggers: number(round.triggers),
            ended: Moment::new(round.ended_at, now, zone),
            found: (found > 0).then(|| number(found)),
            is_repaired: round.repaired == found,
        }
    }
}

/// GET /ui/nodes
pub(super) async fn show(State(app): State<App>, Visitor(caller): Visitor) -> Result<Response, PageFault> {
    caller.require_operator()?;
    let now = app.now();
    let (backlog, counts, nodes) =
        tokio::try_join!(app.store.owed_counts(), app.store.due_counts(now), app.store.nodes())?;
    let zone = shown_zone(&app, &caller, None);
    let nodes_page = NodesPage {
        frame: Frame::of(&app, &caller, Place::Nodes),
        hosts: match &app.settings.database {
            Database::Sqlite => None,
            Database::Postgres(hosts) => Some(hosts.join(", ")),
        },
        silent: nodes.iter().filter(|node| node.is_silent(now)).count(),
        versions: versions(&nodes),
        rows: rows(nodes, now, &zone),
        owed: number(backlog.owed),
        due: counted(counts.due),
        overdue: counted(counts.overdue),
        is_overdue: counts.overdue > 0,
        next: counts.next_at.map(|next_at| Moment::due(next_at, now, &zone)),
        audit: app.health.audited().map(|round| Audit::of(round, now, &zone)),
    };
    Ok(page(StatusCode::OK, &nodes_page))
}

/// A number that is no more than was counted.
fn counted(count: u64) -> String {
    let more = if count >= DUE_COUNTED_MAX { "+" } else { "" };
    format!("{}{more}", number(count))
}

fn versions(nodes: &[NodeView]) -> Vec<(String, usize)> {
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for node in nodes {
        *versions.entry(&node.identity.version).or_default() += 1;
    }
    versions.into_iter().map(|(version, count)| (version.to_owned(), count)).collect()
}

/// The rows of all nodes. Versions are told by themselves, because they differ during every upgrade.
fn rows(nodes: Vec<NodeView>, now: Timestamp, zone: &Zone) -> Vec<Row> {
    let own = nodes.iter().find(|node| node.is_asked).map(|node| node.identity.clone());
    let differs = |node: &NodeView| own.as_ref().map(|own| own.differences(&node.identity)).unwrap_or_default();
    let row = |node: NodeView| {
        let differs = differs(&node).into_iter().filter(|what| what != VERSION).collect();
        Row { differs, ..Row::of(node, now, zone) }
    };
    nodes.into_iter().map(row).collect()
}

impl Row {
    fn of(node: NodeView, now: Timestamp, zone: &Zone) -> Row {
        let is_silent = node.is_silent(now);
        let hangs = |looked_at: &Timestamp| now.duration_since(*looked_at) > HANGS_AFTER;
        let looked_at = node.work.and_then(|work| work.looked_at).filter(|looked_at| !is_silent && hangs(looked_at));
        Row {
            state: Badge::of_node(is_silent),
            silent_since: is_silent.then(|| Moment::new(node.seen_at, now, zone)),
            hangs_since: looked_at.map(|looked_at| Moment::new(looked_at, now, zone)),
            started: Moment::new(node.started_at, now, zone),
            differs: Vec::new(),
            work: node.work.as_ref().map(Doing::of),
            name: node.identity.name,
            address: node.identity.address,
            version: node.identity.version,
            is_asked: node.is_asked,
        }
    }
}

impl Doing {
    fn of(work: &Work) -> Doing {
        let late = |late_us: u64| lateness(SignedDuration::from_micros(i64::try_from(late_us).unwrap_or(i64::MAX)));
        Doing {
            running: number(work.running),
            waiting: number(work.waiting),
            fired: number(work.fired),
            attempts: number(work.attempts),
            failed: (work.failed > 0).then(|| number(work.failed)),
            lateness: work.late_us_max.map(late),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::audit::{Defect, Tally};
    use oncue_domain::node::{Identity, SILENT_AFTER};
    use oncue_domain::schedule::zone::Zones;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn node(name: &str, version: &str) -> NodeView {
        NodeView {
            id: 1,
            identity: Identity {
                name: name.to_owned(),
                version: version.to_owned(),
                address: "10.0.0.7:8000".to_owned(),
                ..Identity::default()
            },
            started_at: at(0),
            seen_at: at(1000),
            is_asked: name == "alpha",
            work: Some(Work { fired: 1200, late_us_max: Some(2_400), looked_at: Some(at(1000)), ..Work::default() }),
        }
    }

    fn told(hosts: Option<&str>, nodes: Vec<NodeView>, now: Timestamp) -> String {
        told_with(hosts, nodes, None, now)
    }

    fn told_with(hosts: Option<&str>, nodes: Vec<NodeView>, round: Option<Round>, now: Timestamp) -> String {
        let page = NodesPage {
            frame: Frame::bare(),
            hosts: hosts.map(ToOwned::to_owned),
            silent: nodes.iter().filter(|node| node.is_silent(now)).count(),
            versions: versions(&nodes),
            rows: rows(nodes, now, &Zones::utc()),
            owed: number(3),
            due: counted(DUE_COUNTED_MAX),
            overdue: counted(0),
            is_overdue: false,
            next: None,
            audit: round.map(|round| Audit::of(round, now, &Zones::utc())),
        };
        page.render().expect("it renders").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_first_sentence_says_how_many_nodes_run_and_on_what() {
        let one = told(None, vec![node("alpha", "1")], at(1000));
        assert!(one.contains("One node runs, on SQLite."), "{one}");
        let two = told(Some("db:5432"), vec![node("alpha", "1"), node("beta", "1")], at(1000));
        assert!(two.contains("2 nodes run, on PostgreSQL at db:5432."), "{two}");
        assert!(!two.contains("Two versions") && !two.contains("silent"), "{two}");
        let socket = told(Some(""), vec![node("alpha", "1")], at(1000));
        assert!(socket.contains("One node runs, on PostgreSQL."), "{socket}");
    }

    #[test]
    fn different_versions_are_pointed_out() {
        let html = told(Some("db:5432"), vec![node("alpha", "1"), node("beta", "2"), node("gamma", "1")], at(1000));
        assert!(html.contains("version 1 on 2 nodes, version 2 on one node"), "{html}");
    }

    #[test]
    fn what_nodes_were_told_differently_is_pointed_out_at_the_other_one() {
        let with = |name: &str, version: &str, keep_for: &str| {
            let node = node(name, version);
            let settings = [("--keep-for".to_owned(), keep_for.to_owned())].into();
            NodeView { identity: Identity { settings, ..node.identity.clone() }, ..node }
        };
        let html = told(Some("db:5432"), vec![with("alpha", "1", "48h"), with("beta", "2", "24h")], at(1000));
        assert_eq!(html.matches("differs from this node in --keep-for<").count(), 1, "{html}");
        let html = told(Some("db:5432"), vec![with("alpha", "1", "48h"), with("beta", "1", "48h")], at(1000));
        assert!(!html.contains("differs"), "{html}");
    }

    #[test]
    fn a_silent_node_is_shown_as_such_until_it_is_given_up() {
        let now = at(1000) + SILENT_AFTER + SignedDuration::from_millis(600);
        let beta = NodeView { seen_at: now, ..node("beta", "1") };
        let html = told(Some("db:5432"), vec![node("alpha", "1"), beta], now);
        assert!(html.contains("One of them is silent"), "{html}");
        assert_eq!(html.matches("badge bad").count(), 1, "{html}");
        assert!(html.contains("2 s ago"), "{html}");
    }

    #[test]
    fn a_scheduler_that_does_not_look_any_more_is_pointed_out_though_its_node_beats() {
        let beats = |seen_at| NodeView { seen_at, ..node("alpha", "1") };
        assert!(!told(None, vec![beats(at(1005))], at(1005)).contains("has not looked"));
        assert!(told(None, vec![beats(at(1006))], at(1006)).contains("has not looked"));
    }

    #[test]
    fn a_node_that_has_not_said_what_it_does_has_no_numbers() {
        let html = told(None, vec![NodeView { work: None, ..node("alpha", "1") }], at(1000));
        assert!(html.contains("not said yet") && !html.contains("1,200"), "{html}");
    }

    #[test]
    fn the_auditors_last_round_is_told_and_what_it_found() {
        let of = |defects: &[Defect], repaired: u64| {
            let mut found = Tally::default();
            defects.iter().for_each(|defect| found.note(*defect));
            let round = Round { began_at: at(970), ended_at: at(980), triggers: 1203, found, repaired };
            told_with(None, vec![node("alpha", "1")], Some(round), at(1000))
        };
        assert!(told(None, vec![node("alpha", "1")], at(1000)).contains("first round of the auditor is not over yet"));
        let clean = of(&[], 0);
        assert!(clean.contains("1,203 scheduled triggers") && clean.contains("and found nothing wrong"), "{clean}");
        let mended = of(&[Defect::Disarmed, Defect::Astray], 2);
        assert!(mended.contains("2 defects, put right since. The log names them."), "{mended}");
        let unreadable = of(&[Defect::Unreadable, Defect::Astray], 1);
        assert!(unreadable.contains("2 defects, not all of which can be put right."), "{unreadable}");
    }

    #[test]
    fn what_was_counted_only_so_far_says_so() {
        assert_eq!((counted(DUE_COUNTED_MAX - 1).as_str(), counted(DUE_COUNTED_MAX).as_str()), ("99,999", "100,000+"));
    }
}
