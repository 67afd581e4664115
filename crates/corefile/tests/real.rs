//! Cores that others wrote: the kernel, gdb's gcore, qemu; and compressed by other programs.
//! What is expected is what the program says of itself, and what gdb says of the same core.
// For what is not itself a `#[test]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod support;

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;

use corefile::{CoreFile, OpenOptions};
use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Requirement, Toolchain, Trials, build};
use model::{Addr, Pid, Tid};
use target::{ReadMemory, Registers, Target};
use tempfile::TempDir;

/// Set for the process that is to crash: it is this program itself.
const CRASH: &str = "GOINSPECT_TEST_CRASH";
const PLAIN: Requirement = Requirement::Check(no_plain_core);

fn main() -> ExitCode {
    if env::var_os(CRASH).is_some() {
        crash();
    }
    let mut trials = Trials::new();
    trials.once("kernel::agrees_with_the_program", &[PLAIN], kernel_core);
    const GDB: Requirement = Requirement::Program("gdb");
    trials.once("kernel::agrees_with_gdb", &[PLAIN, GDB], kernel_core_in_gdb);
    trials.once("gcore::agrees_with_gdb_and_the_program", &[GDB], gcore);
    const QEMU: &[Requirement] = &[
        Requirement::Program("qemu-aarch64-static"),
        Requirement::Program("aarch64-linux-gnu-gcc"),
    ];
    trials.once("qemu::arm64_registers_are_known", QEMU, qemu_core);
    trials.once("packed::zstd", &[Requirement::Program("zstd")], || {
        packed("zstd")
    });
    trials.once("packed::lz4", &[Requirement::Program("lz4")], || {
        packed("lz4")
    });
    trials.once("packed::gzip", &[Requirement::Program("gzip")], || {
        packed("gzip")
    });
    trials.once("packed::xz", &[Requirement::Program("xz")], || packed("xz"));
    trials.for_each_go("core::has_the_build_ids", &[PLAIN], go_core);
    trials.run()
}

/// Why the kernel leaves no core in the current directory, or `None` if it does.
fn no_plain_core() -> Option<String> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let hard = limits
        .lines()
        .find(|l| l.starts_with("Max core file size"))
        .and_then(|l| l.split_whitespace().nth(5))
        .unwrap_or_default();
    match (pattern.trim(), hard) {
        ("core", "unlimited") => None,
        ("core", hard) => Some(format!("cores may not be larger than {hard} bytes")),
        (pattern, _) => Some(format!("the kernel's core_pattern is {pattern}, not core")),
    }
}

/// Says what is to be found in the core (process, threads with an address on their stack, an
/// address on the heap), and ends by SIGABRT while the threads wait.
fn crash() -> ! {
    let (tell, told) = mpsc::channel();
    for _ in 0..3 {
        let tell = tell.clone();
        thread::spawn(move || {
            let on_stack = 0u64;
            tell.send((tid(), std::ptr::from_ref(&on_stack).addr()))
                .unwrap();
            loop {
                thread::park();
            }
        });
    }
    let on_stack = 0u64;
    println!("thread {} {}", tid(), std::ptr::from_ref(&on_stack).addr());
    for (tid, at) in told.iter().take(3) {
        println!("thread {tid} {at}");
    }
    let heap = support::pattern(0xfeed, 100_000);
    println!("process {} {}", std::process::id(), heap.as_ptr().addr());
    std::process::abort();
}

fn tid() -> i32 {
    let link = fs::read_link("/proc/thread-self").unwrap();
    link.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// What the program said.
struct Said {
    pid: Pid,
    heap: Addr,
    threads: BTreeMap<i32, u64>,
}

impl Said {
    fn parse(text: &str) -> Said {
        let mut said = Said {
            pid: Pid(0),
            heap: Addr::NULL,
            threads: BTreeMap::new(),
        };
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["thread", tid, at] => {
                    said.threads
                        .insert(tid.parse().unwrap(), at.parse().unwrap());
                }
                ["process", pid, heap] => {
                    said.pid = Pid(pid.parse().unwrap());
                    said.heap = Addr(heap.parse().unwrap());
                }
                _ => {}
            }
        }
        assert_eq!(said.threads.len(), 4, "{text}");
        said
    }

    fn is_what(&self, core: &CoreFile) {
        assert_eq!(core.diagnostics(), &[] as &[String]);
        assert_eq!(core.pid(), Some(self.pid));
        let tids: Vec<i32> = self.threads.keys().copied().collect();
        let mut found: Vec<i32> = core.threads().iter().map(|t| t.tid.0).collect();
        found.sort_unstable();
        assert_eq!(found, tids);
        for thread in core.threads() {
            let sp = thread.registers.unwrap().sp.0;
            let local = self.threads[&thread.tid.0];
            assert!(
                sp < local && local - sp < 1 << 16,
                "{thread:?}: {local:#x} is on its stack"
            );
        }
        let mut heap = vec![0; 100_000];
        core.read(self.heap, &mut heap).unwrap();
        assert!(heap == support::pattern(0xfeed, 100_000));
        assert_eq!(core.signal().unwrap().number, 6);
        assert_eq!(core.threads()[0].tid, core.signal().unwrap().tid);

        let exe = env::current_exe().unwrap();
        assert_eq!(core.exe_path(), Some(exe.clone()));
        let file_name = exe.file_name().unwrap().to_string_lossy();
        let comm = core.process_name().unwrap();
        // The kernel's has 15 bytes, gdb's one less.
        assert!(file_name.starts_with(comm) && comm.len() >= 14, "{comm}");
        let name = exe.to_string_lossy().into_owned();
        assert!(name.starts_with(core.args().unwrap()), "{:?}", core.args());
        let bytes = fs::read(&exe).unwrap();
        let entry = u64::from_le_bytes(bytes[24..32].try_into().unwrap());
        let found = core.executable().unwrap();
        assert_eq!(
            core.entry_address().unwrap().0 - found.header.0,
            entry,
            "it is position-independent"
        );
        let id = found.build_ids.gnu.unwrap();
        assert!(
            bytes.windows(id.len()).any(|w| w == id),
            "the build ID is in the file"
        );
        assert!(core.interpreter_base().is_some());
    }
}

fn open(path: &Path) -> CoreFile {
    CoreFile::open(path, &OpenOptions::default()).unwrap()
}

/// Lets the kernel write a core; says where it is, and what the program said.
fn crashed() -> (TempDir, PathBuf, Said) {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -c unlimited && exec \"$0\""])
        .arg(env::current_exe().unwrap())
        .env(CRASH, "1")
        .current_dir(dir.path())
        .output()
        .unwrap();
    let core = only_file(dir.path());
    let said = Said::parse(&String::from_utf8_lossy(&output.stdout));
    (dir, core, said)
}

/// `core`, or `core.PID` where `kernel.core_uses_pid` is set.
fn only_file(dir: &Path) -> PathBuf {
    let mut files = dir.read_dir().unwrap().map(|e| e.unwrap().path());
    let file = files.next().expect("a core was written");
    assert_eq!(files.next(), None);
    file
}

fn kernel_core() -> Result<(), Failed> {
    let (_dir, path, said) = crashed();
    let core = open(&path);
    said.is_what(&core);
    // SI_TKILL: by abort.
    assert_eq!(core.signal().unwrap().code, Some(-6));

    // Cut short, it says so, and what is left is the same.
    let whole = fs::metadata(&path)?.len();
    File::options()
        .write(true)
        .open(&path)?
        .set_len(whole / 2)?;
    let cut = open(&path);
    assert_eq!(cut.threads(), core.threads());
    assert!(
        cut.diagnostics()[0].contains(&format!("promise {whole}")),
        "{:?}",
        cut.diagnostics()
    );
    Ok(())
}

/// The general registers in the order of DWARF, and the program counter.
fn register_names() -> &'static [&'static str] {
    match env::consts::ARCH {
        "x86_64" => &[
            "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11",
            "r12", "r13", "r14", "r15", "rip",
        ],
        _ => &[
            "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
            "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25",
            "x26", "x27", "x28", "x29", "x30", "sp", "pc",
        ],
    }
}

/// What has gdb show all threads' registers, and the words on top of their stacks.
fn ask_gdb() -> Vec<String> {
    let registers = format!(
        "thread apply all -q info registers {}",
        register_names().join(" ")
    );
    vec![
        "-ex".into(),
        registers,
        "-ex".into(),
        "thread apply all -q x/4gx $sp".into(),
    ]
}

/// Registers and words of a stack, each in the order of gdb's threads: from the last to the first.
fn gdb_says(output: &str) -> (Vec<Vec<u64>>, Vec<Vec<u64>>) {
    let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    let mut registers: Vec<u64> = Vec::new();
    let mut words: Vec<u64> = Vec::new();
    for line in output.lines() {
        let parts: Vec<&str> = line.split_whitespace().collect();
        match parts.as_slice() {
            [name, value, ..] if register_names().contains(name) => registers.push(hex(value)),
            [at, a, b] if at.starts_with("0x") && at.contains(':') => {
                words.extend([hex(a), hex(b)])
            }
            [at, _, a, b] if at.starts_with("0x") && a.starts_with("0x") => {
                words.extend([hex(a), hex(b)])
            }
            _ => {}
        }
    }
    let groups = |all: &[u64], of: usize| all.chunks(of).map(<[u64]>::to_vec).collect();
    (
        groups(&registers, register_names().len()),
        groups(&words, 4),
    )
}

fn agrees_with_gdb(core: &CoreFile, output: &str) {
    let ours: Vec<Registers> = core
        .threads()
        .iter()
        .map(|t| t.registers.unwrap())
        .collect();
    let (mut registers, words) = gdb_says(output);
    let mut expected: Vec<Vec<u64>> = ours
        .iter()
        .map(|r| {
            let general = &r.general[..register_names().len() - 1];
            [general, &[r.pc.0]].concat()
        })
        .collect();
    assert_eq!(words.len(), expected.len(), "{output}");
    let sp = register_names()
        .iter()
        .position(|name| matches!(*name, "rsp" | "sp"));
    for (registers, words) in registers.iter().zip(words) {
        let mut stack = [0; 32];
        core.read(Addr(registers[sp.unwrap()]), &mut stack).unwrap();
        assert_eq!(stack.as_slice(), support::words(words));
    }
    registers.sort();
    expected.sort();
    assert_eq!(registers, expected, "{output}");
}

fn kernel_core_in_gdb() -> Result<(), Failed> {
    let (_dir, path, _) = crashed();
    let gdb = Command::new("gdb")
        .args(["-nx", "-batch", "-c"])
        .arg(&path)
        .args(ask_gdb())
        .output()?;
    agrees_with_gdb(&open(&path), &String::from_utf8_lossy(&gdb.stdout));
    Ok(())
}

fn gcore() -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("it");
    let gdb = Command::new("gdb")
        .args(["-nx", "-batch", "-ex", "run", "-ex"])
        .arg(format!("gcore {}", path.display()))
        .args(ask_gdb())
        .arg(env::current_exe()?)
        .env(CRASH, "1")
        .env_remove("DEBUGINFOD_URLS")
        .stdin(Stdio::null())
        .output()?;
    let output = String::from_utf8_lossy(&gdb.stdout);
    assert!(
        path.exists(),
        "{output}\n{}",
        String::from_utf8_lossy(&gdb.stderr)
    );
    let core = open(&path);
    Said::parse(&output).is_what(&core);
    agrees_with_gdb(&core, &output);
    Ok(())
}

fn qemu_core() -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let program = tempfile::tempdir()?;
    let exe = program.path().join("crash");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/qemu.c");
    let compiled = Command::new("aarch64-linux-gnu-gcc")
        .args(["-static", "-O0", "-o"])
        .args([&exe, &source])
        .status()?;
    assert!(compiled.success());
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -c unlimited && exec qemu-aarch64-static \"$0\"",
        ])
        .arg(&exe)
        .current_dir(dir.path())
        .output()?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let said: Vec<u64> = stdout
        .split_whitespace()
        .map(|w| u64::from_str_radix(w.trim_start_matches("0x"), 16).unwrap())
        .collect();
    // The kernel may leave a core of qemu itself beside the one that qemu writes.
    let mut files = dir.path().read_dir()?.map(|e| e.unwrap().path());
    let path = files
        .find(|p| p.extension().is_some_and(|e| e == "core"))
        .expect("a core of qemu");
    let core = open(&path);
    let [thread] = core.threads() else {
        panic!("{:?}", core.threads());
    };
    let mut general = thread.registers.unwrap().general;
    general[0] = 0x7770;
    general[28..].copy_from_slice(&[0x2828, 0x2929, 0x3030, 0x7770]);
    let expected = Registers::arm64(said[0], general);
    assert_eq!(thread.registers, Some(expected));
    let mut text = [0; 8];
    core.read(Addr(said[1]), &mut text).unwrap();
    assert_eq!(&text, b"found me");
    assert_eq!(core.signal().unwrap().number, 4, "SIGILL");
    assert_eq!(core.exe_path(), Some(exe));
    assert_eq!(core.diagnostics(), &[] as &[String]);
    Ok(())
}

/// The executable of a Go program is known by what is in its core.
fn go_core(go: &Toolchain) -> Result<(), Failed> {
    let exe = build(go, "crowd", &BuildOptions::default())?;
    let dir = tempfile::tempdir()?;
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -c unlimited && exec \"$0\" -stall=false"])
        .arg(&exe)
        .env("GOTRACEBACK", "crash")
        .current_dir(dir.path());
    let mut program = Program::spawn(command)?;
    let pid = program.pid();
    let killed = Command::new("kill")
        .args(["-ABRT", &pid.to_string()])
        .status()?;
    assert!(killed.success());
    program.wait()?;
    let core = open(&only_file(dir.path()));
    assert_eq!(core.pid(), Some(Pid(i32::try_from(pid)?)));
    assert_eq!(core.exe_path(), Some(exe.canonicalize()?));
    assert_eq!(core.diagnostics(), &[] as &[String]);
    let found = core.executable().unwrap();
    let told = go.command().args(["tool", "buildid"]).arg(&exe).output()?;
    let told = String::from_utf8_lossy(&told.stdout);
    assert_eq!(found.build_ids.go.as_deref(), Some(told.trim().as_bytes()));
    // Since Go 1.24 there is a GNU one, too.
    let bytes = fs::read(&exe)?;
    let note = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
    let at = bytes.windows(note.len()).position(|w| w == note);
    let there = at.map(|at| bytes[at + note.len()..][..20].to_vec());
    assert_eq!(found.build_ids.gnu, there);
    Ok(())
}

/// A core compressed by the program that people compress it by.
fn packed(program: &str) -> Result<(), Failed> {
    let heap = support::pattern(0xbeef, 5 << 20);
    let core = support::typical(support::AMD64).load(0x1_0000_0000, support::RW, &heap, 5 << 20);
    let dir = tempfile::tempdir()?;
    let plain = dir.path().join("plain");
    fs::write(&plain, core.bytes())?;
    for level in ["-1", "-9"] {
        let packed = dir.path().join("packed");
        let status = Command::new(program)
            .args([level, "-q", "-c"])
            .arg(&plain)
            .stdout(File::create(&packed)?)
            .status()?;
        assert!(status.success());
        let core = open(&packed);
        assert_eq!(core.diagnostics(), &[] as &[String]);
        assert_eq!(core.threads()[1].tid, Tid(72));
        let mut found = vec![0; heap.len()];
        core.read(Addr(0x1_0000_0000), &mut found).unwrap();
        assert!(found == heap, "{program} {level}");
    }
    Ok(())
}
