//! `goinspect record`, and what can be done with what it wrote.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use model::{Pid, Snapshot};
use nix::sys::signal::{Signal, kill};
use report::{Recorder, Recording, Style, read_json, write_json};
use sampler::{Options, Session, Wanted};

use crate::process::{runs_freely, until};
use crate::run::{GOINSPECT, fails_with, goinspect, parse};

/// A snapshot as JSON keeps it.
fn as_read(snapshot: &Snapshot) -> Result<Snapshot, Failed> {
    let mut json = Vec::new();
    write_json(snapshot, Style::Line, &mut json)?;
    Ok(read_json(&json[..])?)
}

/// Samples of a program in which goroutines come and go: each is read as it was taken.
pub fn equals_what_was_taken(go: &Toolchain) -> Result<(), Failed> {
    let mut churn = Program::start(&build(go, "churn", &BuildOptions::default())?, &[])?;
    let options = Options {
        wanted: Wanted {
            objects: true,
            ..Wanted::default()
        },
        ..Options::default()
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("recording");
    let mut session = Session::open(Pid(churn.pid().try_into()?), options)?;
    let mut recorder = Recorder::new(File::create(&path)?, Duration::from_secs(1))?;
    let mut all = Vec::new();
    for _ in 0..15 {
        let mut sample = session.sample()?;
        let before = as_read(&sample)?;
        if let Some(last) = all.last() {
            let last: &Arc<Snapshot> = last;
            sample.share_unchanged(last);
        }
        // Sharing changes nothing.
        assert_eq!(as_read(&sample)?, before);
        let sample = Arc::new(sample);
        recorder.sample(sample.clone())?;
        all.push(sample);
    }
    recorder.end("enough")?;
    churn.ask("pace")?;
    churn.quit()?;
    let mut recording = Recording::open(File::open(&path)?)?;
    assert_eq!(recording.count(), all.len());
    for at in (0..all.len()).chain([9, 3, 14, 0]) {
        assert_eq!(*recording.sample(at)?, as_read(&all[at])?, "sample {at}");
    }
    // So does the command line, which writes the same JSON again.
    let file = path.to_string_lossy();
    for (at, sample) in all.iter().enumerate().step_by(7) {
        let output = goinspect(&["snapshot", &format!("{file}@{}", at + 1)]);
        assert!(output.status.success(), "{output:?}");
        let mut json = Vec::new();
        write_json(&as_read(sample)?, Style::Line, &mut json)?;
        assert!(output.stdout == json, "sample {at}");
    }
    Ok(())
}

/// The command, and each of those that take what it wrote.
pub fn is_a_target(go: &Toolchain) -> Result<(), Failed> {
    let mut zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &["-nospin"])?;
    let count = zoo.count()?;
    let pid = zoo.pid().to_string();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("recording");
    let file = path.to_string_lossy();
    let record = [
        "record",
        &pid,
        "-o",
        &file,
        "--interval",
        "50ms",
        "--duration",
        "500ms",
    ];
    let output = goinspect(&record);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("its time was over") && told.contains("samples, "),
        "{told}"
    );
    fails_with(&goinspect(&record), 2, &["exists", "--force"])?;
    runs_freely(zoo.pid())?;
    zoo.quit()?;

    let samples = Recording::open(File::open(&path)?)?.count();
    assert!(samples >= 2, "{samples}");
    for at in 1..=samples {
        let sample = parse(&goinspect(&["snapshot", &format!("{file}@{at}")]))?;
        let goroutines = sample["goroutines"].as_array().unwrap();
        let own = goroutines.iter().filter(|g| g["system"] == false).count() as u64;
        assert!(own >= count, "sample {at}: {own} of {count}");
    }
    let (first, last) = (format!("{file}@1"), format!("{file}@{samples}"));
    let last_one = goinspect(&["snapshot", &file]).stdout;
    assert!(last_one == goinspect(&["snapshot", &last]).stdout);
    let diff = parse(&goinspect(&["diff", &first, &file, "--format", "json"]))?;
    assert_eq!(diff["counts"]["new"], 0, "{diff}");
    assert_eq!(diff["counts"]["gone"], 0, "{diff}");
    for command in [
        &["findings", &file, "--since", &first][..],
        &["why", &file, "1"],
        &["snapshot", &file, "--format", "summary"],
    ] {
        let output = goinspect(command);
        assert!(output.status.success(), "{command:?} {output:?}");
    }
    let beyond = format!("{file}@{}", samples + 1);
    fails_with(&goinspect(&["snapshot", &beyond]), 2, &["numbered from 1"])?;
    fails_with(
        &goinspect(&["snapshot", &format!("{file}@0")]),
        2,
        &["sample 0"],
    )?;
    let again = format!("{file}x");
    fails_with(
        &goinspect(&["record", &file, "-o", &again]),
        2,
        &["is a recording"],
    )?;

    // Cut off in the first sample nothing is left; in the last one, all the others.
    let bytes = std::fs::read(&path)?;
    let cut = folder.path().join("cut");
    let name = cut.to_string_lossy();
    std::fs::write(&cut, &bytes[..200])?;
    fails_with(&goinspect(&["snapshot", &name]), 6, &["cut off"])?;
    std::fs::write(&cut, &bytes[..bytes.len() - 1])?;
    let output = goinspect(&["snapshot", &name]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("note: the recording is cut off"), "{told}");
    assert!(output.status.success() && output.stdout == last_one);
    // Damaged in the middle of the first sample, which all others need.
    let mut damaged = bytes;
    damaged[2000] ^= 0xff;
    std::fs::write(&cut, &damaged)?;
    fails_with(
        &goinspect(&["snapshot", &name]),
        6,
        &["sample 1", "damaged"],
    )?;
    Ok(())
}

/// A recorder at work that has taken some samples.
fn recorder(pid: u32, path: &Path) -> Result<Child, Failed> {
    let child = Command::new(GOINSPECT)
        .args(["record", &pid.to_string(), "--interval", "20ms", "-o"])
        .arg(path)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    until("five samples", || {
        let file = File::open(path).ok()?;
        let recording = Recording::open(file).ok()?;
        (recording.count() >= 5).then_some(())
    })?;
    Ok(child)
}

/// All samples of a recording can be read; gives the notes and the end.
fn readable(path: &Path) -> Result<(String, Option<String>), Failed> {
    let mut recording = Recording::open(File::open(path)?)?;
    assert!(recording.count() >= 5);
    for at in 0..recording.count() {
        assert!(recording.sample(at)?.goroutines.len() > 5);
    }
    let end = recording.end().map(str::to_owned);
    Ok((recording.notes().join("; "), end))
}

/// However a recording ends, it can be read, and the program runs on.
pub fn ends(go: &Toolchain) -> Result<(), Failed> {
    let zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &[])?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);

    let killed = path("killed");
    let mut child = recorder(zoo.pid(), &killed)?;
    child.kill()?;
    child.wait()?;
    let (notes, end) = readable(&killed)?;
    assert!(
        notes.contains("has no end") || notes.contains("is cut off"),
        "{notes}"
    );
    assert_eq!(end, None);
    runs_freely(zoo.pid())?;

    let stopped = path("stopped");
    let child = recorder(zoo.pid(), &stopped)?;
    kill(
        nix::unistd::Pid::from_raw(child.id().try_into()?),
        Signal::SIGINT,
    )?;
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (notes, end) = readable(&stopped)?;
    assert_eq!(notes, "");
    assert_eq!(end.as_deref(), Some("goinspect was asked to stop (SIGINT)"));
    runs_freely(zoo.pid())?;

    let ended = path("ended");
    let child = recorder(zoo.pid(), &ended)?;
    zoo.quit()?;
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (notes, end) = readable(&ended)?;
    assert_eq!(notes, "");
    assert!(end.is_some_and(|end| end.contains("ended")));
    Ok(())
}
