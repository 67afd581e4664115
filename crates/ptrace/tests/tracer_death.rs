//! `kill -9` of goinspect at the worst moments. It is played by a process of its own here.
// For what is not itself a `#[test]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use nix::sys::signal::Signal::{SIGCONT, SIGSTOP, SIGTERM};
use support::{Program, eventually};

fn hold(program: &Program) -> Program {
    let tracer = Program::start(&["hold", &program.pid().to_string()]);
    assert!(program.all_in_state('t'));
    tracer
}

#[test]
fn the_target_goes_on() {
    let program = Program::start(&["threads", "8"]);
    for _ in 0..20 {
        hold(&program).kill();
        program.expect_running(8);
    }
}

#[test]
fn the_target_goes_on_if_the_tracer_dies_at_any_time() {
    let program = Program::start(&["threads", "8"]);
    for n in 0..100 {
        let mut tracer = Program::start_unready(&["hold", &program.pid().to_string()]);
        // From before it seizes the first thread to after the last one stands still.
        std::thread::sleep(std::time::Duration::from_micros(n * 50));
        tracer.kill();
        program.expect_untraced();
    }
    program.expect_running(8);
}

#[test]
fn a_stopped_target_stays_stopped() {
    let program = Program::start(&["threads", "4"]);
    program.signal(SIGSTOP);
    eventually("it stops", || program.all_in_state('T'));
    hold(&program).kill();
    eventually("it is stopped as before", || program.all_in_state('T'));
    program.signal(SIGCONT);
    program.expect_running(4);
}

#[test]
fn a_pending_signal_is_delivered() {
    let mut program = Program::start(&["threads", "4"]);
    let mut tracer = hold(&program);
    program.signal(SIGTERM);
    tracer.kill();
    let status = program.wait();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(15)
    );
}

/// A tracer dies that holds a thread which a signal is just being delivered to.
fn die_in_signal_delivery(how: &str) -> Program {
    let program = Program::start(&["threads", "0"]);
    let mut tracer = Program::start_unready(&["seize", &program.pid().to_string(), how]);
    assert_eq!(tracer.line(), "seized");
    program.signal(SIGTERM);
    tracer.wait_ready();
    assert_eq!(tracer.address.0, 15, "the status is the signal, no event");
    tracer.kill();
    program
}

#[test]
fn a_signal_in_delivery_is_delivered() {
    let status = die_in_signal_delivery("look").wait();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(15)
    );
}

/// Not a wish, but the reason for `WNOWAIT` in `sys.rs`. Should a kernel ever do better,
/// this test may go.
#[test]
fn a_signal_in_delivery_is_lost_by_an_ordinary_wait() {
    let mut program = die_in_signal_delivery("take");
    program.close_input();
    assert!(
        program.wait().success(),
        "it ended by itself, not by the signal"
    );
}
