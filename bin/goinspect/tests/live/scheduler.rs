//! `queues` has goroutines in its run queues, of which it tells in which order they ran afterwards.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use model::{PStatus, Snapshot, StackEnd, Status};
use serde_json::{Value, json};

use crate::debug_file::tool;
use crate::process::{gcore, until};
use crate::run::{goinspect, parse, snapshot};

/// Looks at a process.
type Look = fn(u32) -> Result<Value, Failed>;

/// As `go build` makes it.
pub fn queues(go: &Toolchain) -> Result<(), Failed> {
    let program = build(go, "queues", &BuildOptions::default())?;
    check(&program, |pid| {
        let taken = snapshot(pid, &[])?;
        is_as_traced(pid, &taken["scheduler"])?;
        Ok(taken)
    })?;
    // Who is in which queue is true of one moment only, so without a stop nothing is told.
    let program = start(&program)?;
    let pid = program.pid();
    // It reads its stdin, and `sysmon` takes its P away.
    until("its P is idle", || {
        let scheduler = snapshot(pid, &[]).ok()?["scheduler"].take();
        let is_idle = scheduler["ps"][0]["status"] == "idle";
        is_idle.then(|| is_as_traced(pid, &scheduler))
    })??;
    let running = snapshot(pid, &["--nonblocking"])?;
    assert_eq!(running["scheduler"], Value::Null);
    let why = running["diagnostics"].to_string();
    assert!(why.contains("nothing is told of the scheduler"), "{why}");
    Ok(program.quit()?)
}

/// Without symbols and debug information.
pub fn queues_stripped(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let whole = build(go, "queues", &BuildOptions::default())?;
    let stripped = folder.path().join("queues");
    tool("strip", &[Path::new("-o"), &stripped, &whole])?;
    check(&stripped, |pid| snapshot(pid, &[]))
}

/// From a core file.
pub fn queues_in_gcore(go: &Toolchain) -> Result<(), Failed> {
    let program = build(go, "queues", &BuildOptions::default())?;
    let mut program = start(&program)?;
    overflows(&mut program, |pid| {
        let folder = tempfile::tempdir()?;
        let core = gcore(pid, folder.path())?;
        let core = core.to_string_lossy();
        parse(&goinspect(&["core", &core, "--format", "json"]))
    })?;
    Ok(program.quit()?)
}

fn start(executable: &Path) -> Result<Program, Failed> {
    let mut command = Command::new(executable);
    command.env("GOMAXPROCS", "1");
    command.env("GODEBUG", "asyncpreemptoff=1,schedtrace=10,scheddetail=1");
    Ok(Program::spawn(command)?)
}

/// The runtime's own trace, which `sysmon` goes on writing, tells the same.
fn is_as_traced(pid: u32, scheduler: &Value) -> Result<(), Failed> {
    let p = &scheduler["ps"][0];
    let len = |queue: &Value| queue.as_array().map_or(0, Vec::len);
    let status = ["idle", "running", "syscall", "gcstop", "dead"];
    let status = status.iter().position(|status| p["status"] == *status);
    let m = match &p["m"] {
        Value::Null => "nil".to_owned(),
        m => m.to_string(),
    };
    let ours = [
        format!("gomaxprocs={}", scheduler["gomaxprocs"]),
        format!("runqueue={}", scheduler["runqsize"]),
        format!("gcwaiting={}", scheduler["gcwaiting"]),
        format!("status={}", status.unwrap()),
        format!("m={m}"),
        format!("runqsize={}", len(&p["runq"])),
    ];
    until(&format!("the trace says {ours:?}"), || {
        let text = fs::read_to_string(format!("/proc/{pid}/fd/2")).ok()?;
        // The last one may be cut off.
        let trace = text.rsplit("SCHED ").nth(1)?;
        let words: Vec<&str> = trace
            .lines()
            .take(2)
            .flat_map(str::split_whitespace)
            .collect();
        let says = |ours: &String| {
            // Go 1.19 has numbers for both.
            let old = ours.replace("=false", "=0").replace("m=nil", "m=-1");
            words.contains(&ours.as_str()) || words.contains(&old.as_str())
        };
        ours.iter().all(says).then_some(())
    })
}

fn check(executable: &Path, look: Look) -> Result<(), Failed> {
    let mut program = start(executable)?;
    // `runtime/proc.go`, `runqput`: the last one created is `runnext`; the one before goes to the ring. If that is
    // full, half of it and the one that has no room go to the global queue (`runqputslow`).
    let order = with_queue(&mut program, 40, look, (0..39).collect(), Vec::new())?;
    let in_turn: Vec<u64> = [39].into_iter().chain(0..39).collect();
    assert_eq!(order, in_turn, "what the program says it did");
    overflows(&mut program, look)?;
    Ok(program.quit()?)
}

/// More than its P has room for.
fn overflows(program: &mut Program, look: Look) -> Result<(), Failed> {
    let ring = (128..256).chain(257..299).collect();
    let global = (0..128).chain([256]).collect();
    with_queue(program, 300, look, ring, global)?;
    Ok(())
}

/// Has so many goroutines created, and compares the queues with what they must be. Returns in which order they
/// ran when they could.
fn with_queue(
    program: &mut Program,
    count: u64,
    look: Look,
    ring: Vec<u64>,
    global: Vec<u64>,
) -> Result<Vec<u64>, Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("shared");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    file.set_len(1 << 16)?;
    let (pid, ready) = (program.pid(), program.ready().clone());
    let command = format!("queue {count} {}", path.display());
    thread::scope(|scope| {
        let answer = scope.spawn(|| program.ask(&command));
        let created = until("the goroutines are created", || {
            let mut word = [0; 4];
            file.read_exact_at(&mut word, 0).ok()?;
            (word != [0; 4] || answer.is_finished()).then_some(())
        });
        let taken = created.and_then(|()| look(pid));
        file.write_all_at(&[1], 4)?;
        let answer = answer.join().unwrap()?;
        compare(&taken?, &ready, &ring, &global, count - 1)?;
        Ok(serde_json::from_str(&answer)?)
    })
}

fn compare(
    taken: &Value,
    ready: &Value,
    ring: &[u64],
    global: &[u64],
    next: u64,
) -> Result<(), Failed> {
    let scheduler = &taken["scheduler"];
    let goroutines = taken["goroutines"].as_array().ok_or("no goroutines")?;
    let number = |g: &Value| g["labels"]["n"].as_str()?.parse::<u64>().ok();
    let numbers: BTreeMap<u64, Option<u64>> = goroutines
        .iter()
        .map(|g| (g["goid"].as_u64().unwrap(), number(g)))
        .collect();
    // The runtime's own may be in a queue, too: `sysmon` wakes the scavenger.
    let named = |queue: &Value| -> Vec<u64> {
        let goids = queue.as_array().unwrap().iter();
        goids
            .filter_map(|goid| numbers[&goid.as_u64().unwrap()])
            .collect()
    };
    assert_eq!(scheduler["gomaxprocs"], 1, "{taken}");
    let [p] = &scheduler["ps"].as_array().unwrap()[..] else {
        return Err(format!("not one P: {scheduler}").into());
    };
    assert_eq!((&p["id"], &p["status"]), (&json!(0), &json!("running")));
    assert!(p["m"].is_u64(), "{p}");
    assert_eq!(numbers[&p["runnext"].as_u64().unwrap()], Some(next));
    assert_eq!(named(&p["runq"]), ring);
    assert_eq!(named(&scheduler["runq"]), global);
    let size = scheduler["runq"].as_array().unwrap().len();
    assert_eq!(scheduler["runqsize"], size);
    assert_eq!(scheduler["gcwaiting"], false);
    assert_eq!(scheduler["gcphase"], "off");
    assert_eq!(scheduler["numgc"], ready["numgc"]);
    assert_eq!(scheduler["lastGcUnix"], ready["lastgc"]);
    // On one P goids are given in the order of creation.
    let ours = numbers.values().copied().flatten();
    assert!(ours.eq(0..=next));
    Ok(())
}

/// What is true of the queues at any moment, by how the runtime changes them.
pub fn is_possible(snapshot: &Snapshot, since_126: bool) {
    let scheduler = snapshot.scheduler.as_ref().expect("the scheduler is told");
    assert_eq!(scheduler.ps.len(), scheduler.gomaxprocs);
    let status: BTreeMap<_, _> = snapshot
        .goroutines
        .iter()
        .map(|g| (g.goid, g.status))
        .collect();
    let local = scheduler.ps.iter().flat_map(|p| {
        let runq = p.runq.as_deref().expect("a run queue is told");
        p.runnext.iter().chain(runq)
    });
    let global = scheduler.runq.as_deref().expect("the global queue is told");
    let mut queued = BTreeMap::new();
    for goid in local.chain(global) {
        // It becomes runnable before it is put on a queue, and running when it is off it (`ready`, `newproc`,
        // `goschedImpl`, `exitsyscall0`, `injectglist`, `execute`).
        assert_eq!(status.get(goid), Some(&Status::Runnable), "{goid}");
        let twice = queued.insert(goid, ());
        assert!(twice.is_none(), "{goid} is in two queues");
    }
    // With the world stopped, Ps are taken from those that count as running (`procresize`).
    if scheduler.gcwaiting != Some(false) {
        return;
    }
    let has_p = |m: i64| {
        let mut of_m = scheduler.ps.iter().filter(|p| p.m == Some(m));
        of_m.any(|p| p.status == PStatus::Running)
    };
    let running = snapshot.goroutines.iter();
    for g in running.filter(|g| g.status == Status::Running) {
        // Since Go 1.26 a goroutine that comes back from a system call runs before it has a P again
        // (`exitsyscall`, also of a call from C); and one that goes into one may give it away before
        // (`entersyscallHandleGCWait`, on the system stack: its own begins where the call is made, as `reentersyscall` has saved it).
        let in_between = |name: &str| name.contains("yscall") || name.contains("cgocall");
        let is_between = g
            .frames
            .iter()
            .any(|frame| in_between(&frame.function.name));
        // Of some it cannot be told.
        let is_whole = g.stack_end == StackEnd::Complete;
        if since_126 && (is_between || !is_whole) {
            continue;
        }
        let m = g.traceback.m.expect("a running goroutine has an M");
        assert!(has_p(m.id), "{g:?} is on {m:?}: {scheduler:?}");
    }
}
