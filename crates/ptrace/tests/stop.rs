//! Stopping, resuming, and what is seen in between.
// For what is not itself a `#[test]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::Arch;
use ptrace::{Presence, Process, StopError, StopLimits};
use support::{Program, eventually, patient, sleepers_left_alone};
use target::{ReadError, ReadMemory, Target};

#[test]
fn all_threads_stop_and_go_on() {
    let program = Program::start(&["threads", "8"]);
    let mut process = program.open();
    for _ in 0..200 {
        let stopped = process.stop(&patient()).unwrap();
        assert_eq!(stopped.threads().len(), 9);
        assert!(
            stopped
                .threads()
                .iter()
                .all(|t| t.registers.is_some() && t.ns_tid == t.tid)
        );
        assert!(
            program
                .threads()
                .iter()
                .all(|&(state, tracer)| state == 't' && tracer != 0)
        );
        let beats = program.beats(8);
        std::thread::yield_now();
        assert_eq!(program.beats(8), beats, "something ran");
        assert_eq!(stopped.resume().diagnostics, [""; 0]);
        program.expect_untraced();
    }
    program.expect_running(8);
}

/// The policy and priority of a thread of this process, as `/proc` has them (proc_pid_stat(5), fields 41 and 40).
fn scheduling(task: &str) -> (u32, u32) {
    let stat = std::fs::read_to_string(format!("/proc/{task}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let field = |n: usize| fields.split_whitespace().nth(n - 3).unwrap();
    (field(41).parse().unwrap(), field(40).parse().unwrap())
}

/// Who reads, and whom it starts for that, goes before others, if that is permitted, but never before the thread that ends
/// the stop in time; and only as long as it lasts.
#[test]
fn who_reads_never_goes_before_who_watches() {
    const ROUND_ROBIN: u32 = 2;
    let chrt = Command::new("chrt").args(["--rr", "2", "true"]).output();
    let is_permitted = chrt.is_ok_and(|output| output.status.success());
    let own = || scheduling("thread-self");
    let program = Program::start(&["threads", "3"]);
    let mut process = program.open();
    let before = own();
    let stopped = process.stop(&patient()).unwrap();
    let tracer = program.threads()[0].1;
    let watches = scheduling(&format!("self/task/{tracer}"));
    let copies = std::thread::spawn(own).join().unwrap();
    assert_eq!(copies, own());
    if is_permitted {
        assert_eq!((watches, copies), ((ROUND_ROBIN, 2), (ROUND_ROBIN, 1)));
    } else {
        assert!(copies == before || watches.1 > copies.1);
    }
    stopped.resume();
    assert_eq!(own(), before);
    drop(process.stop(&patient()).unwrap());
    assert_eq!(own(), before);
}

#[test]
fn dropping_resumes() {
    let program = Program::start(&["threads", "3"]);
    let mut process = program.open();
    drop(process.stop(&patient()).unwrap());
    program.expect_running(3);
}

#[test]
fn a_panic_resumes() {
    let program = Program::start(&["threads", "3"]);
    let mut process = program.open();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _stopped = process.stop(&patient()).unwrap();
        std::panic::resume_unwind(Box::new("a defect of whoever reads"));
    }));
    assert!(panic.is_err());
    program.expect_running(3);
}

#[test]
fn registers_are_those_of_the_program() {
    let program = Program::start(&["threads", "8"]);
    let mut process = program.open();
    let stopped = process.stop(&patient()).unwrap();
    assert_eq!(
        stopped.arch().goarch(),
        if cfg!(target_arch = "x86_64") {
            "amd64"
        } else {
            "arm64"
        }
    );
    assert_eq!(
        stopped.arch() == Arch::Arm64,
        stopped.threads()[0].registers.unwrap().lr.is_some()
    );
    for thread in stopped.threads() {
        let registers = thread.registers.unwrap();
        stopped.read_u64(registers.sp).unwrap();
        stopped.read(registers.pc, &mut [0]).unwrap();
    }
}

#[test]
fn hundreds_of_threads() {
    let program = Program::start(&["threads", "400"]);
    let mut process = program.open();
    for _ in 0..5 {
        let stopped = process.stop(&patient()).unwrap();
        assert_eq!(stopped.threads().len(), 401);
        assert!(program.threads().iter().all(|&(state, _)| state == 't'));
    }
    program.expect_running(64);
}

#[test]
fn threads_that_begin_and_end_all_the_time() {
    let program = Program::start(&["churn"]);
    let mut process = program.open();
    for _ in 0..200 {
        let stopped = process.stop(&patient()).unwrap();
        // Zombies of the moment are in the list of threads, too.
        for (state, _) in program.threads() {
            assert!("tZX".contains(state), "a thread was missed ({state})");
        }
        let begun = program.beats(1);
        std::thread::yield_now();
        assert_eq!(program.beats(1), begun, "something ran");
        assert_eq!(stopped.resume().diagnostics, [""; 0]);
        program.expect_untraced();
    }
    program.expect_running(1);
}

#[test]
fn the_pause_has_an_end() {
    let program = Program::start(&["threads", "3"]);
    let mut process = program.open();
    let mut limits = StopLimits::default();
    limits.max_pause = Duration::from_secs(1);
    let stopped = process.stop(&limits).unwrap();
    program.expect_running(3);
    assert_eq!(stopped.read_u64(program.address), Err(ReadError::LetGo));
    let pause = stopped.resume();
    assert!(pause.cut_short);
    assert!(pause.duration >= limits.max_pause && pause.halting < pause.duration);
}

#[test]
fn the_first_thread_may_have_ended() {
    let mut program = Program::start(&["leader-ends"]);
    eventually("the first thread ends", || {
        program.threads().iter().any(|t| t.0 == 'Z')
    });
    let mut process = program.open();
    assert!(process.exe_path().ends_with("ptrace-test-program"));
    assert_eq!(process.presence(), Presence::Same);
    for _ in 0..20 {
        let stopped = process.stop(&patient()).unwrap();
        assert_eq!(stopped.threads().len(), 2);
        stopped.read_u64(program.address).unwrap();
        assert_eq!(stopped.resume().diagnostics, [""; 0]);
    }
    program.expect_running(1);
    program.close_input();
    assert!(program.wait().success(), "its parent learns of its end");
}

#[test]
fn a_thread_in_uninterruptible_sleep_is_left_alone() {
    let mut program = Program::start(&["vfork"]);
    eventually("the parent waits", || {
        program.threads().iter().any(|t| t.0 == 'D')
    });
    let mut process = program.open();
    for _ in 0..5 {
        let stopped = process.stop(&sleepers_left_alone()).unwrap();
        let without = stopped.threads().iter().filter(|t| t.registers.is_none());
        assert_eq!((stopped.threads().len(), without.count()), (2, 1));
        let pause = stopped.resume();
        let [sentence] = pause.diagnostics.as_slice() else {
            panic!("{:?}", pause.diagnostics);
        };
        assert!(sentence.contains("did not stop (state D"), "{sentence}");
        assert!(pause.duration < Duration::from_secs(2));
        program.expect_running(1);
    }
    // When it wakes, long after, it must not stop: nobody would let it go.
    program.send_byte();
    program.send_byte();
    eventually("it wakes and goes on", || program.beats(3)[2] == 1);
    let stopped = process.stop(&sleepers_left_alone()).unwrap();
    assert!(stopped.threads().iter().all(|t| t.registers.is_some()));
}

#[test]
fn a_thread_that_wakes_during_the_stop_goes_on_after_it() {
    let mut program = Program::start(&["vfork"]);
    eventually("the parent waits", || {
        program.threads().iter().any(|t| t.0 == 'D')
    });
    let mut process = program.open();
    let stopped = process.stop(&sleepers_left_alone()).unwrap();
    program.send_byte();
    program.send_byte();
    eventually("it stops late", || program.all_in_state('t'));
    drop(stopped);
    eventually("it goes on", || program.beats(3)[2] == 1);
}

#[test]
fn a_process_that_cannot_stop_at_all() {
    let mut program = Program::start(&["vfork-alone"]);
    eventually("it waits", || program.all_in_state('D'));
    let mut process = program.open();
    let error = process.stop(&sleepers_left_alone()).err().unwrap();
    assert!(matches!(error, StopError::Unresponsive { .. }), "{error}");
    program.expect_untraced();
    program.send_byte();
    program.close_input();
    assert!(program.wait().success());
}

#[test]
fn a_target_that_ends_between_stops() {
    for _ in 0..20 {
        let mut program = Program::start(&["threads", "4"]);
        let mut process = program.open();
        program.close_input();
        let error = loop {
            match process.stop(&patient()) {
                Ok(stopped) => drop(stopped),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StopError::Exited { .. }), "{error}");
        assert!(program.wait().success());
        assert_eq!(process.presence(), Presence::Exited);
    }
}

#[test]
fn a_target_that_is_killed_while_it_stands_still() {
    for _ in 0..20 {
        let mut program = Program::start(&["threads", "4"]);
        let mut process = program.open();
        let stopped = process.stop(&patient()).unwrap();
        program.signal(nix::sys::signal::Signal::SIGKILL);
        eventually("it is gone", || {
            stopped.read_u64(program.address) == Err(ReadError::Gone)
        });
        stopped.resume();
        // Its parent is told only now.
        let status = program.wait();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
        let error = process.stop(&patient()).err().unwrap();
        assert!(matches!(error, StopError::Exited { .. }), "{error}");
    }
}

#[test]
fn a_target_that_replaces_itself() {
    for _ in 0..20 {
        let mut program = Program::start(&["exec"]);
        let mut process = program.open();
        drop(process.stop(&patient()).unwrap());
        program.send_byte();
        let error = loop {
            match process.stop(&patient()) {
                Ok(stopped) => drop(stopped),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StopError::Replaced { .. }), "{error}");
        program.wait_ready();
        assert_eq!(process.presence(), Presence::Replaced);
        // The new program can be opened and stopped like any other.
        drop(program.open().stop(&patient()).unwrap());
        program.close_input();
        assert!(program.wait().success());
    }
}

/// `execve` waits until all other threads have ended and their tracer has taken note, while
/// it holds a lock that `PTRACE_SEIZE` waits for. Tracer and target must not block each other.
#[test]
fn a_target_that_replaces_itself_while_it_is_being_stopped() {
    let mut program = Program::start_unready(&["exec-often", "300"]);
    let pid = program.pid();
    let done = AtomicBool::new(false);
    let stops = std::thread::scope(|scope| {
        let stops = scope.spawn(|| {
            let mut stops = 0;
            while !done.load(Ordering::SeqCst) {
                // It may be between two programs.
                let Ok(mut process) = Process::open(pid) else {
                    continue;
                };
                match process.stop(&patient()) {
                    Ok(_) => stops += 1,
                    Err(StopError::Replaced { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            stops
        });
        program.wait_ready();
        done.store(true, Ordering::SeqCst);
        stops.join().unwrap()
    });
    assert!(stops > 100, "only {stops} stops");
    program.expect_untraced();
}
