//! Folded stacks: a line for each stack, root first, and how many goroutines have it. What flame
//! graph tools read (`flamegraph.pl`, inferno, speedscope).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Write};

use model::{Escaped, Snapshot, Stacks};

use crate::stacks::{Stack, UNREADABLE, counted, mark};

/// Writes a line for each stack, `main.main;main.worker;runtime.gopark 12`, the most frequent first.
/// `all` counts the runtime's own goroutines and dead ones, too. `out` need not be buffered.
///
/// Where a stack is not whole, a frame in brackets says so at its root. Nothing else has a place in
/// this format: whoever writes it tells the reader of the [`caveats`](crate::caveats()).
pub fn write_folded(snapshot: &Snapshot, out: impl Write, all: bool) -> io::Result<()> {
    let mut stacks = Stacks::default();
    let mut alike = HashMap::new();
    for g in counted(snapshot, all) {
        let key = (stacks.number(&g.frames), mark(g));
        alike.entry(key).or_insert((g, 0_usize)).1 += 1;
    }
    // What differs in program counters alone is one line.
    let mut lines: HashMap<String, usize> = HashMap::new();
    for (g, count) in alike.into_values() {
        *lines.entry(line(&Stack::new(g))).or_default() += count;
    }
    if !snapshot.unreadable.is_empty() {
        *lines.entry(UNREADABLE.to_owned()).or_default() += snapshot.unreadable.len();
    }
    let mut lines: Vec<(String, usize)> = lines.into_iter().collect();
    lines.sort_unstable_by(|(a, n), (b, m)| (Reverse(n), a).cmp(&(Reverse(m), b)));
    let mut out = io::BufWriter::with_capacity(1 << 16, out);
    for (line, count) in &lines {
        writeln!(out, "{line} {count}")?;
    }
    out.flush()
}

fn line(stack: &Stack<'_>) -> String {
    let calls = stack.frames.iter().flat_map(|frame| &frame.calls);
    let names = calls.rev().map(|call| name(&call.function.name));
    let mark = stack.mark.map(str::to_owned);
    let mut line = mark.into_iter().chain(names).collect::<Vec<_>>().join(";");
    // A name that ends in a number of its own would be read as two counts.
    if let Some((before, last)) = line.rsplit_once(' ')
        && last.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    {
        line = format!("{before}_{last}");
    }
    line
}

/// A function's name as a frame. A `;` parts frames, so that of `struct { A int; B int }` becomes a `:`, as with
/// other tools that fold stacks.
fn name(function: &str) -> String {
    match function {
        "" => "?".to_owned(),
        _ => Escaped(function).text().replace(';', ":"),
    }
}
