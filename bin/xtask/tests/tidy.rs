//! Keeps the structure that docs/ARCHITECTURE.md describes: which crate may use which,
//! and what may stand only in one place.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which crates of our own, and which of the watched ones, each crate may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("target", &["model"]),
    ("ptrace", &["model", "target", "nix"]),
    ("corefile", &["model", "target"]),
    (
        "cframes",
        &["model", "target", "gimli", "object", "addr2line"],
    ),
    ("gobinary", &["model", "gimli", "object"]),
    ("goruntime", &["model", "target", "gobinary", "cframes"]),
    ("analysis", &["model"]),
    (
        "report",
        &["model", "analysis", "prost", "serde", "serde_json"],
    ),
    (
        "sampler",
        &[
            "model",
            "target",
            "ptrace",
            "corefile",
            "gobinary",
            "cframes",
            "goruntime",
            "report",
        ],
    ),
    ("tui", &["model", "analysis", "ratatui", "crossterm"]),
    (
        "goinspect",
        &["model", "analysis", "report", "sampler", "tui", "serde"],
    ),
    ("fixtures", &["serde_json"]),
    (
        "fuzz",
        &[
            "model",
            "target",
            "corefile",
            "gobinary",
            "cframes",
            "goruntime",
            "analysis",
            "report",
            "tui",
        ],
    ),
    (
        "xtask",
        &[
            "fixtures",
            "fuzz",
            "model",
            "target",
            "ptrace",
            "gobinary",
            "cframes",
            "goruntime",
            "model",
            "report",
            "sampler",
            "serde",
            "serde_json",
        ],
    ),
];

/// Libraries that only the crates above may use.
const WATCHED: &[&str] = &[
    "gimli",
    "object",
    "addr2line",
    "ratatui",
    "crossterm",
    "nix",
    "libc",
    "serde",
    "serde_json",
    "memmap2",
    "prost",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[test]
fn arrows_run_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let packages = packages();
    let ours: Vec<&str> = packages
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let may = allowed
            .get(name)
            .unwrap_or_else(|| panic!("{name} is a new crate: give it a line in MAY_USE"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            let for_tests_only = dependency["kind"] == "dev";
            let is_watched = ours.contains(&used) || WATCHED.contains(&used);
            assert!(
                for_tests_only || !is_watched || may.contains(&used),
                "{name} may not use {used}"
            );
        }
    }
}

/// All Rust sources that are ours, with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![
        root().join("crates"),
        root().join("bin"),
        root().join("fixtures/src"),
        root().join("fuzz"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// The part of a file before its unit tests, comments left out.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[cfg(test)]\nmod ")
        .next()
        .unwrap_or_default()
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
}

fn is_library(path: &Path) -> bool {
    let path = path.to_string_lossy();
    (path.contains("/crates/") || path.contains("/fixtures/src/")) && path.contains("/src/")
}

#[test]
fn only_ptrace_is_unsafe() {
    for (path, text) in sources() {
        if path.starts_with(root().join("crates/ptrace")) || path.ends_with("xtask/tests/tidy.rs") {
            continue;
        }
        for line in code(&text) {
            assert!(
                !line.contains("unsafe ") && !line.contains("allow(unsafe_code)"),
                "{}: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    for (path, text) in sources() {
        if !path.starts_with(root().join("crates/ptrace/src")) {
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let line = line.trim();
            if line.starts_with("//") || !line.contains("unsafe {") {
                continue;
            }
            let before = &lines[i.saturating_sub(6)..i];
            assert!(
                before.iter().any(|l| l.contains("SAFETY:")),
                "{}:{}: {line}",
                path.display(),
                i + 1
            );
        }
    }
}

#[test]
fn only_ptrace_knows_the_host() {
    for (path, text) in sources() {
        if path.starts_with(root().join("crates/ptrace")) || !is_library(&path) {
            continue;
        }
        for line in code(&text) {
            let asks = line.contains("cfg(target_") || line.contains("cfg!(target_");
            assert!(!asks, "{}: {line}", path.display());
        }
    }
}

#[test]
fn libraries_do_not_print() {
    for (path, text) in sources().into_iter().filter(|(path, _)| is_library(path)) {
        for line in code(&text) {
            for word in [
                "println!",
                "eprintln!",
                "print!(",
                "eprint!(",
                "dbg!",
                "process::exit",
            ] {
                assert!(!line.contains(word), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn go_versions_are_compared_in_one_place() {
    for (path, text) in sources() {
        if path.ends_with("model/src/version.rs")
            || !is_library(&path)
            || path.starts_with(root().join("fixtures"))
        {
            continue;
        }
        for line in code(&text) {
            assert!(
                !["minor:", ".minor", "GoVersion::new"]
                    .iter()
                    .any(|word| line.contains(word)),
                "{}: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn files_can_be_read_in_one_sitting() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
    }
}

#[test]
fn every_crate_has_a_page_in_the_map() {
    let map = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    for package in packages() {
        let folder = Path::new(package["manifest_path"].as_str().unwrap())
            .parent()
            .unwrap();
        let place = folder
            .strip_prefix(root())
            .unwrap()
            .to_string_lossy()
            .into_owned();
        assert!(
            map.contains(&format!("`{place}`")),
            "docs/ARCHITECTURE.md does not name `{place}`"
        );
    }
}
