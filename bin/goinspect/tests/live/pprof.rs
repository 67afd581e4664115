//! Profiles against the program's own, as `go tool pprof` reads both, and folded stacks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use serde_json::Value;

use crate::process::{gcore, runs_freely, until};
use crate::run::{fails_with, goinspect, snapshot};

/// A running `zoo` whose own profile is uncut where Go can be told so (since 1.23).
fn start(go: &Toolchain, options: &BuildOptions) -> Result<Program, Failed> {
    let mut command = Command::new(build(go, "zoo", options)?);
    command.arg("-nospin").env("GODEBUG", "profstackdepth=1024");
    Ok(Program::spawn(command)?)
}

/// How many frames Go's own profile has of a stack at most; `None` for all of those in `zoo`.
fn depth(go: &Toolchain) -> Option<usize> {
    let minor: Option<u32> = go
        .language()
        .strip_prefix("1.")
        .and_then(|m| m.parse().ok());
    minor.filter(|&minor| minor < 23).map(|_| 32)
}

struct Profiles {
    folder: tempfile::TempDir,
}

impl Profiles {
    fn new() -> Result<Profiles, Failed> {
        Ok(Profiles {
            folder: tempfile::tempdir()?,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `runtime/pprof` writes in the program.
    fn own(&self, zoo: &mut Program) -> Result<PathBuf, Failed> {
        let path = self.path("own.pb.gz");
        let answer = zoo.ask(&format!("profile {}", path.display()))?;
        assert_eq!(answer, path.to_str().unwrap());
        Ok(path)
    }

    /// What goinspect writes of a target.
    fn of(&self, target: &str, more: &[&str]) -> Result<PathBuf, Failed> {
        let path = self.path("goinspect.pb.gz");
        let mut args = vec!["snapshot", target, "--format", "pprof", "-o"];
        args.push(path.to_str().unwrap());
        args.extend(more);
        let output = goinspect(&args);
        assert!(
            output.status.success() && output.stdout.is_empty(),
            "{output:?}"
        );
        Ok(path)
    }
}

/// What `go tool pprof` says of a profile.
fn pprof(go: &Toolchain, args: &[&str], profile: &Path) -> Result<String, Failed> {
    let output = go
        .command()
        .args(["tool", "pprof"])
        .args(args)
        .arg(profile)
        .stdin(Stdio::null())
        .output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// A stack: each location with its address, mapping and lines, innermost first.
type Stack = Vec<String>;

/// A profile, without the numbers that its entries go by.
#[derive(Debug, Default, PartialEq)]
struct Raw {
    /// How many goroutines have a stack and labels.
    samples: BTreeMap<(Stack, String), u64>,
    /// Where the executable is.
    mapping: String,
}

impl Raw {
    /// As `go tool pprof -raw` prints it.
    fn read(go: &Toolchain, profile: &Path) -> Result<Raw, Failed> {
        let text = pprof(go, &["-raw"], profile)?;
        let (head, mappings) = text.split_once("\nMappings\n").unwrap();
        let (head, locations) = head.split_once("\nLocations\n").unwrap();
        let (head, samples) = head.split_once("\nSamples:\ngoroutine/count\n").unwrap();
        assert!(
            head.contains("PeriodType: goroutine count\nPeriod: 1\n"),
            "{head}"
        );
        let mut places: BTreeMap<&str, String> = BTreeMap::new();
        let mut last = "";
        for line in locations.lines() {
            // What a line says behind its number: where its function starts, which is not in a traceback.
            let (place, _) = line.rsplit_once(" s=").unwrap();
            match place.trim_start().split_once(": ") {
                Some((id, place))
                    if !place.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) =>
                {
                    last = id;
                    places.insert(id, place.to_owned());
                }
                _ => {
                    let known = places.get_mut(last).unwrap();
                    known.push_str(" < ");
                    known.push_str(place.trim_start());
                }
            }
        }
        let mut raw = Raw::default();
        // What follows the line of a sample until the next are labels, whatever is in them.
        let mut found: Vec<((Stack, String), u64)> = Vec::new();
        for line in samples.lines() {
            match sample(line) {
                Some((count, ids)) => {
                    let stack = ids.iter().map(|id| places[id].clone()).collect();
                    found.push(((stack, String::new()), count));
                }
                None => {
                    let labels = &mut found.last_mut().unwrap().0.1;
                    labels.push_str(line.trim_start());
                    labels.push('\n');
                }
            }
        }
        for (sample, count) in found {
            *raw.samples.entry(sample).or_default() += count;
        }
        let mapping = mappings.lines().next().unwrap();
        raw.mapping = mapping.split(" [").next().unwrap().trim_end().to_owned();
        Ok(raw)
    }

    /// Takes out the one stack that has a function. It is that of the goroutine that writes the profile, which waits for
    /// commands in a snapshot.
    fn take_out(&mut self, function: &str) {
        let before = self.samples.len();
        self.samples
            .retain(|(stack, _), _| !stack.iter().any(|place| place.contains(function)));
        assert_eq!(self.samples.len() + 1, before, "{function}");
    }

    /// As Go would have cut it.
    fn cut(self, depth: Option<usize>) -> Raw {
        let Some(depth) = depth else { return self };
        let mut samples = BTreeMap::new();
        for ((stack, labels), count) in self.samples {
            let mut frames = 0;
            let within = stack.into_iter().take_while(|place| {
                let fits = frames < depth;
                frames += place.split(" < ").count();
                fits
            });
            *samples.entry((within.collect(), labels)).or_default() += count;
        }
        Raw { samples, ..self }
    }

    fn total(&self) -> u64 {
        self.samples.values().sum()
    }
}

/// A line of a count and the IDs of locations.
fn sample(line: &str) -> Option<(u64, Vec<&str>)> {
    let (count, ids) = line.trim_start().split_once(": ")?;
    let count = count.parse().ok()?;
    let ids: Vec<&str> = ids.split_whitespace().collect();
    let numbers = ids.iter().all(|id| id.parse::<u64>().is_ok());
    numbers.then_some((count, ids))
}

const SERVE: &str = "oracle.(*Control).Serve ";

/// The same stacks at the same addresses, with the same inlined calls, names, files, lines and labels, as many of each,
/// in the same executable.
fn equal(go: &Toolchain, own: &Path, ours: &Path) -> Result<Raw, Failed> {
    let (mut own, mut ours) = (Raw::read(go, own)?, Raw::read(go, ours)?);
    own.take_out("runtime/pprof.(*Profile).WriteTo ");
    ours.take_out(SERVE);
    let ours = ours.cut(depth(go));
    assert_eq!(ours.mapping, own.mapping);
    let mut wrong = Vec::new();
    for (sample, &count) in &own.samples {
        let found = ours.samples.get(sample).copied().unwrap_or(0);
        if found != count {
            wrong.push(format!("{found}, not {count} of {sample:#?}"));
        }
    }
    for sample in ours.samples.keys().filter(|s| !own.samples.contains_key(s)) {
        wrong.push(format!("not in Go's own: {sample:#?}"));
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n").into());
    }
    let labelled = own.samples.keys().filter(|(_, labels)| !labels.is_empty());
    assert!(own.total() > 100 && labelled.count() > 8);
    Ok(own)
}

/// What people look at is the same, line by line.
fn look_the_same(go: &Toolchain, own: &Path, ours: &Path) -> Result<(), Failed> {
    // One goroutine is elsewhere, and stacks that Go has cut have other roots.
    let ignore = match depth(go) {
        None => r"-ignore=oracle\.\(\*Control\)\.Serve",
        Some(_) => r"-ignore=oracle\.\(\*Control\)\.Serve|^main\.(recurse|ping|pong)$",
    };
    let all = ["-nodefraction=0", "-nodecount=100000", ignore];
    let top = |profile| -> Result<String, Failed> {
        let text = pprof(go, &[&["-top"][..], &all].concat(), profile)?;
        let (_, table) = text.split_once("      flat  flat%").unwrap();
        Ok(table.to_owned())
    };
    assert_eq!(top(ours)?, top(own)?);
    assert!(top(own)?.lines().count() > 200);
    let traces = |profile| -> Result<Vec<String>, Failed> {
        let text = pprof(go, &[&["-traces"][..], &all].concat(), profile)?;
        let parts = text.split("-----------+").skip(1);
        let mut parts: Vec<String> = parts.map(str::to_owned).collect();
        parts.sort();
        Ok(parts)
    };
    assert_eq!(traces(ours)?, traces(own)?);
    Ok(())
}

/// A profile of a running program is the one that it writes of itself.
pub fn equals_the_programs_own(go: &Toolchain) -> Result<(), Failed> {
    let profiles = Profiles::new()?;
    let mut zoo = start(go, &BuildOptions::default())?;
    let ours = profiles.of(&zoo.pid().to_string(), &[])?;
    runs_freely(zoo.pid())?;
    let own = profiles.own(&mut zoo)?;
    zoo.quit()?;
    equal(go, &own, &ours)?;
    look_the_same(go, &own, &ours)
}

/// One of a saved snapshot, of a program that lies anywhere, is, too.
pub fn equals_it_from_a_saved_snapshot(go: &Toolchain) -> Result<(), Failed> {
    let profiles = Profiles::new()?;
    let mut zoo = start(go, &BuildOptions::with_flags(["-buildmode=pie"]))?;
    let saved = profiles.path("saved.json");
    let saved = saved.to_str().unwrap();
    let output = goinspect(&["snapshot", &zoo.pid().to_string(), "-o", saved]);
    assert!(output.status.success(), "{output:?}");
    let own = profiles.own(&mut zoo)?;
    zoo.quit()?;
    equal(go, &own, &profiles.of(saved, &[])?)?;
    Ok(())
}

/// And one of a core.
pub fn equals_it_in_a_core(go: &Toolchain) -> Result<(), Failed> {
    let profiles = Profiles::new()?;
    let mut zoo = start(go, &BuildOptions::default())?;
    let core = gcore(zoo.pid(), profiles.folder.path())?;
    let own = profiles.own(&mut zoo)?;
    zoo.quit()?;
    equal(go, &own, &profiles.of(core.to_str().unwrap(), &[])?)?;
    Ok(())
}

/// With `--per-goroutine` there is one sample for each, under its ID; without it the same profile.
pub fn every_goroutine_by_its_id(go: &Toolchain) -> Result<(), Failed> {
    let profiles = Profiles::new()?;
    let mut zoo = start(go, &BuildOptions::default())?;
    let facts = zoo.facts()?;
    let pid = zoo.pid().to_string();
    let each = Raw::read(go, &profiles.of(&pid, &["--per-goroutine"])?)?;
    let grouped = Raw::read(go, &profiles.of(&pid, &[])?)?;
    let stacks = zoo.stack()?;
    zoo.quit()?;
    assert!(each.samples.values().all(|&count| count == 1));
    assert_eq!(each.total(), grouped.total());
    let value = |labels: &str, key: &str| {
        let (_, rest) = labels.split_once(&format!("{key}:["))?;
        Some(rest.split_once(']')?.0.to_owned())
    };
    let mut by_goid = BTreeMap::new();
    for (stack, labels) in each.samples.keys() {
        by_goid.insert(value(labels, "goid").unwrap(), (stack, labels));
    }
    assert_eq!(by_goid.len() as u64, each.total());
    for (goid, expected) in facts["expected"].as_object().unwrap() {
        let (stack, labels) = by_goid[goid];
        let reason = value(labels, "waitreason").or(value(labels, "status"));
        let wanted = expected["waitreason"].as_str().unwrap();
        // A wait in a synctest bubble is not called durable by the wait reason itself in every version.
        let wanted = wanted.strip_suffix(" (durable)").unwrap_or(wanted);
        assert!(reason.unwrap().starts_with(wanted), "{goid}: {labels}");
        assert!(!stack.is_empty());
    }
    // The creator is the line "created by" of the program's own text.
    let mut compared = 0;
    for block in stacks.split("\n\n") {
        let goid = block.split_whitespace().nth(1).unwrap();
        let Some((_, created)) = block.split_once("\ncreated by ") else {
            continue;
        };
        let place = created.lines().nth(1).unwrap().trim();
        let place = place.split(" +0x").next().unwrap();
        let gopc = value(by_goid[goid].1, "gopc").unwrap_or_default();
        // A name with brackets of its own ends the value early; zoo has few such creators.
        if gopc.contains('/') {
            assert!(
                gopc.ends_with(&format!(" {place}")),
                "{goid}: {gopc}, not {place}"
            );
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
    Ok(())
}

/// Folded stacks are those of the program's own profile, root first.
pub fn folded_equals_the_programs_own(go: &Toolchain) -> Result<(), Failed> {
    let profiles = Profiles::new()?;
    let mut zoo = start(go, &BuildOptions::default())?;
    let pid = zoo.pid().to_string();
    let output = goinspect(&["snapshot", &pid, "--format", "folded"]);
    assert!(output.status.success(), "{output:?}");
    let own = profiles.own(&mut zoo)?;
    zoo.quit()?;
    let mut own = Raw::read(go, &own)?;
    let goroutines = own.total();
    own.take_out("runtime/pprof.(*Profile).WriteTo ");
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for ((stack, _), count) in &own.samples {
        let calls = stack.iter().flat_map(|place| {
            // Without address and mapping.
            let lines = place.splitn(3, ' ').nth(2).unwrap();
            lines.split(" < ")
        });
        // Without the place.
        let names = calls.map(|call| call.rsplit_once(" /").unwrap_or((call, "")).0);
        let names: Vec<String> = names.map(|name| name.replace(';', ":")).collect();
        let names: Vec<&str> = names.iter().rev().map(String::as_str).collect();
        *expected.entry(names.join(";")).or_default() += count;
    }
    let text = String::from_utf8(output.stdout)?;
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.contains(SERVE.trim_end())) {
        let (stack, count) = line.rsplit_once(' ').unwrap();
        let cut = depth(go).filter(|&depth| stack.split(';').count() > depth);
        let stack = match cut {
            None => stack.to_owned(),
            Some(depth) => {
                let names: Vec<&str> = stack.split(';').collect();
                names[names.len() - depth..].join(";")
            }
        };
        *found.entry(stack).or_default() += count.parse::<u64>()?;
    }
    assert_eq!(found, expected);
    assert_eq!(found.values().sum::<u64>() + 1, goroutines);
    Ok(())
}

/// With `--all`, the runtime's own goroutines and dead ones are counted, too.
pub fn all_means_all(go: &Toolchain) -> Result<(), Failed> {
    let profiles = Profiles::new()?;
    let zoo = start(go, &BuildOptions::default())?;
    // The runtime may start goroutines of its own meanwhile: the profile is one from between two snapshots that agree.
    let states = |taken: &Value| -> Vec<(u64, bool)> {
        let all = taken["goroutines"].as_array().into_iter().flatten();
        all.map(|g| (g["goid"].as_u64().unwrap(), g["status"] == "dead"))
            .collect()
    };
    let (taken, raw) = until("nothing begins or ends", || {
        let before = snapshot(zoo.pid(), &["--all"]).ok()?;
        let profile = profiles.of(&zoo.pid().to_string(), &["--all"]).ok()?;
        let raw = Raw::read(go, &profile).ok()?;
        let after = snapshot(zoo.pid(), &["--all"]).ok()?;
        (states(&before) == states(&after)).then_some((after, raw))
    })?;
    zoo.quit()?;
    let all = taken["goroutines"].as_array().unwrap();
    assert_eq!(raw.total(), all.len() as u64);
    let dead = all.iter().filter(|g| g["status"] == "dead").count() as u64;
    let of = |part: &str| -> u64 {
        let samples = raw.samples.iter();
        let samples = samples.filter(|((stack, _), _)| stack.iter().any(|s| s.contains(part)));
        samples.map(|(_, count)| count).sum()
    };
    assert!(dead >= 3);
    assert_eq!(of("[dead]"), dead);
    let system = |g: &&Value| g["system"] == true && g["status"] != "dead";
    let system = all.iter().filter(system).count() as u64;
    assert!(system > 2 && of("runtime.forcegchelper") == 1);
    Ok(())
}

/// What cannot be is said before the process is stopped.
pub fn refused() -> Result<(), Failed> {
    let output = goinspect(&["snapshot", "1", "--format", "folded", "--per-goroutine"]);
    fails_with(&output, 2, &["--per-goroutine", "pprof"])
}
