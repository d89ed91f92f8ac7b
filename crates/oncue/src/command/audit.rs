//! `oncue audit`: looks once over all triggers, whether each waits for what it should and what is written down about it is what its
//! schedule names, as a running server does again and again, and puts right what it can if it is asked to. It visits the database, whether a server runs there or not: whoever fires and whoever repairs
//! compare what they saw with what stands, so neither loses or doubles what the other does.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use oncue_domain::audit::{Defect, Few, Finding, Round};
use oncue_engine::auditor::{Auditor, Errand};
use serde_json::{Value, json};

use super::say;
use crate::cli::ServeFlags;
use crate::config::{Config, Environment};
use crate::visit::{Visited, visit};

/// So many findings are listed; of the others, how many there are.
const LISTED_MAX: usize = 10_000;

/// Nothing is wrong, something is, it could not be found out.
const IN_ORDER: u8 = 0;
const FOUND: u8 = 1;
const UNKNOWN: u8 = 2;

/// The flags of `audit`.
#[derive(Args)]
pub(crate) struct AuditFlags {
    /// sqlite:PATH or postgres://… [env: DATABASE_URL] [default: sqlite:oncue.db]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// A TOML file with the same keys as the server's flags [env: ONCUE_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// Put right what is found, and change nothing else
    #[arg(long)]
    repair: bool,
    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

/// What was found.
struct Report {
    round: Round,
    /// At most [`LISTED_MAX`].
    findings: Vec<Finding>,
    is_repaired: bool,
}

/// Does what the command says. Exits with 0 where nothing is wrong, 1 where something was found, 2 where that could not be told.
pub(crate) fn run(flags: &AuditFlags, environment: &Environment) -> ExitCode {
    let told = audit(flags, environment).and_then(|report| {
        say(&if flags.json { format!("{:#}\n", report.json()) } else { report.text() })?;
        Ok(report.round.found.sum())
    });
    match told {
        Ok(found) => ExitCode::from(if found == 0 { IN_ORDER } else { FOUND }),
        Err(error) => {
            eprintln!("oncue: {error:#}");
            ExitCode::from(UNKNOWN)
        }
    }
}

fn audit(flags: &AuditFlags, environment: &Environment) -> anyhow::Result<Report> {
    let serve =
        ServeFlags { database_url: flags.database_url.clone(), config: flags.config.clone(), ..ServeFlags::default() };
    let config = Config::read_beside(&serve, environment)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("The runtime cannot be started")?;
    runtime.block_on(async {
        let visited = visit(&config.database).await?;
        let retention = visited.retention(&config).await?;
        let Visited { store, clock, .. } = visited;
        let errand = if flags.repair { Errand::Mend } else { Errand::Look };
        let mut auditor = Auditor::new(store, clock, retention, errand);
        let mut findings = Vec::new();
        loop {
            let looked = auditor.tick().await?;
            let room = LISTED_MAX - findings.len();
            findings.extend(looked.findings.into_iter().take(room));
            if looked.is_over {
                return Ok(Report { round: looked.round, findings, is_repaired: flags.repair });
            }
        }
    })
}

impl Report {
    fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            let repair = finding.repair;
            json!({
                "trigger": finding.trigger.0,
                "owner": repair.map(|repair| repair.owner.0),
                "defect": finding.defect.word(),
                "waits_for": repair.and_then(|repair| repair.seen).map(|seen| seen.next_at.to_string()),
                "should_wait_for": repair.and_then(|repair| repair.next_at).map(|next_at| next_at.to_string()),
                "occurrences": finding.about.map(|about| about.count),
                "first": finding.about.map(|about| about.first.to_string()),
                "is_repaired": self.is_repaired && repair.is_some(),
            })
        };
        let defects: serde_json::Map<String, Value> = Defect::ALL
            .into_iter()
            .filter(|defect| defect.is_mistake())
            .map(|defect| (defect.word().to_owned(), self.round.found.of(defect).into()))
            .collect();
        json!({
            "began_at": self.round.began_at.to_string(),
            "ended_at": self.round.ended_at.to_string(),
            "triggers": self.round.triggers,
            "defects": defects,
            "repaired": self.round.repaired,
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for Finding { trigger, defect, repair, about } in &self.findings {
            text += &format!("Trigger {trigger} {}", defect.sentence());
            text += &match (repair, about) {
                (Some(repair), _) => {
                    let (seen, next_at) = (repair.seen.map(|seen| seen.next_at), repair.next_at);
                    // Of some the instant is the right one, and how they wait for it is not.
                    let instead =
                        if seen == next_at { String::new() } else { format!(" instead of {}", instant(next_at)) };
                    format!(" ({}): it waits for {}{instead}.\n", defect.word(), instant(seen))
                }
                (None, Some(Few { first, count })) => format!(" ({}): {count}, the first at {first}.\n", defect.word()),
                (None, None) => format!(" ({}).\n", defect.word()),
            };
        }
        let Round { triggers, found, repaired, .. } = self.round;
        let listed = self.findings.len() as u64;
        if found.sum() > listed {
            text += &format!("… and {} more.\n", found.sum() - listed);
        }
        text += &match found.sum() {
            0 => format!("Nothing is wrong with any of {triggers} scheduled triggers.\n"),
            1 => format!("One defect among {triggers} scheduled triggers."),
            many => format!("{many} defects among {triggers} scheduled triggers."),
        };
        let mendable =
            [Defect::Disarmed, Defect::Astray, Defect::Outdated, Defect::Moved, Defect::Needless, Defect::Forgotten];
        if found.sum() > 0 {
            text += &match (self.is_repaired, mendable.iter().any(|defect| found.of(*defect) > 0)) {
                (true, _) => format!(" Put right: {repaired}.\n"),
                (false, true) => {
                    " What a trigger waits for a running server puts right within a round, and --repair at once.\n"
                        .to_owned()
                }
                (false, false) => "\n".to_owned(),
            };
        }
        text
    }
}

fn instant(instant: Option<Timestamp>) -> String {
    instant.map_or_else(|| "nothing".to_owned(), |instant| instant.to_string())
}

#[cfg(test)]
mod tests {
    use oncue_domain::audit::{Cursor, Repair, Tally};
    use oncue_domain::id::{TriggerId, UserId};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn report(defects: &[(Defect, Option<i64>, Option<i64>)], is_repaired: bool) -> Report {
        let mut found = Tally::default();
        let findings: Vec<Finding> = (7..)
            .zip(defects)
            .map(|(id, (defect, seen, next))| {
                found.note(*defect);
                let seen = seen.map(|seen| Cursor { next_at: at(seen), revision: 1 });
                let (owner, trigger, next_at) = (UserId(1), TriggerId(id), next.map(at));
                let (defect, found_at) = (*defect, at(0));
                let repair = Repair { owner, trigger, revision: 1, seen, next_at, defect, found_at };
                let is_mendable = !matches!(defect, Defect::Unreadable | Defect::Missing);
                let about =
                    seen.filter(|_| defect == Defect::Missing).map(|seen| Few { first: seen.next_at, count: 3 });
                Finding { trigger, defect, repair: is_mendable.then_some(repair), about }
            })
            .collect();
        let repaired = if is_repaired { findings.iter().filter(|one| one.repair.is_some()).count() as u64 } else { 0 };
        Report {
            round: Round { began_at: at(0), ended_at: at(1), triggers: 40, found, repaired },
            findings,
            is_repaired,
        }
    }

    #[test]
    fn each_finding_is_a_sentence_and_the_last_says_how_many_there_are() {
        let found = [
            (Defect::Disarmed, None, Some(60)),
            (Defect::Needless, Some(90), None),
            (Defect::Unreadable, None, None),
            (Defect::Missing, Some(30), None),
            (Defect::Forgotten, Some(30), Some(30)),
        ];
        let told = report(&found, true).text();
        assert_eq!(
            told.lines().collect::<Vec<_>>(),
            [
                "Trigger 7 waits for nothing although it should fire, or be deleted (disarmed): it waits for nothing instead of 2027-01-15T08:01:00Z.",
                "Trigger 8 waits for an occurrence that it is not to fire at (needless): it waits for 2027-01-15T08:01:30Z instead of nothing.",
                "Trigger 9 cannot be read and does not fire (unreadable).",
                "Trigger 10 has occurrences of which nothing says what became (missing): 3, the first at 2027-01-15T08:00:30Z.",
                "Trigger 11 waits for an event of its own to end although none is under way (forgotten): it waits for 2027-01-15T08:00:30Z.",
                "5 defects among 40 scheduled triggers. Put right: 3.",
            ]
        );
        assert_eq!(report(&[], false).text(), "Nothing is wrong with any of 40 scheduled triggers.\n");
        assert!(report(&found[..1], false).text().ends_with("and --repair at once.\n"));
        assert!(report(&found[3..4], false).text().ends_with("One defect among 40 scheduled triggers.\n"));
    }

    #[test]
    fn programs_are_told_the_same() {
        let told = report(&[(Defect::Astray, Some(61), Some(60))], false).json();
        let expected = json!({
            "trigger": 7, "owner": 1, "defect": "astray", "waits_for": "2027-01-15T08:01:01Z",
            "should_wait_for": "2027-01-15T08:01:00Z", "occurrences": null, "first": null, "is_repaired": false,
        });
        assert_eq!((&told["findings"][0], &told["triggers"], &told["repaired"]), (&expected, &json!(40), &json!(0)));
        assert_eq!(told["defects"]["astray"], 1);
    }
}
