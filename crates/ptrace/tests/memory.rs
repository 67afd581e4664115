//! Reading memory, both ways: `process_vm_readv` and `/proc/PID/mem`.
// For what is not itself a `#[test]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::sync::Mutex;

use model::Addr;
use ptrace::Process;
use support::{Program, patient};
use target::{ReadError, ReadMemory, Want};

const PAGE: usize = 4096;

/// The program's four areas of 16 pages: each page is filled with its number, and every other
/// one of the last three areas' pages is a hole.
fn both_ways(check: impl Fn(&Process, u64)) {
    let program = Program::start(&["holes"]);
    let process = program.open();
    check(&process, program.address.0);
    process.avoid_process_vm_readv();
    check(&process, program.address.0);
}

fn unmapped(at: u64, len: usize) -> Result<(), ReadError> {
    Err(ReadError::Unmapped { at: Addr(at), len })
}

#[test]
fn one_range() {
    both_ways(|process, base| {
        let mut buf = [0; 16];
        process
            .read(Addr(base + PAGE as u64 - 8), &mut buf)
            .unwrap();
        assert_eq!(buf, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
        // The last readable bytes, and one more.
        let end = base + 17 * PAGE as u64;
        process.read(Addr(end - 16), &mut buf).unwrap();
        assert_eq!(
            process.read(Addr(end - 15), &mut buf),
            unmapped(end - 15, 16)
        );
        assert_eq!(process.read(Addr(0), &mut buf), unmapped(0, 16));
        assert_eq!(
            process.read(Addr(u64::MAX), &mut buf),
            unmapped(u64::MAX, 16)
        );
        assert_eq!(
            process.read(Addr(u64::MAX - 4096), &mut buf),
            unmapped(u64::MAX - 4096, 16)
        );
        assert_eq!(process.read(Addr(0), &mut []), Ok(()));
    });
}

/// 64 pages in 16 steps each, all but the last step of a page within it; `rounds` times.
fn read_with_holes(base: u64, rounds: usize, read_many: impl FnOnce(&mut [Want<'_>])) {
    const STEPS: usize = 64 * 16;
    let step = PAGE / 16;
    let mut bufs = vec![[0xff; PAGE / 16 + 2]; rounds * STEPS];
    let mut wants: Vec<Want> = bufs
        .iter_mut()
        .enumerate()
        .map(|(i, buf)| Want::new(Addr(base + (i % STEPS * step) as u64), buf))
        .collect();
    wants.push(Want::new(Addr(0), &mut []));
    read_many(&mut wants);
    for (i, want) in wants.iter().enumerate().take(rounds * STEPS) {
        let page = i % STEPS / 16;
        let is_hole = |page: usize| page >= 64 || page >= 16 && page % 2 == 1;
        let crosses = i % 16 == 15;
        if is_hole(page) || crosses && is_hole(page + 1) {
            assert_eq!(want.result, unmapped(want.at.0, step + 2), "{i}");
        } else {
            assert_eq!(want.result, Ok(()), "{i}");
            assert_eq!(want.buf[..step], [page as u8; PAGE / 16]);
            assert_eq!(want.buf[step], (page + usize::from(crosses)) as u8);
        }
    }
    assert_eq!(wants[rounds * STEPS].result, Ok(()));
}

#[test]
fn many_ranges_with_holes() {
    // 1024 is what one call takes.
    both_ways(|process, base| read_with_holes(base, 2, |wants| process.read_many(wants)));
}

#[test]
fn so_many_that_several_threads_copy() {
    let program = Program::start(&["holes"]);
    let mut process = program.open();
    let stopped = process.stop(&patient()).unwrap();
    // 52 MB. Each part is handed on when it has been read, in its order.
    let parts = Mutex::new(Vec::new());
    let mut all = Vec::new();
    read_with_holes(program.address.0, 200, |wants| {
        let told = |want: &Want<'_>| (want.at, want.buf.as_ptr().addr(), want.result);
        stopped.read_many_then(wants, &|part| {
            let part: Vec<_> = part.iter().map(told).collect();
            parts.lock().unwrap().push(part);
        });
        all = wants.iter().map(told).collect();
    });
    let mut parts = parts.into_inner().unwrap();
    assert!(parts.len() > 100, "{}", parts.len());
    parts.sort_by_key(|part| part.first().map(|told| told.1));
    // The last one is of no bytes.
    all.pop();
    let parts: Vec<_> = parts
        .into_iter()
        .flatten()
        .filter(|told| told.0 != Addr(0))
        .collect();
    assert_eq!(parts, all);
    stopped.resume();
    program.expect_untraced();
}

#[test]
fn nothing_to_read() {
    both_ways(|process, _| {
        process.read_many(&mut []);
        let mut wants = [Want::new(Addr(0), &mut []), Want::new(Addr(1), &mut [])];
        process.read_many(&mut wants);
        assert!(wants.iter().all(|want| want.result.is_ok()));
    });
}

#[test]
fn a_range_larger_than_one_call_copies() {
    both_ways(|process, base| {
        // Address space only: nothing is copied, so none of it is ever touched.
        let mut large = vec![0; 0x8000_0000];
        let (mut before, mut behind) = ([0xff; 4], [0xff; 4]);
        let mut wants = [
            Want::new(Addr(base + PAGE as u64), &mut before),
            Want::new(Addr(0x10), &mut large),
            Want::new(Addr(base), &mut behind),
        ];
        process.read_many(&mut wants);
        let results = wants.map(|want| want.result);
        assert_eq!(results, [Ok(()), unmapped(0x10, 0x8000_0000), Ok(())]);
        assert_eq!((before, behind), ([1; 4], [0; 4]));
    });
}

#[test]
fn a_process_that_has_ended() {
    let mut program = Program::start(&["holes"]);
    let process = program.open();
    program.kill();
    let (mut one, mut other) = ([0; 4], [0; 4]);
    let mut wants = [
        Want::new(program.address, &mut one),
        Want::new(Addr(0), &mut other),
    ];
    process.read_many(&mut wants);
    assert!(wants.iter().all(|want| want.result == Err(ReadError::Gone)));
    process.avoid_process_vm_readv();
    assert_eq!(
        process.read(program.address, &mut one),
        Err(ReadError::Gone)
    );
}

#[test]
fn the_executable() {
    use std::io::Read;
    let program = Program::start(&["holes"]);
    let process = program.open();
    let mut magic = [0; 4];
    process.open_exe().unwrap().read_exact(&mut magic).unwrap();
    assert_eq!(&magic, b"\x7fELF");
    assert!(process.exe_path().ends_with("ptrace-test-program"));
    process
        .read(process.entry_address().unwrap(), &mut magic)
        .unwrap();
}
