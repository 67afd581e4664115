//! Starting the processes to be stopped, and looking at them.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use model::{Addr, Pid};
use nix::sys::signal::{Signal, kill};
use ptrace::{Process, StopLimits};
use target::ReadMemory;

/// A running test program. It is killed when this is dropped.
pub struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// What it said when it was ready.
    pub address: Addr,
}

impl Program {
    /// Starts it and waits until it is ready.
    pub fn start(args: &[&str]) -> Program {
        let mut program = Program::start_unready(args);
        program.wait_ready();
        program
    }

    /// The same for a copy of the program that lies elsewhere.
    pub fn start_copy(path: &Path, args: &[&str]) -> Program {
        let mut program = Program::spawn(Command::new(path), args);
        program.wait_ready();
        program
    }

    pub fn start_unready(args: &[&str]) -> Program {
        Program::spawn(
            Command::new(env!("CARGO_BIN_EXE_ptrace-test-program")),
            args,
        )
    }

    fn spawn(mut command: Command, args: &[&str]) -> Program {
        command
            .args(args)
            // A group of its own: in an orphaned one, as where tests run without a terminal,
            // the kernel drops SIGTSTP.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Program {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
            address: Addr(0),
        }
    }

    /// The next line it writes.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn wait_ready(&mut self) {
        let line = self.line();
        let hex = line.strip_prefix("ready 0x").expect(&line);
        self.address = Addr(u64::from_str_radix(hex, 16).unwrap());
    }

    pub fn pid(&self) -> Pid {
        Pid(self.child.id().try_into().unwrap())
    }

    pub fn open(&self) -> Process {
        Process::open(self.pid()).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(nix::unistd::Pid::from_raw(self.pid().0), signal).unwrap();
    }

    pub fn send_byte(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    }

    /// Lets it end by itself.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// `kill -9`, and waits for it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// The counters of its threads.
    pub fn beats(&self, n: usize) -> Vec<u64> {
        let mut bytes = vec![0; n * 8];
        self.open().read(self.address, &mut bytes).unwrap();
        let (words, _) = bytes.as_chunks();
        words.iter().map(|w| u64::from_le_bytes(*w)).collect()
    }

    /// Waits until each of its threads has been running since this was called.
    pub fn expect_running(&self, n: usize) {
        let before = self.beats(n);
        eventually("all threads run", || {
            self.beats(n)
                .iter()
                .zip(&before)
                .all(|(now, then)| now > then)
        });
        self.expect_untraced();
    }

    /// Nothing is traced, and no thread is stopped.
    pub fn expect_untraced(&self) {
        for (state, tracer) in self.threads() {
            assert_eq!(tracer, 0, "a thread is traced");
            assert!(!"tT".contains(state), "a thread is stopped ({state})");
        }
    }

    /// State and tracer of each of its threads.
    pub fn threads(&self) -> Vec<(char, i32)> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        tasks
            // Threads may end meanwhile.
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok())
            .map(|status| {
                let state = field(&status, "State");
                (
                    state.chars().next().unwrap(),
                    field(&status, "TracerPid").parse().unwrap(),
                )
            })
            .collect()
    }

    pub fn all_in_state(&self, wanted: char) -> bool {
        self.threads().iter().all(|&(state, _)| state == wanted)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn field(status: &str, key: &str) -> String {
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|&(name, _)| name == key).unwrap();
    value.trim().to_owned()
}

/// Waits for something that must come true soon. Much longer than needed: the machine may be busy.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// For tests of what a stop is like, not of how long it takes: the machine may be busy.
pub fn patient() -> StopLimits {
    let mut limits = StopLimits::default();
    limits.thread_wait = Duration::from_secs(20);
    limits.asleep_wait = limits.thread_wait;
    limits.max_pause = Duration::from_secs(60);
    limits
}

/// The same, but for threads that cannot stop.
pub fn sleepers_left_alone() -> StopLimits {
    let mut limits = patient();
    limits.asleep_wait = StopLimits::default().asleep_wait;
    limits
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
