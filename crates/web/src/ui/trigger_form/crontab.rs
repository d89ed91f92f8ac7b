//! A line of a crontab, pasted whole into the cron field: which part of it is a schedule, which zone it names, and what is
//! left out. Whether the schedule is right is decided where every cron line is read.

use oncue_domain::schedule::cron::CronExpression;

/// What was taken from a crontab line, and what was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pasted {
    pub(crate) schedule: String,
    /// The zone of a `CRON_TZ=` or `TZ=` in front.
    pub(crate) zone: Option<String>,
    /// Everything else, as it stood.
    pub(crate) left_out: String,
}

impl Pasted {
    /// Takes a line apart; none where the text is nothing but a schedule, right or wrong.
    pub(crate) fn read(text: &str) -> Option<Pasted> {
        let mut words: &[&str] = &text.split_whitespace().collect::<Vec<_>>();
        let mut zone = None;
        let mut left_out: Vec<&str> = Vec::new();
        while let Some((setting, rest)) = words.split_first().filter(|(first, _)| is_setting(first)) {
            match setting.split_once('=') {
                Some(("CRON_TZ" | "TZ", name)) => zone = Some(name.trim_matches(['"', '\'']).to_owned()),
                _ => left_out.push(setting),
            }
            words = rest;
        }
        let (schedule, command) = words.split_at(schedule_words(words));
        left_out.extend(command);
        let is_more = zone.is_some() || !left_out.is_empty();
        is_more.then(|| Pasted { schedule: schedule.join(" "), zone, left_out: left_out.join(" ") })
    }
}

/// `NAME=value`, as crontabs set variables.
fn is_setting(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name).unwrap_or_default();
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// How many of the words are the schedule. With seconds there are six, where the sixth can be a field at all; where neither
/// reading is right, the words that look like fields are taken, so that the error is about them and not about the command.
fn schedule_words(words: &[&str]) -> usize {
    let is_right = |count: usize| words.len() >= count && CronExpression::parse(&words[..count].join(" ")).is_ok();
    if words.first().is_some_and(|first| first.starts_with('@')) {
        return 1;
    }
    if let Some(count) = [6, 5].into_iter().find(|count| is_right(*count)) {
        return count;
    }
    let fields = words.iter().take_while(|word| looks_like_a_field(word)).count();
    if fields >= 5 { fields.min(6) } else { words.len() }
}

fn looks_like_a_field(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit() || c == '*')
        || (word.len() <= 7 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'-' || b == b','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_into_schedule_zone_and_what_is_left_out() {
        #[rustfmt::skip]
        let rows = [
            ("*/5 * * * * /usr/bin/curl -fsS https://example.com/ping", "*/5 * * * *", None, "/usr/bin/curl -fsS https://example.com/ping"),
            ("CRON_TZ=Europe/Riga 0 9 * * 1-5", "0 9 * * 1-5", Some("Europe/Riga"), ""),
            ("CRON_TZ=Europe/Riga 0 9 * * MON-FRI  backup --all", "0 9 * * MON-FRI", Some("Europe/Riga"), "backup --all"),
            ("TZ=\"Asia/Kolkata\" @daily /bin/true", "@daily", Some("Asia/Kolkata"), "/bin/true"),
            ("MAILTO=ops@example.com 30 2 * * * root /bin/backup", "30 2 * * *", None, "MAILTO=ops@example.com root /bin/backup"),
            ("0 */5 * * * * /bin/true", "0 */5 * * * *", None, "/bin/true"),
            ("@hourly rm -rf /tmp/x", "@hourly", None, "rm -rf /tmp/x"),
            ("0 9 * * 1-5 5", "0 9 * * 1-5 5", None, ""),
            ("0 25 * * * /bin/true now", "0 25 * * *", None, "/bin/true now"),
            ("@reboot /bin/true", "@reboot", None, "/bin/true"),
        ];
        for (text, schedule, zone, left_out) in rows {
            let expected =
                Pasted { schedule: schedule.to_owned(), zone: zone.map(str::to_owned), left_out: left_out.to_owned() };
            match Pasted::read(text) {
                Some(pasted) => assert_eq!(pasted, expected, "{text}"),
                None => assert_eq!((schedule, left_out), (text, ""), "{text}"),
            }
        }
    }

    #[test]
    fn a_plain_schedule_is_left_alone_right_or_wrong() {
        for text in
            ["", "0 9 * * 1-5", "15 0 9 * * 1-5", "@daily", "0 25 * * *", "* * *", "every morning", "0 9 * * MONDAY"]
        {
            assert_eq!(Pasted::read(text), None, "{text}");
        }
    }
}
