//! Cores that were built to have one property each.
// For what is not itself a `#[test]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::path::{Path, PathBuf};

use corefile::{CoreError, CoreFile, FileSegment, Limits, OpenOptions, Signal};
use model::{Addr, Arch, Pid, Tid};
use support::{AMD64, ARM64, Core, R, RW, RX, file, note_into, open, pattern, program_header};
use support::{try_open, typical, words};
use target::{ReadError, ReadMemory, Target};

fn read(core: &CoreFile, at: u64, len: usize) -> Result<Vec<u8>, ReadError> {
    let mut buf = vec![0; len];
    core.read(Addr(at), &mut buf).map(|()| buf)
}

fn unmapped<T>(at: u64, len: usize) -> Result<T, ReadError> {
    Err(ReadError::Unmapped { at: Addr(at), len })
}

#[test]
fn a_typical_core_says_who_it_was() {
    for (machine, arch) in [(AMD64, Arch::Amd64), (ARM64, Arch::Arm64)] {
        let core = open(&typical(machine));
        assert_eq!(core.arch(), arch);
        assert_eq!(core.pid(), Some(Pid(70)));
        assert_eq!(core.process_name(), Some("svc"));
        assert_eq!(core.args(), Some("/srv/svc -v"));
        let signal = Signal {
            number: 6,
            code: Some(-6),
            tid: Tid(71),
        };
        assert_eq!(core.signal(), Some(signal));
        assert_eq!(core.entry_address(), Some(Addr(0x40_1000)));
        assert_eq!(core.interpreter_base(), None);
        assert_eq!(core.exe_path(), Some(PathBuf::from("/srv/svc")));
        assert_eq!(core.mapped_files()[1].file_offset, 3 * 4096);
        let threads = core.threads();
        let tids: Vec<Tid> = threads.iter().map(|t| t.tid).collect();
        assert_eq!(tids, [Tid(71), Tid(72)]);
        assert_eq!(threads[1].ns_tid, Tid(72));
        let pc = if arch == Arch::Amd64 { 16 } else { 32 };
        assert_eq!(threads[1].registers.unwrap().pc, Addr(72 * 0x1000 + pc));
        assert_eq!(core.diagnostics(), &[] as &[String]);
        assert_eq!(core.read_failure(), None);
    }
}

#[test]
fn memory_is_what_the_core_has_and_nothing_else() {
    let core = open(&typical(AMD64));
    assert_eq!(
        read(&core, 0xc0_0000, 0x3000),
        Ok(pattern(0xc0_0000, 0x3000))
    );
    // Over the border of two mappings.
    assert_eq!(read(&core, 0xc0_2ff0, 0x20), Ok(pattern(0xc0_2ff0, 0x20)));
    assert_eq!(read(&core, 0xc0_3ff8, 8), Ok(pattern(0xc0_3ff8, 8)));
    assert_eq!(read(&core, 0xc0_3ff8, 9), unmapped(0xc0_3ff8, 9));
    // Mapped, but not in the core: not zeros.
    assert_eq!(read(&core, 0xd0_0000, 8), unmapped(0xd0_0000, 8));
    assert_eq!(read(&core, 0x40_0ff8, 8), Ok(pattern(0x40_0ff8, 8)));
    assert_eq!(read(&core, 0x40_0ffc, 8), unmapped(0x40_0ffc, 8));
    // Nowhere.
    for at in [0, 0x3f_ffff, 0x60_0000, u64::MAX, u64::MAX - 7] {
        assert_eq!(read(&core, at, 8), unmapped(at, 8));
    }
    assert_eq!(read(&core, 0, 0), Ok(vec![]));
}

/// The executable of [`typical`]: text, and data behind it.
fn executable() -> (Vec<u8>, [FileSegment; 2]) {
    let mut bytes = vec![0xee; 0x1000];
    bytes.extend(pattern(0x40_0000, 0x10_000));
    bytes.extend(vec![0xdd; 0x8000]);
    let text = FileSegment {
        at: Addr(0x40_0000),
        len: 0x10_000,
        file_offset: 0x1000,
        writable: false,
    };
    let data = FileSegment {
        at: Addr(0xd0_0000),
        len: 0x8000,
        file_offset: 0x11_000,
        writable: true,
    };
    (bytes, [text, data])
}

#[test]
fn a_fallback_has_text_and_never_data() {
    let (bytes, segments) = executable();
    let exe = || file(&bytes).into_file();
    let core = open(&typical(AMD64));
    let core = core.with_fallback(segments.to_vec(), exe()).unwrap();
    assert_eq!(
        read(&core, 0x40_0ff0, 0x2000),
        Ok(pattern(0x40_0ff0, 0x2000))
    );
    assert_eq!(read(&core, 0x40_fff8, 9), unmapped(0x40_fff8, 9));
    assert_eq!(read(&core, 0xd0_0000, 8), unmapped(0xd0_0000, 8));

    // Either side may say that it is writable.
    let mut lying = segments;
    lying[1].writable = false;
    let core = open(&typical(AMD64)).with_fallback(lying.to_vec(), exe());
    assert_eq!(read(&core.unwrap(), 0xd0_0000, 8), unmapped(0xd0_0000, 8));
    let mut read_only = typical(AMD64);
    read_only.loads[3].flags = R;
    let core = open(&read_only).with_fallback(segments.to_vec(), exe());
    assert_eq!(read(&core.unwrap(), 0xd0_0000, 8), unmapped(0xd0_0000, 8));

    // gcore leaves text out of its headers, too.
    let mut no_text = typical(AMD64);
    no_text.loads.remove(0);
    let core = open(&no_text).with_fallback(segments.to_vec(), exe());
    let core = core.unwrap();
    assert_eq!(
        read(&core, 0x40_0ff0, 0x2000),
        Ok(pattern(0x40_0ff0, 0x2000))
    );
}

#[test]
fn a_fallback_fills_what_a_cut_took_but_for_data() {
    let mut whole = typical(AMD64);
    whole.loads[0].data = pattern(0x40_0000, 0x10_000);
    let bytes = whole.bytes();
    let (exe, segments) = executable();
    // Ends in the middle of the text, before all data.
    let core = try_open(&bytes[..bytes.len() - 0x5000 - 0xf000]).unwrap();
    let core = core.with_fallback(segments.to_vec(), file(&exe).into_file());
    let core = core.unwrap();
    assert_eq!(
        read(&core, 0x40_0000, 0x10_000),
        Ok(pattern(0x40_0000, 0x10_000))
    );
    assert_eq!(read(&core, 0xc0_0000, 8), unmapped(0xc0_0000, 8));
}

#[test]
fn a_cut_core_says_what_is_missing() {
    let bytes = typical(AMD64).bytes();
    let core = try_open(&bytes[..bytes.len() - 0x1800]).unwrap();
    let expected = format!(
        "the core ends at {} bytes, but its headers promise {} (6144 bytes are missing): \
         2 of 5 segments are incomplete, 2 of which the program could write to",
        bytes.len() - 0x1800,
        bytes.len()
    );
    assert_eq!(core.diagnostics(), [expected]);
    assert_eq!(read(&core, 0xc0_37f8, 8), Ok(pattern(0xc0_37f8, 8)));
    assert_eq!(read(&core, 0xc0_37f9, 8), unmapped(0xc0_37f9, 8));
    assert_eq!(read(&core, 0x7fff_0000, 8), unmapped(0x7fff_0000, 8));
}

#[test]
fn more_segments_than_the_header_can_count() {
    let mut core = typical(AMD64);
    core.many = true;
    for i in 0..70_000u64 {
        core = core.load(0x1_0000_0000 + i * 0x1000, RW, &[i as u8; 16], 0x1000);
    }
    let bytes = core.bytes();
    let opened = try_open(&bytes).unwrap();
    assert_eq!(opened.diagnostics(), &[] as &[String]);
    let last = 0x1_0000_0000 + 69_999 * 0x1000;
    assert_eq!(read(&opened, last, 8), Ok(vec![(69_999 % 256) as u8; 8]));

    // The section header that counts them comes last: a cut core lacks it.
    let cut = try_open(&bytes[..bytes.len() - 64 - 16]).unwrap();
    assert!(
        cut.diagnostics()[0].contains("70006 were assumed"),
        "{:?}",
        cut.diagnostics()
    );
    assert!(cut.diagnostics()[1].contains("1 of 70005 segments are incomplete"));
    assert_eq!(
        read(&cut, last - 0x1000, 8),
        Ok(vec![(69_998 % 256) as u8; 8])
    );

    let mut options = OpenOptions::default();
    options.limits.segments = 1000;
    let limited = CoreFile::open(file(&bytes).path(), &options).unwrap();
    assert!(
        limited.diagnostics()[0].contains("only the first 1000"),
        "{:?}",
        limited.diagnostics()
    );
}

#[test]
fn a_core_without_notes_has_memory_and_no_threads() {
    let mut core = typical(AMD64);
    core.notes = None;
    let core = open(&core);
    assert!(core.threads().is_empty());
    assert_eq!(
        (core.pid(), core.signal(), core.exe_path()),
        (None, None, None)
    );
    assert_eq!(
        core.diagnostics(),
        ["the core has no notes: its threads and their registers are unknown"]
    );
    assert!(read(&core, 0xc0_0000, 8).is_ok());
}

#[test]
fn notes_that_are_wrong_are_left_out_and_counted() {
    let core = Core::new(AMD64)
        .thread(1, 11)
        .note("CORE\0", 1, &[0; 20])
        .note("CORE\0", 1, &{
            let mut of_arm64 = vec![0; 392];
            of_arm64[32] = 2;
            of_arm64
        })
        .thread(1, 0)
        .note("CORE", 3, &[0; 136])
        .note("OTHER\0", 1, &[0; 336])
        .note("CORE\0", 0x4649_4c45, &words([1000, 4096, 1, 2, 3]))
        .load(0xc0_0000, RW, &[1; 8], 8);
    let core = open(&core);
    assert_eq!(core.threads().len(), 2);
    assert_eq!(core.threads()[1].registers, None);
    assert_eq!(core.signal().unwrap().number, 11);
    assert_eq!(core.signal().unwrap().code, None);
    assert_eq!(
        core.diagnostics(),
        [
            "1 of the core's notes are too short and were left out",
            "the core lists 1 threads twice; the first entry was used",
            "the core has no usable registers for 1 threads",
            "the core's list of mapped files is incomplete",
        ]
    );
}

#[test]
fn a_note_longer_than_its_segment_ends_them() {
    let mut core = typical(AMD64);
    let notes = core.notes.as_mut().unwrap();
    notes.extend(words([u64::from(u32::MAX) << 32 | 5, 1]));
    let core = open(&core);
    assert_eq!(core.threads().len(), 2, "those before it are there");
    assert!(
        core.diagnostics()[0].contains("damaged"),
        "{:?}",
        core.diagnostics()
    );
}

#[test]
fn many_threads_and_the_limit_of_them() {
    let mut core = Core::new(ARM64).load(0xc0_0000, RW, &[1; 8], 8);
    for tid in 1..=20_000 {
        core = core.thread(tid, 0);
    }
    let bytes = core.bytes();
    let opened = try_open(&bytes).unwrap();
    assert_eq!(opened.threads().len(), 20_000);
    assert_eq!(opened.signal(), None);
    let limits = Limits {
        threads: 100,
        ..Limits::default()
    };
    let options = OpenOptions {
        limits,
        temp_dir: None,
    };
    let opened = CoreFile::open(file(&bytes).path(), &options).unwrap();
    assert_eq!(opened.threads().len(), 100);
    assert_eq!(
        opened.diagnostics(),
        ["the core has 19900 threads more than the 100 that are looked at"]
    );
}

#[test]
fn without_a_list_of_files_the_executable_has_the_name_it_was_started_by() {
    let core = Core::new(AMD64)
        .auxv(&[(9, 0x40_1000), (31, 0x7fff_0ff0)])
        .load(0x7fff_0000, RW, &typical(AMD64).loads[4].data, 0x1000);
    assert_eq!(open(&core).exe_path(), Some(PathBuf::from("./svc")));
}

/// The first page of an executable with both build IDs, linked to run at 0x1000.
fn first_page(together: bool) -> Vec<u8> {
    let mut gnu = Vec::new();
    note_into(&mut gnu, "GNU\0", 3, &[0xab; 20]);
    let mut go = Vec::new();
    note_into(&mut go, "Go\0\0", 4, b"action/content");
    let go_len = go.len() as u64;
    if together {
        // As Go's linker does it: one segment, which has only the first of the two.
        go.append(&mut gnu);
    }
    let mut page = b"\x7fELF\x02\x01\x01".to_vec();
    page.resize(16, 0);
    page.extend(words([0x0001_003e_0003, 0x1100, 64, 0]));
    page.extend(words([0x0038_0040_0000_0000, 3]));
    program_header(&mut page, 1, RX, 0, 0x1000, 0x1000, 0x1000);
    program_header(
        &mut page,
        4,
        R,
        0xe00,
        0x1e00,
        gnu.len() as u64,
        gnu.len() as u64,
    );
    program_header(&mut page, 4, R, 0xf00, 0x1f00, go_len, go_len);
    page.resize(0xe00, 0);
    page.extend(gnu);
    page.resize(0xf00, 0);
    page.extend(go);
    page.resize(0x1000, 0);
    page
}

#[test]
fn the_executable_is_known_by_its_first_page() {
    let base = 0x55_0000_0000;
    let with_auxv = Core::new(AMD64)
        .auxv(&[(3, base + 64), (9, base + 0x100)])
        .load(base, RX, &first_page(false), 0x8000);
    let with_files = Core::new(AMD64)
        .auxv(&[(9, base + 0x2100)])
        .files(&[
            (base, base + 0x1000, 0, "/srv/svc"),
            (base + 0x2000, base + 0x8000, 2, "/srv/svc"),
        ])
        .load(base, RX, &first_page(true), 0x8000);
    for core in [with_auxv, with_files] {
        let found = open(&core).executable().unwrap();
        assert_eq!(found.header, Addr(base));
        assert_eq!(found.gnu_build_id, Some(vec![0xab; 20]));
        assert_eq!(found.go_build_id.as_deref(), Some("action/content"));
    }
}

#[test]
fn the_executable_is_never_known_by_a_fallback() {
    let core = Core::new(AMD64)
        .auxv(&[(3, 0x40_0040), (9, 0x40_0100)])
        .load(0x40_0000, RX, &[], 0x8000);
    let fallback = FileSegment {
        at: Addr(0x40_0000),
        len: 0x1000,
        file_offset: 0,
        writable: false,
    };
    let exe = file(&first_page(false)).into_file();
    let core = open(&core).with_fallback(vec![fallback], exe).unwrap();
    assert!(read(&core, 0x40_0000, 64).is_ok());
    assert_eq!(core.executable(), None);
}

#[test]
fn what_is_no_core_is_named() {
    let said = |bytes: &[u8]| {
        let error = try_open(bytes).unwrap_err();
        let text = error.to_string();
        let (_, rest) = text.split_once("/.tmp").unwrap();
        rest.split_once(' ').unwrap().1.to_owned()
    };
    let typical = typical(AMD64).bytes();
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = typical.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for (bytes, expected) in [
        (vec![], "is not a core file: it is empty"),
        (b"hello\n".to_vec(), "is not a core file: it is text"),
        (
            with(16, &[3, 0]),
            "is not a core file: it is an executable or shared library for amd64, not what a process left behind",
        ),
        (
            with(18, &[243, 0]),
            "is a core file for riscv64; goinspect reads those of 64-bit amd64 and arm64",
        ),
        (
            with(4, &[1]),
            "is a core file for 32-bit amd64; goinspect reads those of 64-bit amd64 and arm64",
        ),
        (
            with(5, &[2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 22]),
            "is a core file for s390x (big-endian); goinspect reads those of 64-bit amd64 and arm64",
        ),
        (
            typical[..40].to_vec(),
            "is damaged: it ends after 40 bytes, within the ELF header",
        ),
        (
            typical[..100].to_vec(),
            "is damaged: none of its segments can be read",
        ),
        (
            with(54, &[40, 0]),
            "is damaged: its program headers have 40 bytes, and should have 56",
        ),
        (with(56, &[0, 0]), "is damaged: it has no segments"),
    ] {
        assert_eq!(said(&bytes), expected);
    }
}

#[test]
fn what_cannot_be_opened_says_why() {
    let options = OpenOptions::default();
    let error = CoreFile::open(Path::new("/no/such\x1b/core"), &options).unwrap_err();
    assert!(matches!(error, CoreError::NotFound { .. }));
    assert_eq!(error.to_string(), "/no/such\\x1b/core: no such file");
    let folder = tempfile::tempdir().unwrap();
    let error = CoreFile::open(folder.path(), &options).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is not a core file: it is a directory"),
        "{error}"
    );
    let error = CoreFile::open(Path::new("/dev/null"), &options).unwrap_err();
    assert!(error.to_string().ends_with("it is a device"), "{error}");
}
