//! `bugs` has goroutines that are stuck, and others that look like them and are not. It knows which.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use serde_json::Value;

use crate::run::{fails_with, goinspect};

/// Bugs that no rule sees, or not all of, or not each time: a snapshot does not have what tells them from healthy programs, or
/// words that were left over on a stack hide it.
const NOT_ALWAYS_SEEN: &[&str] = &[
    "db-pool-leaked",
    "db-pool-second",
    "http-body-leaked",
    "http-no-timeout",
    "os-pipe-leaked",
    "read-no-deadline",
];

/// Healthy cases that a rule warns of, which the rule's page says.
const FALSE_ALARMS: &[&str] = &["handlers-collected"];

/// A case with what the rules say of it.
struct Case {
    name: String,
    bug: bool,
    says: String,
    /// Those that are stuck or, where there are none, those that wait.
    expected: BTreeSet<u64>,
    objects: BTreeSet<String>,
    findings: Vec<Value>,
}

impl Case {
    fn look(bugs: &Path, name: &str) -> Result<Case, Failed> {
        let mut program = Program::start(bugs, &["-case", name])?;
        let facts = program.facts()?;
        let pid = program.pid().to_string();
        let found = goinspect(&["findings", &pid, "--format", "json"]);
        let found: Value = serde_json::from_slice(&found.stdout)?;
        program.quit()?;
        let role = |name: &str| numbers(&facts["roles"][name]);
        let objects = facts["objects"].as_object().into_iter().flatten();
        let addresses = objects.filter_map(|(_, object)| object["addr"].as_str());
        let is_held = |finding: &&Value| {
            let background = role("background");
            !numbers(&finding["goids"]).is_subset(&background)
        };
        let findings = found["findings"].as_array().cloned().unwrap_or_default();
        Ok(Case {
            name: name.to_owned(),
            bug: facts["bug"] == true,
            says: facts["says"].as_str().unwrap_or_default().to_owned(),
            expected: match role("stuck") {
                stuck if stuck.is_empty() => role("waiters"),
                stuck => stuck,
            },
            objects: addresses
                .filter(|at| *at != "0x0")
                .map(Into::into)
                .collect(),
            findings: findings.iter().filter(is_held).cloned().collect(),
        })
    }

    /// The first rule whose findings together have all that are stuck, and an object that they wait on where the
    /// program tells one and the rule does. With how much it matters.
    fn hit(&self) -> Option<(&str, &str)> {
        let rule = |finding: &'_ Value| finding["rule"].as_str().map(str::to_owned);
        self.findings.iter().find_map(|first| {
            let same = self
                .findings
                .iter()
                .filter(|finding| rule(finding) == rule(first));
            let (mut goids, mut objects) = (BTreeSet::new(), BTreeSet::new());
            for finding in same {
                goids.extend(numbers(&finding["goids"]));
                let list = finding["objects"].as_array().into_iter().flatten();
                objects
                    .extend(list.filter_map(|object| object["addr"].as_str().map(str::to_owned)));
            }
            // What a once is for the program is a mutex within it for others.
            let is_untold =
                self.objects.is_empty() || objects.is_empty() || self.name.starts_with("once-");
            let is_right = is_untold || !self.objects.is_disjoint(&objects);
            let is_whole = !self.expected.is_empty() && self.expected.is_subset(&goids);
            let told = first["rule"].as_str().zip(first["severity"].as_str());
            told.filter(|_| is_right && is_whole)
        })
    }

    /// The rules that warn of goroutines that the case is about.
    fn warnings(&self) -> BTreeSet<&str> {
        let loud = self
            .findings
            .iter()
            .filter(|finding| finding["severity"] != "info");
        loud.filter_map(|finding| finding["rule"].as_str())
            .collect()
    }
}

fn numbers(list: &Value) -> BTreeSet<u64> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_u64).collect()
}

fn all(bugs: &Path) -> Result<Vec<Case>, Failed> {
    let list = Command::new(bugs).arg("-list").output()?;
    let list = String::from_utf8(list.stdout)?;
    list.lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line)?;
            Case::look(bugs, row["case"].as_str().ok_or("a case without a name")?)
        })
        .collect()
}

fn check(cases: &[Case]) {
    let mut wrong = String::new();
    for case in cases {
        let is_seen = case.hit().is_some();
        let proven = case
            .findings
            .iter()
            .any(|finding| finding["certainty"] == "proven");
        let name = case.name.as_str();
        let what = match case.bug {
            true if !is_seen && !NOT_ALWAYS_SEEN.contains(&name) => "is not seen",
            false if proven => "is healthy, and something is proven of it",
            false if !case.warnings().is_empty() && !FALSE_ALARMS.contains(&name) => {
                "is healthy, and there is a warning"
            }
            _ => continue,
        };
        let _ = writeln!(
            wrong,
            "{name} {what}: expected {:?} {:?}",
            case.expected, case.objects
        );
        for finding in &case.findings {
            let _ = writeln!(wrong, "    {finding}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let bugs = cases.iter().filter(|case| case.bug).count();
    let seen = cases
        .iter()
        .filter(|case| case.bug && case.hit().is_some())
        .count();
    println!(
        "{seen} of {bugs} bugs were seen; of {} healthy programs nothing was proven",
        cases.len() - bugs
    );
}

/// With symbols and debug information.
pub fn of_bugs(go: &Toolchain) -> Result<(), Failed> {
    check(&all(&build(go, "bugs", &BuildOptions::default())?)?);
    Ok(())
}

/// Without.
pub fn of_stripped_bugs(go: &Toolchain) -> Result<(), Failed> {
    let options = BuildOptions::with_flags(["-ldflags=-s -w"]);
    check(&all(&build(go, "bugs", &options)?)?);
    Ok(())
}

/// `why` names, of two that wait for each other, the other one and what it has.
pub fn why(go: &Toolchain) -> Result<(), Failed> {
    let bugs = build(go, "bugs", &BuildOptions::default())?;
    let mut program = Program::start(&bugs, &["-case", "lock-order"])?;
    let facts = program.facts()?;
    let pid = program.pid().to_string();
    let stuck = numbers(&facts["roles"]["stuck"]);
    let told = stuck
        .iter()
        .map(|goid| goinspect(&["why", &pid, &goid.to_string()]));
    let told: Vec<_> = told.collect();
    let unknown = goinspect(&["why", &pid, "999999"]);
    program.quit()?;

    assert_eq!(stuck.len(), 2);
    let mut locks = BTreeSet::new();
    for (output, other) in told.iter().zip(stuck.iter().rev()) {
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout.clone())?;
        let objects = facts["objects"].as_object().into_iter().flatten();
        let waits = text
            .lines()
            .find(|line| line.starts_with("It waits to lock the mutex "));
        let waits = waits.ok_or_else(|| format!("no word of a mutex: {text}"))?;
        locks.extend(
            objects
                .filter_map(|(_, object)| object["addr"].as_str())
                .filter(|at| waits.contains(at)),
        );
        assert!(
            text.contains(&format!("goroutine {other} [")),
            "{other} is not named: {text}"
        );
    }
    assert_eq!(locks.len(), 2, "each waits for a lock of its own");
    fails_with(&unknown, 3, &["999999", "hint:"])
}

/// The tables in the manual are what the rules do; `GOINSPECT_UPDATE=1` writes them anew.
pub fn manual(go: &Toolchain) -> Result<(), Failed> {
    let cases = all(&build(go, "bugs", &BuildOptions::default())?)?;
    let page = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/FINDINGS.md"
    ));
    let text = std::fs::read_to_string(&page)?;
    let marks = ("<!-- cases -->\n", "<!-- end of cases -->");
    let (before, rest) = text
        .split_once(marks.0)
        .ok_or("the tables' beginning is not marked")?;
    let (old, after) = rest
        .split_once(marks.1)
        .ok_or("the tables' end is not marked")?;
    let new = tables(&cases);
    if std::env::var_os("GOINSPECT_UPDATE").is_some() {
        std::fs::write(&page, format!("{before}{}{new}{}{after}", marks.0, marks.1))?;
    } else {
        assert_eq!(
            old, new,
            "docs/FINDINGS.md: GOINSPECT_UPDATE=1 writes it anew"
        );
    }
    Ok(())
}

fn tables(cases: &[Case]) -> String {
    let mut text = String::from("\n| bug | what it is | seen by |\n|---|---|---|\n");
    for case in cases.iter().filter(|case| case.bug) {
        let by = match case.hit() {
            _ if NOT_ALWAYS_SEEN.contains(&case.name.as_str()) => {
                "– (missed, or not seen each time)".to_owned()
            }
            Some((rule, severity)) => format!("`{rule}`, {severity}"),
            None => "– (missed, or not seen each time)".to_owned(),
        };
        let _ = writeln!(text, "| {} | {} | {by} |", case.name, case.says);
    }
    text.push_str("\n| healthy | what it is | warnings |\n|---|---|---|\n");
    for case in cases.iter().filter(|case| !case.bug) {
        let warnings: Vec<String> = case
            .warnings()
            .iter()
            .map(|rule| format!("`{rule}`"))
            .collect();
        let warnings = if warnings.is_empty() {
            "–".into()
        } else {
            warnings.join(", ")
        };
        let _ = writeln!(text, "| {} | {} | {warnings} |", case.name, case.says);
    }
    text.push('\n');
    text
}
