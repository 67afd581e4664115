//! Signals and stopped processes: all must be as if goinspect had not been there.
// For what is not itself a `#[test]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(unsafe_code)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP, SIGTERM, SIGTSTP};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use support::{Program, eventually, patient};
use target::ReadMemory;

/// Sends a real-time signal, of which each is queued by itself, with a value.
fn queue(program: &Program, value: usize) {
    let value = libc::sigval {
        sival_ptr: value as *mut libc::c_void,
    };
    loop {
        // SAFETY: takes numbers only.
        match Errno::result(unsafe { libc::sigqueue(program.pid().0, libc::SIGRTMIN(), value) }) {
            Ok(_) => return,
            // The queue is full.
            Err(Errno::EAGAIN) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn arrived(program: &Program, n: usize) -> Vec<u8> {
    let mut counts = vec![0; n];
    program.open().read(program.address, &mut counts).unwrap();
    counts
}

fn expect_each_once(program: &Program, n: usize) {
    eventually("all signals arrive", || !arrived(program, n).contains(&0));
    assert!(
        arrived(program, n).iter().all(|&times| times == 1),
        "some arrived twice"
    );
}

#[test]
fn each_signal_arrives_once() {
    const SIGNALS: usize = 20_000;
    let program = Program::start(&["signals"]);
    let mut process = program.open();
    let done = AtomicBool::new(false);
    let mut stops = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for value in 0..SIGNALS {
                queue(&program, value);
                if value % 16 == 0 {
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            process.stop(&patient()).unwrap().resume();
            stops += 1;
        }
    });
    assert!(stops > 50, "only {stops} stops");
    expect_each_once(&program, SIGNALS);
}

#[test]
fn signals_survive_tracers_that_are_killed() {
    const ROUNDS: usize = 40;
    const SIGNALS: usize = 100 * ROUNDS;
    let program = Program::start(&["signals"]);
    let mut value = 0;
    for _ in 0..ROUNDS {
        let mut tracer = Program::start_unready(&["hold", &program.pid().to_string()]);
        let before = value;
        while value < before + 100 {
            queue(&program, value);
            value += 1;
            if value == before + 50 {
                tracer.wait_ready();
            }
        }
        tracer.kill();
        program.expect_untraced();
    }
    expect_each_once(&program, SIGNALS);
}

/// Waits until all threads are stopped by a signal.
fn stop_by_signal(program: &Program, signal: nix::sys::signal::Signal) {
    program.signal(signal);
    eventually("it stops", || program.all_in_state('T'));
}

#[test]
fn a_stopped_process_stays_stopped() {
    let program = Program::start(&["threads", "4"]);
    let mut process = program.open();
    for signal in [SIGSTOP, SIGTSTP] {
        stop_by_signal(&program, signal);
        let beats = program.beats(4);
        for _ in 0..50 {
            let stopped = process.stop(&patient()).unwrap();
            assert!(program.all_in_state('t'));
            assert!(stopped.resume().diagnostics.is_empty());
            eventually("it is stopped as before", || program.all_in_state('T'));
        }
        assert_eq!(program.beats(4), beats);
        program.signal(SIGCONT);
        program.expect_running(4);
    }
}

/// What a parent is told of a child that stops and continues.
fn news(program: &Program) -> WaitStatus {
    let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WCONTINUED | WaitPidFlag::WNOHANG;
    waitid(Id::Pid(nix::unistd::Pid::from_raw(program.pid().0)), flags).unwrap()
}

#[test]
fn the_parent_of_a_stopped_process_notices_nothing() {
    let program = Program::start(&["threads", "4"]);
    let mut process = program.open();
    stop_by_signal(&program, SIGSTOP);
    assert!(matches!(news(&program), WaitStatus::Stopped(_, SIGSTOP)));
    for _ in 0..20 {
        process.stop(&patient()).unwrap().resume();
        eventually("it is stopped as before", || program.all_in_state('T'));
    }
    assert_eq!(news(&program), WaitStatus::StillAlive);
    program.signal(SIGCONT);
    assert!(matches!(news(&program), WaitStatus::Continued(_)));
}

#[test]
fn stop_and_continue_while_it_stands_still() {
    let program = Program::start(&["threads", "4"]);
    let mut process = program.open();
    for _ in 0..20 {
        let stopped = process.stop(&patient()).unwrap();
        program.signal(SIGSTOP);
        drop(stopped);
        eventually("the signal stops it", || program.all_in_state('T'));

        let stopped = process.stop(&patient()).unwrap();
        program.signal(SIGCONT);
        assert!(program.all_in_state('t'), "not before we let it go");
        drop(stopped);
        program.expect_running(4);

        let stopped = process.stop(&patient()).unwrap();
        program.signal(SIGSTOP);
        program.signal(SIGCONT);
        drop(stopped);
        program.expect_running(4);
    }
}

#[test]
fn stop_and_continue_at_any_time() {
    let program = Program::start(&["threads", "4"]);
    let mut process = program.open();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..300 {
                program.signal(SIGSTOP);
                std::thread::sleep(Duration::from_micros(150));
                program.signal(SIGCONT);
                std::thread::sleep(Duration::from_micros(150));
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            process.stop(&patient()).unwrap().resume();
        }
    });
    program.expect_running(4);
    stop_by_signal(&program, SIGSTOP);
    program.signal(SIGCONT);
    program.expect_running(4);
}

#[test]
fn a_fatal_signal_ends_it_after_the_stop() {
    for _ in 0..20 {
        let mut program = Program::start(&["threads", "4"]);
        let mut process = program.open();
        let stopped = process.stop(&patient()).unwrap();
        program.signal(SIGTERM);
        assert!(program.all_in_state('t'));
        drop(stopped);
        let status = program.wait();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(15)
        );
    }
}
