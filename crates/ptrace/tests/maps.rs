//! What is mapped into a process, and the files that it is from.
// For what is not itself a `#[test]`.
#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::fs::FileExt;

use model::Addr;
use support::{Program, patient};
use target::{ReadMemory, Target};

/// What each mapped file is said to hold is what the process has there. (The program changes
/// nothing of what lies in its text.)
#[test]
fn files_are_those_that_are_mapped() {
    let program = Program::start(&["threads", "2"]);
    let mut process = program.open();
    let stopped = process.stop(&patient()).unwrap();
    let maps = stopped.maps().unwrap();
    let text = stopped.threads()[0].registers.unwrap().pc;
    stopped.resume();
    let named = maps.named();
    let kernel = named
        .iter()
        .find(|m| m.path.to_str() == Some("[vdso]"))
        .unwrap();
    assert_eq!(process.vdso_address(), Some(kernel.start));
    assert!(process.open_mapped(kernel).is_none());
    let entry = process.entry_address().unwrap();
    for at in [text, entry] {
        let mapping = named.iter().find(|m| m.contains(at)).unwrap();
        let mapped = process.open_mapped(mapping).unwrap();
        assert!(mapped.is_same, "{mapping:?}");
        let mut there = [0; 256];
        let first = Addr(at.0 & !0xff);
        process.read(first, &mut there).unwrap();
        let mut file = [0; 256];
        let offset = first.0 - mapping.start.0 + mapping.file_offset;
        mapped.file.read_exact_at(&mut file, offset).unwrap();
        assert_eq!(there, file, "{mapping:?}");
    }
}

/// A file that has taken the place of the one that is mapped is not taken for it, and the one that
/// is mapped is found, if that is allowed.
#[test]
fn a_replaced_file_is_not_the_one_that_is_mapped() {
    let folder = std::env::temp_dir().join(format!("goinspect-maps-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let copy = folder.join("program");
    // By a process of its own: what this one has open for writing, a child has for a moment that another test starts meanwhile,
    // and a program that somebody has open for writing cannot be run (`ETXTBSY`).
    let mut cp = std::process::Command::new("cp");
    cp.arg(env!("CARGO_BIN_EXE_ptrace-test-program")).arg(&copy);
    assert!(cp.status().unwrap().success());
    let program = Program::start_copy(&copy, &["threads", "2"]);
    std::fs::remove_file(&copy).unwrap();
    std::fs::write(&copy, b"something else").unwrap();
    let mut process = program.open();
    let stopped = process.stop(&patient()).unwrap();
    let maps = stopped.maps().unwrap();
    stopped.resume();
    let entry = process.entry_address().unwrap();
    let named = maps.named();
    let mapping = named.iter().find(|m| m.contains(entry)).unwrap();
    let found = process.open_mapped(mapping);
    std::fs::remove_dir_all(&folder).unwrap();
    let mut start = [0; 4];
    let found = found.filter(|mapped| mapped.is_same);
    match (found, support::is_root()) {
        (Some(mapped), _) => {
            mapped.file.read_exact_at(&mut start, 0).unwrap();
            assert_eq!(&start, b"\x7fELF");
        }
        (None, as_root) => assert!(!as_root, "{mapping:?}"),
    }
}
