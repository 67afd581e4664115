//! goinspect does no harm.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use serde_json::Value;

use crate::process::{runs_freely, tracer, until};
use crate::run::{GOINSPECT, fails_with, goinspect, parse, snapshot};

/// All that goinspect may ask of ptrace (rule 1 of docs/ARCHITECTURE.md).
const ALLOWED: &[&str] = &[
    "PTRACE_SEIZE",
    "PTRACE_INTERRUPT",
    "PTRACE_GETREGSET",
    "PTRACE_GETSIGINFO",
    "PTRACE_LISTEN",
    "PTRACE_CONT",
    "PTRACE_DETACH",
];

/// strace sees only ptrace requests that the rules allow, and nothing written to the target.
pub fn only_allowed_requests(go: &Toolchain) -> Result<(), Failed> {
    let mut churn = Program::start(&build(go, "churn", &BuildOptions::default())?, &[])?;
    let pid = churn.pid();
    let log = tempfile::NamedTempFile::new()?;
    let status = Command::new("strace")
        .args(["-f", "-e", "trace=ptrace,process_vm_writev,process_vm_readv,openat,open,kill,tkill,tgkill,pidfd_send_signal", "-o"])
        .arg(log.path())
        .args([GOINSPECT, "snapshot", &pid.to_string()])
        .stdout(Stdio::null())
        .status()?;
    assert!(status.success());
    runs_freely(pid)?;
    churn.ask("pace")?;
    churn.quit()?;

    let text = std::fs::read_to_string(log.path())?;
    let requests = only_allowed(&text, pid);
    for needed in [
        "PTRACE_SEIZE",
        "PTRACE_INTERRUPT",
        "PTRACE_GETREGSET",
        "PTRACE_DETACH",
    ] {
        assert!(
            requests.contains_key(needed),
            "{needed} is missing in {requests:?}: was anything traced?"
        );
    }
    assert!(text.contains("process_vm_readv("));
    Ok(())
}

/// Goes through what strace wrote of a goinspect that looked at `pid`, and fails on what it may not do. Returns how often each
/// request was made of ptrace.
pub fn only_allowed(text: &str, pid: u32) -> BTreeMap<&str, usize> {
    let mut requests: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines() {
        // `PID  call(arguments) = result`
        let Some((_, call)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let call = call.trim_start();
        if let Some(arguments) = call.strip_prefix("ptrace(") {
            let request = arguments.split([',', ')']).next().unwrap_or_default();
            assert!(ALLOWED.contains(&request), "{line}");
            *requests.entry(request).or_default() += 1;
            if request == "PTRACE_SEIZE" {
                assert!(
                    !arguments.contains("PTRACE_O_"),
                    "seized with options: {line}"
                );
            }
        }
        assert!(!call.starts_with("process_vm_writev"), "{line}");
        let signals = ["kill(", "tkill(", "tgkill(", "pidfd_send_signal("];
        assert!(!signals.iter().any(|s| call.starts_with(s)), "{line}");
        let of_target = call.contains(&format!("/proc/{pid}/")) || call.contains("\"mem\"");
        if call.starts_with("open") && of_target {
            assert!(
                !call.contains("O_WRONLY") && !call.contains("O_RDWR"),
                "{line}"
            );
        }
    }
    requests
}

/// Without a stop there is no request at all, and what is parked is the same as with one.
pub fn no_request_at_all(go: &Toolchain) -> Result<(), Failed> {
    let zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &[])?;
    let pid = zoo.pid();
    let log = tempfile::NamedTempFile::new()?;
    let output = Command::new("strace")
        .args(["-f", "-e", "trace=ptrace", "-o"])
        .arg(log.path())
        .args([GOINSPECT, "snapshot", "--nonblocking", &pid.to_string()])
        .output()?;
    let running = parse(&output)?;
    let stopped = snapshot(pid, &[])?;
    let refused = goinspect(&["findings", "--nonblocking", &pid.to_string()]);
    fails_with(&refused, 2, &["--nonblocking"])?;
    zoo.quit()?;
    let text = std::fs::read_to_string(log.path())?;
    assert!(!text.contains("ptrace("), "{text}");
    assert_eq!(running["capture"]["pauseNs"], 0);
    assert_eq!(running["capture"]["consistent"], false);
    let parked = |of: &Value| -> BTreeMap<u64, Vec<Value>> {
        let all = of["goroutines"].as_array().into_iter().flatten();
        let waiting = all.filter(|g| g["status"] == "waiting" && g["system"] == false);
        let pcs = |g: &Value| {
            let frames = g["frames"].as_array().into_iter().flatten();
            frames.map(|frame| frame["pc"].clone()).collect()
        };
        waiting
            .filter_map(|g| Some((g["goid"].as_u64()?, pcs(g))))
            .collect()
    };
    let (running, stopped) = (parked(&running), parked(&stopped));
    assert!(stopped.len() > 50);
    assert_eq!(running, stopped);
    Ok(())
}

/// A goinspect that is killed while the program stands still leaves it running.
pub fn killed_in_a_stop(go: &Toolchain) -> Result<(), Failed> {
    let path = build(go, "crowd", &BuildOptions::default())?;
    // Many goroutines make a stop long enough to be met in its middle.
    let mut crowd = Program::start(&path, &["-n", "50000"])?;
    let pid = crowd.pid();
    let mut met = 0;
    until("goinspect was killed in five stops", || {
        let mut goinspect = Command::new(GOINSPECT)
            .args(["snapshot", &pid.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut traced = false;
        // Either it is seen tracing, or it was too quick for us.
        while !traced && matches!(goinspect.try_wait(), Ok(None)) {
            // The tracer is a thread of goinspect, with an ID of its own.
            traced = tracer(pid) != 0;
        }
        let killed = goinspect.kill().is_ok();
        let status = goinspect.wait().ok()?;
        met += usize::from(traced && killed && !status.success());
        (met >= 5).then_some(())
    })?;
    runs_freely(pid)?;
    let pace = |crowd: &mut Program| {
        crowd.ask("pace").ok().and_then(|a| {
            a.trim()
                .trim_start_matches("@pace")
                .trim()
                .parse::<u64>()
                .ok()
        })
    };
    let before = pace(&mut crowd).ok_or("no pace")?;
    until("crowd goes on working", || {
        pace(&mut crowd).filter(|&now| now > before)
    })?;
    crowd.quit()?;
    Ok(())
}
