//! What can be written next in the filter line.

use std::collections::BTreeSet;

use model::{Addr, Filter, Goroutine, Status};

use crate::list::{created_by, function};
use crate::watch::Watch;

/// The fields, with their colons.
const FIELDS: [&str; 10] = [
    "age:", "created:", "func:", "goid:", "label:", "on:", "reason:", "status:", "system:", "top:",
];
/// How many values are offered.
const MAX: usize = 200;

/// The word that the cursor stands at the end of, and what it can become.
#[derive(Default)]
pub(crate) struct Completion {
    /// What stands before the cursor.
    pub of: String,
    /// How many bytes before the cursor it takes the place of.
    pub replaced: usize,
    /// In alphabetical order; whole words, quoted where they must be.
    pub words: Vec<String>,
}

/// What the last word of `text` can become, by the goroutines that there are.
pub(crate) fn complete(text: &str, watch: &Watch) -> Completion {
    let word = last_word(text);
    let term = word.strip_prefix('-').unwrap_or(word);
    let minus = if term.len() < word.len() { "-" } else { "" };
    let mut words: BTreeSet<String> = BTreeSet::new();
    match term.split_once(':') {
        None => {
            // A field that this version does not know is not offered.
            let fields = FIELDS.iter().filter(|field| field.starts_with(term));
            words.extend(
                fields
                    .filter(|field| is_field(field))
                    .map(|f| format!("{minus}{f}")),
            );
        }
        Some((field, value)) => {
            let part = value.trim_start_matches('"').to_lowercase();
            let mut offer = |value: &str| {
                let fits = words.len() < MAX && value.to_lowercase().contains(&part);
                if fits && !value.is_empty() {
                    words.insert(format!("{minus}{field}:{}", quoted(value)));
                }
            };
            match field {
                "status" => Status::ALL.iter().for_each(|s| offer(s.as_str())),
                "system" => ["true", "false"].into_iter().for_each(offer),
                "age" => [">10s", ">1m", ">5m", ">1h"].into_iter().for_each(offer),
                _ => values(field, watch, &mut offer),
            }
        }
    }
    Completion {
        of: text.to_owned(),
        replaced: word.len(),
        words: words.into_iter().collect(),
    }
}

/// The values that goroutines have.
fn values(field: &str, watch: &Watch, offer: &mut impl FnMut(&str)) {
    let goroutines = watch.rows.iter().map(|row| &*row.goroutine);
    let of: fn(&Goroutine) -> &str = match field {
        "reason" => |g| g.waitreason.as_deref().unwrap_or_default(),
        "func" | "top" => |g| function(g).0,
        "created" => |g| created_by(g),
        "on" => {
            let on = goroutines.flat_map(|g| g.waiting_on.iter().flatten());
            let named = on.clone().filter_map(|on| on.name.as_deref());
            let named: BTreeSet<&str> = named.collect();
            named.into_iter().for_each(&mut *offer);
            let addrs: BTreeSet<Addr> = on.filter_map(|on| on.addr).collect();
            addrs.into_iter().for_each(|addr| offer(&addr.to_string()));
            return;
        }
        "label" => {
            let labels: BTreeSet<(&str, &str)> = goroutines
                .flat_map(|g| g.labels.iter().flatten())
                .map(|(k, v)| (&**k, &**v))
                .collect();
            for (key, value) in labels {
                offer(&format!("{key}={value}"));
            }
            return;
        }
        _ => return,
    };
    let distinct: BTreeSet<&str> = goroutines.map(of).collect();
    distinct.into_iter().for_each(offer);
}

/// From the last space that is not in quotes.
fn last_word(text: &str) -> &str {
    let mut start = 0;
    let mut in_quotes = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => in_quotes = !in_quotes,
            c if c.is_whitespace() && !in_quotes => start = at + c.len_utf8(),
            _ => {}
        }
    }
    text.get(start..).unwrap_or_default()
}

/// Whether this version's filters have the field: with a value that no field has, only the value is wrong.
fn is_field(field: &str) -> bool {
    match Filter::parse(field) {
        Ok(_) => true,
        Err(error) => error.message.starts_with("a value is missing"),
    }
}

fn quoted(value: &str) -> String {
    // The line is typed on: quotes only where the language wants them.
    match value.contains([' ', '"', '\\']) {
        true => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
        false => value.to_owned(),
    }
}

impl Completion {
    /// What all words begin with, if that is more than is written already.
    pub fn common(&self) -> Option<&str> {
        let (first, rest) = self.words.split_first()?;
        let end = rest.iter().fold(first.len(), |end, word| {
            let same = first.char_indices().zip(word.chars());
            let differ = same
                .clone()
                .find(|((_, a), b)| a != b)
                .map(|((at, _), _)| at);
            let all = differ.unwrap_or(word.len().min(first.len()));
            end.min(all)
        });
        first
            .get(..end)
            .filter(|common| common.len() > self.replaced)
    }
}
