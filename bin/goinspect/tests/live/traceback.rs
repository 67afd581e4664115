//! `--format traceback` is Go's own text, and Go's own text can be read back.

use std::collections::BTreeMap;
use std::process::Command;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use report::{Dump, parse_dump};

use crate::process::gcore;
use crate::run::goinspect;

/// Live: every goroutine that stays where it is has the same block, character for character.
pub fn equals_the_runtimes_text(go: &Toolchain) -> Result<(), Failed> {
    let zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &[])?;
    equals_its_own_text(go, zoo)
}

/// The same of a `zoo` that has been started.
pub fn equals_its_own_text(go: &Toolchain, mut zoo: Program) -> Result<(), Failed> {
    let moving = moving(&mut zoo)?;
    let pid = zoo.pid().to_string();
    let output = goinspect(&["snapshot", &pid, "--format", "traceback", "--elide"]);
    let theirs = zoo.stack()?;
    zoo.quit()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    equal(go, &String::from_utf8(output.stdout)?, &theirs, &moving)
}

/// The same of a program that keeps the stacks of those who created its goroutines.
pub fn equals_it_with_ancestors(go: &Toolchain) -> Result<(), Failed> {
    let mut command = Command::new(build(go, "zoo", &BuildOptions::default())?);
    command.env("GODEBUG", "tracebackancestors=3");
    let mut zoo = Program::spawn(command)?;
    let moving = moving(&mut zoo)?;
    let pid = zoo.pid().to_string();
    let output = goinspect(&["snapshot", &pid, "--format", "traceback", "--elide"]);
    let theirs = zoo.stack()?;
    zoo.quit()?;
    assert!(theirs.contains("[originating from goroutine 1]:"));
    equal(go, &String::from_utf8(output.stdout)?, &theirs, &moving)
}

/// From a core that gdb wrote of the running program.
pub fn equals_it_in_a_core(go: &Toolchain) -> Result<(), Failed> {
    let zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &[])?;
    equals_it_from_gcore(go, zoo)
}

/// The same of a `zoo` that has been started.
pub fn equals_it_from_gcore(go: &Toolchain, mut zoo: Program) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let moving = moving(&mut zoo)?;
    let core = gcore(zoo.pid(), folder.path())?;
    let theirs = zoo.stack()?;
    zoo.quit()?;
    let output = goinspect(&["core", &core.to_string_lossy(), "--elide"]);
    assert!(output.status.success(), "{output:?}");
    equal(go, &String::from_utf8(output.stdout)?, &theirs, &moving)
}

/// The goroutines that are elsewhere in the text: one reads stdin until it prints, one spins.
fn moving(zoo: &mut Program) -> Result<Vec<u64>, Failed> {
    let facts = zoo.facts()?;
    let spinning = facts["spinning"].as_array().into_iter().flatten();
    let moving = std::iter::once(&facts["control"]).chain(spinning);
    Ok(moving.filter_map(serde_json::Value::as_u64).collect())
}

/// Both texts have the same blocks, but for those of `moving`.
fn equal(go: &Toolchain, ours: &str, theirs: &str, moving: &[u64]) -> Result<(), Failed> {
    let ours_read = read_back(ours)?;
    let theirs_read = read_back(theirs)?;
    let mut ours = blocks(&ours_read);
    let mut wrong = Vec::new();
    let (mut compared, mut equal) = (0, 0);
    for (goid, expected) in blocks(&theirs_read) {
        let Some(found) = ours.remove(&goid) else {
            wrong.push(format!("goroutine {goid} is missing"));
            continue;
        };
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
