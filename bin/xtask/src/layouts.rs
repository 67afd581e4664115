//! `cargo xtask layouts`: the committed layout tables, from the DWARF of programs that each
//! toolchain builds. What changed shows in their diff.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fixtures::{BuildOptions, Toolchain, build};
use goruntime::Runtime;
use goruntime::contract::{CLAUSES, STRUCTS};

use crate::{ChoreError, progress};

/// Has all that the runtime has: the linker leaves out the types that a program does not need.
const PROGRAM: &str = "zoo";

pub(crate) fn layouts(only: Option<&str>) -> Result<ExitCode, ChoreError> {
    let versions = match only {
        Some(version) => vec![version],
        None => fixtures::toolchain::RELEASES.to_vec(),
    };
    for version in versions {
        let go = Toolchain::obtain(version)?;
        for (arch, options) in [("amd64", for_arch("amd64")), ("arm64", for_arch("arm64"))] {
            let path = place(&go, arch);
            progress(&format!("{}", path.display()));
            let text = table(&go, arch, &options)?;
            fs::write(&path, text).map_err(|why| ChoreError::File { path, why })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn for_arch(arch: &str) -> BuildOptions {
    BuildOptions {
        goarch: Some(arch.to_owned()),
        ..BuildOptions::default()
    }
}

fn place(go: &Toolchain, arch: &str) -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates");
    let name = format!("go{}-{arch}.txt", go.language());
    crates.join("gobinary/layouts").join(name)
}

fn table(go: &Toolchain, arch: &str, options: &BuildOptions) -> Result<String, ChoreError> {
    let path = build(go, PROGRAM, options)?;
    let file = File::open(&path).map_err(|why| ChoreError::File {
        path: path.clone(),
        why,
    })?;
    let binary = Runtime::open_binary(file).map_err(|why| ChoreError::Binary { path, why })?;
    let clauses = CLAUSES.iter().map(|clause| (clause.strukt, clause.path));
    Ok(format!(
        "# The runtime of Go {} on {arch}, by `cargo xtask layouts`: structs and their sizes; fields, their\n\
         # offsets and widths in bytes. What is missing, this version does not have.\n{}",
        go.version(),
        gobinary::write_layouts(&binary.types, STRUCTS, clauses)
    ))
}
