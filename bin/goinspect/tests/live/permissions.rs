//! Each right that goinspect needs, missing in turn: what it says is what docs/CONTAINERS.md says,
//! and with the right it works.

mod cases;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use tempfile::TempDir;

use crate::process::copy_program;
use crate::run::{GOINSPECT, fails_with, parse};
use crate::zoo::equals_own_stacks_in;

pub use cases::CASES;
use cases::{ALICE, BARE_ROOT, BOB, Case, INVISIBLE, ROOT, ROOTLESS, Wrapper};

const DOCUMENTED: &str = include_str!("../../../../docs/CONTAINERS.md");

/// What the table has in the row whose first column is this, but for the mark: the reason and the hint.
fn documented(row: &str) -> (&'static str, &'static str) {
    let unmarked = |cell: &'static str| cell.split(['✓', '(']).next().unwrap().trim();
    for line in DOCUMENTED.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [first, reason, hint] = *cells
            && unmarked(first) == row
        {
            return (reason, hint);
        }
    }
    panic!("no row {row:?} in docs/CONTAINERS.md")
}

/// Fails unless goinspect said of the process what the table has in this row, and nothing else.
pub fn says(output: &Output, pid: u32, row: &str) -> Result<(), Failed> {
    let (reason, hint) = documented(row);
    let expected = format!("error: process {pid} may not be traced: {reason}\nhint: {hint}\n");
    let said = String::from_utf8_lossy(&output.stderr);
    if said != expected {
        return Err(format!("expected\n{expected}but goinspect said\n{said}").into());
    }
    assert_eq!(output.status.code(), Some(4));
    Ok(())
}

/// A folder that every user may enter, with goinspect and zoo in it: where they are built may
/// be closed.
struct Open {
    folder: TempDir,
}

impl Open {
    fn new(go: &Toolchain) -> Result<Open, Failed> {
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let open = Open { folder };
        copy_program(Path::new(GOINSPECT), &open.path("goinspect"))?;
        copy_program(
            &build(go, "zoo", &BuildOptions::default())?,
            &open.path("zoo"),
        )?;
        Ok(open)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, wrapper: Wrapper, name: &str, args: &[&str]) -> Command {
        let path = self.path(name);
        let mut command = match wrapper {
            [] => Command::new(path),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(path);
                command
            }
        };
        command.args(args).current_dir("/");
        command
    }

    fn zoo(&self, wrapper: Wrapper, args: &[&str]) -> Result<Program, Failed> {
        let args = [&["-nospin"], args].concat();
        Ok(Program::spawn(self.command(wrapper, "zoo", &args))?)
    }

    fn goinspect(&self, wrapper: Wrapper, args: &[&str]) -> Command {
        let mut command = self.command(wrapper, "goinspect", args);
        command.stdin(Stdio::null());
        command
    }
}

/// One right is missing; then it is there.
pub fn missing(go: &Toolchain, case: &Case) -> Result<(), Failed> {
    let open = Open::new(go)?;
    let zoo = open.zoo(case.target, case.args)?;
    let pid = zoo.pid().to_string();
    for command in ["snapshot", "attach"] {
        let mut goinspect = open.goinspect(case.without, &[command, &pid]);
        says(&goinspect.output()?, zoo.pid(), case.row)?;
    }
    let mut goinspect = open.goinspect(case.with, &["snapshot", &pid]);
    parse(&goinspect.output()?).map(drop)
}

/// A user's own user namespace, as rootless containers have: the user owns what is in there.
pub fn rootless_container(go: &Toolchain) -> Result<(), Failed> {
    let open = Open::new(go)?;
    let zoo = open.zoo(ROOTLESS, &[])?;
    let pid = zoo.pid().to_string();
    for wrapper in [ALICE, ROOT] {
        parse(&open.goinspect(wrapper, &["snapshot", &pid]).output()?)?;
    }
    let output = open.goinspect(BOB, &["snapshot", &pid]).output()?;
    says(&output, zoo.pid(), "the user")?;
    // From another container of the same user.
    let output = open.goinspect(ROOTLESS, &["snapshot", &pid]).output()?;
    let row = "the user namespace, from within another";
    says(&output, zoo.pid(), row)
}

/// Why an ordinary user cannot make a user namespace here.
pub fn no_rootless_containers() -> Option<String> {
    let [setpriv, args @ ..] = ALICE else {
        return None;
    };
    let tried = Command::new(setpriv)
        .args(args)
        .args(["unshare", "--user", "true"])
        .output();
    let works = tried.is_ok_and(|output| output.status.success());
    (!works).then(|| "ordinary users may not make user namespaces".to_owned())
}

/// Yama's setting is the machine's: it is taken as it is.
pub fn yama(go: &Toolchain) -> Result<(), Failed> {
    let open = Open::new(go)?;
    let zoo = open.zoo(ALICE, &[])?;
    let pid = zoo.pid().to_string();
    let scope = fs::read_to_string(PTRACE_SCOPE)?;
    let output = open.goinspect(ALICE, &["snapshot", &pid]).output()?;
    match scope.trim() {
        "0" => parse(&output).map(drop),
        scope => says(&output, zoo.pid(), &format!("`ptrace_scope` {scope}")),
    }
}

const PTRACE_SCOPE: &str = "/proc/sys/kernel/yama/ptrace_scope";

/// Whether there is no Yama.
pub fn no_yama() -> Option<String> {
    let there = Path::new(PTRACE_SCOPE).exists();
    (!there).then(|| "the kernel was built without Yama".to_owned())
}

/// Runs a command to its end under a filter that answers these system calls with an error.
fn filtered(calls: &[i64], error: i32, command: &mut Command) -> Result<Output, Failed> {
    let rules: BTreeMap<i64, Vec<_>> = calls.iter().map(|&call| (call, vec![])).collect();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(error.try_into()?),
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    // A filter is the thread's, and what the thread starts inherits it.
    let run = || -> Result<Output, Failed> {
        seccompiler::apply_filter(&program)?;
        Ok(command.output()?)
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// A container whose filter forbids ptrace.
pub fn seccomp(go: &Toolchain) -> Result<(), Failed> {
    let open = Open::new(go)?;
    let zoo = open.zoo(ALICE, &[])?;
    let pid = zoo.pid().to_string();
    for error in [libc::EPERM, libc::ENOSYS] {
        // Docker's profile before kernel 4.8; and what lacks in it is no obstacle.
        for calls in [
            &[libc::SYS_ptrace, libc::SYS_process_vm_readv][..],
            &[libc::SYS_ptrace],
        ] {
            for wrapper in [ALICE, ROOT] {
                let mut goinspect = open.goinspect(wrapper, &["snapshot", &pid]);
                says(
                    &filtered(calls, error, &mut goinspect)?,
                    zoo.pid(),
                    "seccomp",
                )?;
            }
        }
    }
    // Another rule that forbids it is not taken for the filter.
    let mut goinspect = open.goinspect(BARE_ROOT, &["snapshot", &pid]);
    let output = filtered(&[libc::SYS_ptrace], libc::EPERM, &mut goinspect)?;
    says(&output, zoo.pid(), "the user, as root of a container")
}

/// Memory can be read without `process_vm_readv`.
pub fn without_process_vm_readv(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::default())?;
    for error in [libc::EPERM, libc::ENOSYS] {
        let zoo = Program::start(&zoo, &[])?;
        let pid = zoo.pid();
        equals_own_stacks_in(zoo, pid, || {
            let mut goinspect = Command::new(GOINSPECT);
            goinspect.args(["snapshot", &pid.to_string()]);
            parse(&filtered(
                &[libc::SYS_process_vm_readv],
                error,
                &mut goinspect,
            )?)
        })?;
    }
    Ok(())
}

/// What `/proc` does not show is said to be hidden, not to be missing.
pub fn hidden(go: &Toolchain) -> Result<(), Failed> {
    let open = Open::new(go)?;
    let zoo = open.zoo(ALICE, &[])?;
    let pid = zoo.pid().to_string();
    let output = open.goinspect(INVISIBLE, &["snapshot", &pid]).output()?;
    fails_with(
        &output,
        3,
        &["hidden", "hidepid", "hint: run goinspect as root (sudo)\n"],
    )?;
    zoo.quit()?;
    let output = open.goinspect(INVISIBLE, &["snapshot", &pid]).output()?;
    fails_with(&output, 3, &["no process has the ID"])
}

/// The executable's own permissions.
pub fn unreadable_executable(go: &Toolchain) -> Result<(), Failed> {
    const NO_FILES: Wrapper = &["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
    let open = Open::new(go)?;
    let closed = open.path("zoo");
    let copy = open.path("copy");
    fs::copy(&closed, &copy)?;
    // Root may run it, and may not read it.
    std::os::unix::fs::chown(&closed, Some(1000), Some(1000))?;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o711))?;
    let zoo = open.zoo(NO_FILES, &[])?;
    let pid = zoo.pid().to_string();
    let output = open.goinspect(NO_FILES, &["snapshot", &pid]).output()?;
    fails_with(&output, 4, &["executable", "Permission denied", "--exe"])?;
    let args = ["snapshot", &pid, "--exe", copy.to_str().unwrap()];
    parse(&open.goinspect(NO_FILES, &args).output()?).map(drop)
}

/// `goinspect ps` tells what it could not look at.
pub fn ps_tells_what_it_leaves_out(go: &Toolchain) -> Result<(), Failed> {
    let open = Open::new(go)?;
    let alices = open.zoo(ALICE, &[])?;
    let bobs = open.zoo(BOB, &[])?;
    let (alices, bobs) = (alices.pid().to_string(), bobs.pid().to_string());
    let ps = |wrapper, args: &[&str]| -> Result<(Vec<String>, String), Failed> {
        let output = open
            .goinspect(wrapper, &[&["ps"], args].concat())
            .output()?;
        assert!(output.status.success(), "{output:?}");
        let listed = String::from_utf8_lossy(&output.stdout);
        let pids = listed.lines().filter_map(|l| l.split_whitespace().next());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((pids.map(str::to_owned).collect(), said))
    };
    let (pids, said) = ps(BOB, &[])?;
    assert!(pids.contains(&bobs) && !pids.contains(&alices), "{pids:?}");
    assert!(said.contains("processes could not be looked at"), "{said}");
    assert!(
        said.contains("hint: run goinspect as root (sudo)\n"),
        "{said}"
    );
    let (reason, _) = documented("the user");
    let line = format!("process {alices} may not be traced: {reason}\n");
    let (_, said) = ps(BOB, &["-v"])?;
    assert!(said.contains(&line), "{line} is not in {said}");
    let (pids, said) = ps(INVISIBLE, &[])?;
    assert!(pids.contains(&bobs) && !pids.contains(&alices), "{pids:?}");
    assert!(
        said.contains("there may be more: /proc is mounted with hidepid"),
        "{said}"
    );
    Ok(())
}
