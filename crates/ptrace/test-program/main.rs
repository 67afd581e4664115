//! The processes that the tests stop: `ptrace-test-program MODE [ARGUMENT …]`.
//!
//! Each writes `ready` and an address to its standard output once it is what its mode says,
//! and ends when its standard input does.
#![allow(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use nix::libc;

/// What threads count up while they run. The tests read them from outside.
static BEATS: [AtomicU64; 64] = [const { AtomicU64::new(0) }; 64];

/// How often a real-time signal with that value arrived.
static ARRIVED: [AtomicU8; 1 << 16] = [const { AtomicU8::new(0) }; 1 << 16];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    // Not by whoever starts it: that user might not get at this file.
    if let ["as", id, rest @ ..] = args.as_slice() {
        let id = id.parse().unwrap();
        nix::unistd::setgroups(&[]).unwrap();
        nix::unistd::setgid(nix::unistd::Gid::from_raw(id)).unwrap();
        nix::unistd::setuid(nix::unistd::Uid::from_raw(id)).unwrap();
        args = rest.to_vec();
    }
    // SAFETY: takes a number; nothing here shall outlive the test.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    match args.as_slice() {
        ["threads", n] => threads(n.parse().unwrap()),
        ["churn"] => churn(),
        ["signals"] => signals(),
        ["vfork"] => vfork(),
        ["vfork-alone"] => vfork_in_this_thread(),
        ["leader-ends"] => leader_ends(),
        ["exec"] => exec(),
        ["exec-often", times] => exec_often(times.parse().unwrap()),
        ["undumpable"] => undumpable(),
        ["holes"] => holes(),
        ["open", pid] => open(pid.parse().unwrap()),
        ["hold", pid] => hold(pid.parse().unwrap()),
        ["seize", tid, how] => seize(tid.parse().unwrap(), how),
        other => panic!("unknown mode {other:?}"),
    }
}

fn ready(address: u64) {
    println!("ready {address:#x}");
    std::io::stdout().flush().unwrap();
}

/// Waits for a byte; `false` at the end of the input.
fn byte() -> bool {
    std::io::stdin().read(&mut [0]).unwrap() == 1
}

fn beats() -> u64 {
    BEATS.as_ptr() as u64
}

/// Counts up one of `BEATS`, in a way that depends on its number: in user code all the time,
/// or mostly sleeping in the kernel.
fn beat(n: usize) -> ! {
    loop {
        BEATS[n].fetch_add(1, SeqCst);
        match n % 4 {
            1 => (0..1000).for_each(|_| std::hint::spin_loop()),
            2 => thread::yield_now(),
            _ => thread::sleep(Duration::from_micros(300)),
        }
    }
}

/// `n` threads besides the first, each of which counts up its own of `BEATS`.
fn threads(n: usize) {
    for n in 0..n {
        thread::spawn(move || beat(n % 64));
    }
    while BEATS.iter().take(n).any(|beat| beat.load(SeqCst) == 0) {
        thread::yield_now();
    }
    ready(beats());
    while byte() {}
}

/// Threads that begin and end all the time; `BEATS[0]` counts them.
fn churn() {
    for _ in 0..3 {
        thread::spawn(|| {
            loop {
                let short = || {
                    BEATS[0].fetch_add(1, SeqCst);
                };
                let threads: Vec<_> = (0..3).map(|_| thread::spawn(short)).collect();
                threads.into_iter().for_each(|t| t.join().unwrap());
            }
        });
    }
    ready(beats());
    while byte() {}
}

/// Counts real-time signals by their value.
fn signals() {
    extern "C" fn handler(_: i32, info: *const libc::siginfo_t, _: *const libc::c_void) {
        // SAFETY: the kernel passes a valid siginfo for a handler with SA_SIGINFO.
        let value = unsafe { (*info).si_value() }.sival_ptr as usize;
        ARRIVED[value % ARRIVED.len()].fetch_add(1, SeqCst);
    }
    // SAFETY: the handler only touches atomics; an all-zero sigaction is valid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        assert_eq!(
            libc::sigaction(libc::SIGRTMIN(), &action, std::ptr::null_mut()),
            0
        );
    }
    for n in 0..4 {
        thread::spawn(move || beat(n));
    }
    ready(ARRIVED.as_ptr() as u64);
    while byte() {}
}

/// A second thread that is in uninterruptible sleep until a byte comes in; the first one beats.
fn vfork() {
    thread::spawn(vfork_in_this_thread);
    beat(0);
}

/// Becomes ready, and at once waits like the parent of a `vfork`, which is uninterruptible.
fn vfork_in_this_thread() {
    extern "C" fn child(_: *mut libc::c_void) -> i32 {
        ready(beats());
        let more = byte();
        BEATS[1].fetch_add(1, SeqCst);
        i32::from(!more)
    }
    let mut stack = vec![0u64; 32 << 10];
    let top = stack.as_mut_ptr_range().end;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the child has a stack of its own that lives until it has ended, and this thread
    // does not run before that.
    let pid = unsafe { libc::clone(child, top.cast(), flags, std::ptr::null_mut()) };
    assert!(pid > 0);
    // From here on as any other: at the end of the input, the end.
    while byte() {
        BEATS[2].fetch_add(1, SeqCst);
    }
    std::process::exit(0);
}

/// The first thread ends, another one goes on.
fn leader_ends() {
    thread::spawn(|| {
        thread::spawn(|| beat(0));
        ready(beats());
        while byte() {}
        std::process::exit(0);
    });
    // SAFETY: ends this thread only; it owns nothing that others use.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

/// Replaces itself by itself when a byte comes in, from a thread that is not the first.
fn exec() {
    ready(beats());
    if byte() {
        let _ = thread::spawn(|| {
            let mut again = std::process::Command::new("/proc/self/exe");
            panic!(
                "{}",
                std::os::unix::process::CommandExt::exec(again.arg("exec"))
            );
        })
        .join();
    }
}

/// Replaces itself again and again, each time with several threads running.
fn exec_often(times: u32) {
    if times == 0 {
        ready(beats());
        while byte() {}
        return;
    }
    for n in 0..6 {
        thread::spawn(move || beat(n));
    }
    while BEATS.iter().take(6).any(|beat| beat.load(SeqCst) == 0) {
        thread::yield_now();
    }
    let mut again = std::process::Command::new("/proc/self/exe");
    again.args(["exec-often", &(times - 1).to_string()]);
    let error = std::os::unix::process::CommandExt::exec(&mut again);
    panic!("{error}");
}

fn undumpable() {
    // SAFETY: takes a number.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
    ready(0);
    while byte() {}
}

/// Four areas of 16 pages, each page filled with its number; from the second area on,
/// every other page is unmapped. Behind them is nothing.
fn holes() {
    const PAGE: usize = 4096;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: maps new memory, and writes and unmaps within it.
    let base = unsafe {
        let base = libc::mmap(std::ptr::null_mut(), 65 * PAGE, protection, flags, -1, 0);
        assert_ne!(base, libc::MAP_FAILED);
        for page in 0..64 {
            base.add(page * PAGE)
                .cast::<u8>()
                .write_bytes(page as u8, PAGE);
        }
        for page in (17..65).step_by(2).chain([64]) {
            assert_eq!(libc::munmap(base.add(page * PAGE), PAGE), 0);
        }
        base
    };
    ready(base as u64);
    while byte() {}
}

/// Says why another process cannot be opened.
fn open(pid: i32) {
    match ptrace::Process::open(model::Pid(pid)) {
        Ok(_) => println!("no reason"),
        Err(ptrace::OpenError::Denied { reason, .. }) => println!("{:?}", reason.rule),
        Err(other) => println!("{other}"),
    }
}

/// Stops another process, and holds it until the end of the input.
fn hold(pid: i32) {
    let mut process = ptrace::Process::open(model::Pid(pid)).unwrap();
    let mut limits = ptrace::StopLimits::default();
    limits.max_pause = Duration::from_secs(60);
    let stopped = process.stop(&limits).unwrap();
    ready(0);
    while byte() {}
    stopped.resume();
}

/// Seizes one thread, becomes ready when it stops because of a signal, and holds it there.
/// `take` waits for the stop in the usual way, `look` as goinspect does.
fn seize(tid: i32, how: &str) {
    let tid = nix::unistd::Pid::from_raw(tid);
    nix::sys::ptrace::seize(tid, nix::sys::ptrace::Options::empty()).unwrap();
    println!("seized");
    std::io::stdout().flush().unwrap();
    let mut flags = libc::WSTOPPED | libc::__WALL;
    if how == "look" {
        flags |= libc::WNOWAIT;
    }
    // SAFETY: an all-zero siginfo is valid, and the call writes nothing else.
    let status = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let id = libc::id_t::try_from(tid.as_raw()).unwrap();
        assert_eq!(libc::waitid(libc::P_PID, id, &mut info, flags), 0);
        info.si_status()
    };
    ready(status as u64);
    while byte() {}
}
