//! Programs in containers, and goinspect beside them, within them and without: `unshare` and
//! `pivot_root` do what container runtimes do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use serde_json::Value;
use tempfile::TempDir;

use crate::debug_file::tool;
use crate::permissions::says;
use crate::process::{copy_program, runs_freely, status, until};
use crate::run::{GOINSPECT, fails_with, parse, snapshot};
use crate::zoo::equals_own_stacks_in;

/// Why a program cannot be put into namespaces of its own here.
pub fn no_namespaces() -> Option<String> {
    let tried = Command::new("unshare")
        .args(["--pid", "--fork", "--mount", "--user", "true"])
        .output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(why) => Some(format!("unshare: {why}")),
    }
}

/// zoo with PID and mount namespaces and a root directory of its own.
struct Container {
    zoo: Program,
    /// Its ID out here.
    pid: u32,
    /// Its root directory as it is called out here, where nothing is mounted on it.
    root: TempDir,
}

/// What root may in a container that was given `SYS_PTRACE`.
const DEBUGGER: &str = "--bounding-set=-all,+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,\
    +setgid,+setuid,+setfcap,+setpcap,+net_bind_service,+sys_chroot,+kill,+audit_write,+sys_ptrace";

/// Where zoo lies in its container.
const EXE: &str = "/srv/zoo";

impl Container {
    fn start(executable: &Path, args: &str) -> Result<Container, Failed> {
        let root = tempfile::tempdir()?;
        let path = root.path();
        for folder in ["srv", "tmp", "proc", "host"] {
            fs::create_dir(path.join(folder))?;
        }
        copy_program(executable, &below(path, EXE))?;
        // A container's root directory is the root of a mount.
        let script = format!(
            "set -e; cd {0}; mount --bind . .; cd {0}; mount -t proc proc proc; \
             pivot_root . host; exec {EXE} {args}",
            path.display()
        );
        let mut command = Command::new("unshare");
        command
            .args(["--pid", "--fork", "--kill-child", "--mount"])
            .args(["sh", "-c", &script]);
        let zoo = Program::spawn(command)?;
        let pid = only_child(zoo.pid())?;
        Ok(Container { zoo, pid, root })
    }

    fn plain(go: &Toolchain) -> Result<Container, Failed> {
        Container::start(&build(go, "zoo", &BuildOptions::default())?, "")
    }

    /// Runs goinspect in the container's PID namespace, but in a mount namespace of its own, and with
    /// the capabilities that `kubectl debug --profile=general` gives it.
    fn beside(&self, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--pid", "--target", &self.pid.to_string()])
            .args(["unshare", "--mount", "--mount-proc"])
            .args(["setpriv", DEBUGGER])
            .arg(GOINSPECT)
            .args(args)
            .stdin(Stdio::null());
        command
    }
}

/// A path in a container as it is out here.
fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// The process that a wrapper has started.
fn only_child(wrapper: u32) -> Result<u32, Failed> {
    let path = format!("/proc/{wrapper}/task/{wrapper}/children");
    let children = fs::read_to_string(path)?;
    Ok(children.trim().parse()?)
}

/// A thread's IDs, from the outermost PID namespace to its own.
fn ids(path: &Path) -> Vec<u64> {
    let line = status(path, "NSpid").unwrap_or_default();
    line.split_whitespace().flat_map(str::parse).collect()
}

/// Seen from the host, it is as any other program, whatever it calls its threads itself.
pub fn seen_from_the_host(go: &Toolchain) -> Result<(), Failed> {
    let container = Container::plain(go)?;
    let pid = container.pid;
    equals_own_stacks_in(container.zoo, pid, || {
        let taken = snapshot(pid, &[])?;
        assert_eq!(taken["target"]["exe"], EXE);
        assert!(!Path::new(EXE).exists(), "{EXE} exists on this machine");
        Ok(taken)
    })
}

/// A goroutine is on the thread that it says it is on, under the ID that this thread has where
/// goinspect runs.
pub fn threads_have_the_ids_of_where_goinspect_runs(go: &Toolchain) -> Result<(), Failed> {
    let mut container = Container::plain(go)?;
    let facts = container.zoo.facts()?;
    let tasks = fs::read_dir(format!("/proc/{}/task", container.pid))?;
    let outer: BTreeMap<u64, u64> = tasks
        .map(|task| match *ids(&task.unwrap().path()) {
            [outer, inner] => (inner, outer),
            ref other => panic!("not in a PID namespace below this one: {other:?}"),
        })
        .collect();
    let mut compared = 0;
    let mut compare = |taken: &Value, id: &dyn Fn(u64) -> u64| {
        let threads = facts["threads"].as_object().unwrap();
        for g in taken["goroutines"].as_array().unwrap() {
            let said = threads.get(&g["goid"].to_string()).and_then(Value::as_u64);
            // A goroutine that is parked is on no thread, even if it is locked to one.
            let is_parked = g["status"] == "waiting";
            if let (Some(inner), false) = (said, is_parked) {
                assert_eq!(g["thread"].as_u64(), Some(id(inner)), "{g}");
                compared += 1;
            }
        }
    };
    compare(&snapshot(container.pid, &[])?, &|inner| outer[&inner]);
    let beside = container.beside(&["snapshot", "1"]).output()?;
    compare(&parse(&beside)?, &|inner| inner);
    assert!(compared >= 6, "only {compared} goroutines are on a thread");
    runs_freely(container.pid)
}

/// `kubectl debug --target`: the PID namespace is that of the program, the files are not.
pub fn seen_from_its_pid_namespace(go: &Toolchain) -> Result<(), Failed> {
    let container = Container::plain(go)?;
    let pid = container.pid;
    let mut goinspect = container.beside(&["snapshot", "1"]);
    let mut ps = container.beside(&["ps"]);
    equals_own_stacks_in(container.zoo, pid, || {
        let listed = ps.output()?;
        let listed = String::from_utf8_lossy(&listed.stdout);
        let pids: Vec<_> = listed
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(pids, ["PID", "1"], "{listed}");
        parse(&goinspect.output()?)
    })
}

/// A PID namespace within that of goinspect, which is within the host's.
pub fn seen_from_between(go: &Toolchain) -> Result<(), Failed> {
    const NEW: [&str; 4] = ["unshare", "--pid", "--fork", "--kill-child"];
    let mut command = Command::new(NEW[0]);
    command
        .args(&NEW[1..])
        .args(NEW)
        // zoo looks for its threads in /proc.
        .arg("--mount-proc")
        .arg(build(go, "zoo", &BuildOptions::default())?);
    let zoo = Program::spawn(command)?;
    let middle = only_child(zoo.pid())?;
    let pid = only_child(middle)?;
    let [outer, between, inner] = *ids(Path::new(&format!("/proc/{pid}"))) else {
        return Err(format!("{pid} is not in a PID namespace within another").into());
    };
    assert_eq!((outer, inner), (u64::from(pid), 1));
    equals_own_stacks_in(zoo, pid, || {
        let output = Command::new("nsenter")
            .args(["--pid", "--target", &middle.to_string()])
            .args(["unshare", "--mount", "--mount-proc", GOINSPECT])
            .args(["snapshot", &between.to_string()])
            .output()?;
        parse(&output)
    })
}

/// With a `/proc` of another PID namespace every number would be that of another process.
pub fn proc_of_another_namespace(go: &Toolchain) -> Result<(), Failed> {
    let container = Container::plain(go)?;
    for args in [&["snapshot", "1"][..], &["attach", "1"], &["ps"]] {
        let output = Command::new("nsenter")
            .args(["--pid", "--target", &container.pid.to_string(), GOINSPECT])
            .args(args)
            .output()?;
        fails_with(&output, 3, &["PID namespace", "hint: ", "--mount-proc"])?;
    }
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", "umount -l /proc && exec \"$@\"", "-"])
        .args([GOINSPECT, "ps"])
        .output()?;
    fails_with(&output, 3, &["there is no /proc", "hint: mount"])
}

/// The debug file lies where only the program sees it.
pub fn debug_file_in_the_container(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (zoo, debug) = crate::debug_file::split(go, &folder)?;
    let link = format!("--add-gnu-debuglink={}", debug.display());
    tool("objcopy", &[Path::new(&link), &zoo])?;
    let container = Container::start(&zoo, "-nospin")?;
    let without = snapshot(container.pid, &[])?;
    assert_eq!(without["build"]["layout"], "table");
    let place = below(container.root.path(), "/usr/lib/debug/srv");
    fs::create_dir_all(&place)?;
    fs::copy(&debug, place.join("zoo.debug"))?;
    let taken = snapshot(container.pid, &[])?;
    assert_eq!(taken["build"]["layout"], "debugfile");
    let beside = parse(&container.beside(&["snapshot", "1"]).output()?)?;
    assert_eq!(beside["build"]["layout"], "debugfile");
    Ok(())
}

/// The one tracer that a process can have is outside, where goinspect cannot see it.
pub fn traced_from_outside(go: &Toolchain) -> Result<(), Failed> {
    let container = Container::plain(go)?;
    let mut strace = Command::new("strace")
        .args(["-q", "-e", "trace=none", "-p", &container.pid.to_string()])
        .stderr(Stdio::null())
        .spawn()?;
    let id = strace.id().to_string();
    let path = format!("/proc/{}", container.pid);
    let met = until("strace traces zoo", || {
        (status(Path::new(&path), "TracerPid")? == id).then_some(())
    });
    let output: Output = container.beside(&["snapshot", "1"]).output()?;
    strace.kill()?;
    strace.wait()?;
    met?;
    says(&output, 1, "another tracer, out of sight")
}
