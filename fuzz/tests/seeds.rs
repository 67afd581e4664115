//! Every target over its seeds, and over mutations of them: the same ones in every run.

// What is not itself a `#[test]` may fail by panicking as well.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use fuzz::{Mutations, TARGETS, target};

/// The seeds of a target, and what once went wrong.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn survives(name: &str) {
    let target = target(name).unwrap();
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "there is no seed");
    for seed in &seeds {
        (target.run)(seed);
    }
    for bytes in Mutations::new(&seeds).take(target.tries) {
        (target.run)(&bytes);
    }
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test] fn $name() { survives(stringify!($name)); })*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

tests! { buildinfo cframes core decode dump dwarf elf executable filter pclntab recording screen snapshot }

#[test]
fn no_target_is_left_out() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
}
