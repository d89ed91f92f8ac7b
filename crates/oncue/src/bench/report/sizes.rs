//! The same question at several sizes, side by side, so that what should be flat is seen to be flat. A table for each list
//! of sizes that was asked about; the last column says by how much the number grew from the least size to the greatest.

use std::fmt::Write;

use super::{Row, number};

/// The rows that have a size; nothing where none has.
pub(super) fn side_by_side(rows: &[Row]) -> String {
    let mut families: Vec<Vec<&Row>> = Vec::new();
    for row in rows.iter().filter(|row| row.of.is_some()) {
        match families.iter_mut().find(|family| family[0].scenario == row.scenario && family[0].what == row.what) {
            Some(family) => family.push(row),
            None => families.push(vec![row]),
        }
    }
    let mut tables: Vec<(Vec<u64>, Vec<Vec<&Row>>)> = Vec::new();
    for family in families {
        let sizes: Vec<u64> = family.iter().filter_map(|row| row.of).collect();
        match tables.iter_mut().find(|(known, _)| *known == sizes) {
            Some((_, alike)) => alike.push(family),
            None => tables.push((sizes, vec![family])),
        }
    }
    tables.iter().map(|(sizes, families)| table(sizes, families)).collect()
}

fn table(sizes: &[u64], families: &[Vec<&Row>]) -> String {
    let mut table = "\n".to_owned();
    line(&mut table, "scenario", "what", sizes.iter().map(|size| format!("of {size}")), "grew", "unit");
    if let (Some(first), Some(last)) = (sizes.first(), sizes.last()) {
        let nothing = sizes.iter().map(|_| String::new());
        line(&mut table, "", "what there is", nothing, &grown(*first as f64, *last as f64), "");
    }
    for family in families {
        let (Some(first), Some(last)) = (family.first(), family.last()) else { continue };
        let values = family.iter().map(|row| number(row.median()));
        line(&mut table, &first.scenario, &first.what, values, &grown(first.median(), last.median()), &first.unit);
    }
    table
}

/// By how much a number grew, or shrank.
fn grown(first: f64, last: f64) -> String {
    let times = last / first;
    if times.is_finite() { format!("x {}", number(times)) } else { "-".to_owned() }
}

fn line(table: &mut String, scenario: &str, what: &str, values: impl Iterator<Item = String>, grew: &str, unit: &str) {
    write!(table, "{scenario:<10} {what:<52}").expect("a string can be written to");
    for value in values {
        write!(table, " {value:>12}").expect("a string can be written to");
    }
    writeln!(table, " {grew:>10}  {unit}").expect("a string can be written to");
}

#[cfg(test)]
mod tests {
    use super::super::Better;
    use super::*;

    fn row(what: &str, of: Option<u64>, values: &[f64]) -> Row {
        Row {
            scenario: "growth".to_owned(),
            what: what.to_owned(),
            unit: "ms".to_owned(),
            better: Better::Less,
            values: values.to_vec(),
            of,
        }
    }

    #[test]
    fn sizes_stand_beside_each_other_and_the_last_column_says_how_much_grew() {
        let rows = [
            row("flat", Some(10), &[2.0]),
            row("a start", Some(10), &[1.0]),
            row("flat", Some(1000), &[2.0, 3.0, 2.0]),
            row("a start", Some(1000), &[5.0]),
            row("a page", Some(7), &[0.0]),
            row("alone", None, &[1.0]),
        ];
        let text = side_by_side(&rows);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let expected: [&[&str]; 8] = [
            &[],
            &["scenario", "what", "of", "10", "of", "1000", "grew", "unit"],
            &["what", "there", "is", "x", "100"],
            &["growth", "flat", "2.00", "2.00", "x", "1.00", "ms"],
            &["growth", "a", "start", "1.00", "5.00", "x", "5.00", "ms"],
            &[],
            &["scenario", "what", "of", "7", "grew", "unit"],
            &["what", "there", "is", "x", "1.00"],
        ];
        assert_eq!(lines[..8], expected);
        assert_eq!(lines[8], ["growth", "a", "page", "0", "-", "ms"]);
        assert_eq!(lines.len(), 9, "what has no size stands elsewhere");
        assert_eq!(side_by_side(&rows[5..]), "");
    }
}
