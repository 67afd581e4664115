//! `--format traceback` is Go's own text, and Go's own text can be read back.

use std::collections::BTreeMap;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use report::{Dump, parse_dump};

use crate::run::goinspect;

/// Every goroutine that stays where it is: the same block, character for character.
pub fn equals_the_runtimes_text(go: &Toolchain) -> Result<(), Failed> {
    let mut zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &[])?;
    let facts = zoo.facts()?;
    let moving: Vec<u64> = std::iter::once(&facts["control"])
        .chain(facts["spinning"].as_array().unwrap())
        .filter_map(serde_json::Value::as_u64)
        .collect();
    let pid = zoo.pid().to_string();
    let output = goinspect(&["snapshot", &pid, "--format", "traceback", "--elide"]);
    let ours = String::from_utf8(output.stdout)?;
    let theirs = zoo.stack()?;
    zoo.quit()?;

    let ours_read = read_back(&ours)?;
    let theirs_read = read_back(&theirs)?;
    let mut ours = blocks(&ours_read);
    let mut wrong = Vec::new();
    let (mut compared, mut equal) = (0, 0);
    for (goid, expected) in blocks(&theirs_read) {
        let Some(found) = ours.remove(&goid) else {
            wrong.push(format!("goroutine {goid} is missing"));
            continue;
        };
        // One reads stdin in the snapshot and prints in the text; one spins.
        if moving.contains(&goid) {
            continue;
        }
        compared += 1;
        if found == expected {
            equal += 1;
        } else {
            wrong.push(format!("Go says:\n{expected}goinspect says:\n{found}"));
        }
    }
    wrong.extend(ours.values().map(|block| format!("one too many:\n{block}")));
    if !wrong.is_empty() || compared < 100 {
        let why = format!(
            "{equal} of {compared} blocks are equal:\n{}",
            wrong.join("\n")
        );
        return Err(why.into());
    }
    println!(
        "Go {}: {equal} of {compared} blocks are equal",
        go.version()
    );
    Ok(())
}

/// The dump that `text` is, if writing it again gives the same text.
pub fn read_back(text: &str) -> Result<Dump<'_>, Failed> {
    let dump = parse_dump(text);
    let preamble = match dump.preamble.is_empty() {
        true => String::new(),
        false => format!("{}\n\n", dump.preamble.join("\n")),
    };
    let blocks: Vec<String> = dump.blocks.iter().map(ToString::to_string).collect();
    let again = preamble + &blocks.join("\n");
    if again != text {
        let differs = again.lines().zip(text.lines()).find(|(a, b)| a != b);
        return Err(format!("not read back without loss: {differs:?}").into());
    }
    Ok(dump)
}

fn blocks(dump: &Dump<'_>) -> BTreeMap<u64, String> {
    let blocks: BTreeMap<u64, String> = dump
        .blocks
        .iter()
        .map(|block| (block.goid, block.to_string()))
        .collect();
    assert_eq!(blocks.len(), dump.blocks.len(), "a goid appears twice");
    blocks
}
