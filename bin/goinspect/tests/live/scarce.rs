//! goinspect without room on the disk, and without memory.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};

use crate::process::runs_freely;
use crate::run::{GOINSPECT, fails_with};

const FORMATS: &[&str] = &["json", "summary", "traceback", "pprof", "folded"];

/// Written in full, or not there: a file that is cut off is never left under the name that was asked for.
pub fn disk_full(go: &Toolchain) -> Result<(), Failed> {
    let zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &[])?;
    let pid = zoo.pid().to_string();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("out");
    // No file may be larger than that: what a full disk is, but for the error's name.
    let limited = |args: &[&str]| -> Result<std::process::Output, Failed> {
        let mut command = Command::new("sh");
        // SIGXFSZ would end it.
        command.args([
            "-c",
            "trap '' XFSZ; ulimit -f 1; exec \"$@\"",
            "sh",
            GOINSPECT,
        ]);
        command.args(args).current_dir(folder.path());
        Ok(command.stdin(Stdio::null()).output()?)
    };
    for format in FORMATS {
        let output = limited(&["snapshot", &pid, "--format", format, "-o", "out"])?;
        let size = file.metadata().map(|meta| meta.len());
        // A profile may be small enough.
        if output.status.success() {
            assert!(size.is_ok_and(|size| size > 0), "{format}");
            fs::remove_file(&file)?;
            continue;
        }
        fails_with(&output, 1, &["cannot write", "out"])?;
        assert!(size.is_err(), "{format} has left something behind");
        // What was there before stays.
        fs::write(&file, "before")?;
        fails_with(
            &limited(&["snapshot", &pid, "--format", format, "-o", "out"])?,
            1,
            &["cannot write", "out"],
        )?;
        assert_eq!(fs::read_to_string(&file)?, "before");
        fs::remove_file(&file)?;
    }
    assert_eq!(fs::read_dir(folder.path())?.count(), 0);
    // A recording is what was written so far.
    let output = limited(&["record", &pid, "-o", "out", "--duration", "1s"])?;
    fails_with(&output, 1, &["cannot write", "out"])?;
    for format in FORMATS {
        for (args, to) in [(&["-o", "/dev/full"][..], "/dev/full"), (&[], "stdout")] {
            let output = Command::new(GOINSPECT)
                .args(["snapshot", &pid, "--format", format])
                .args(args)
                .stdin(Stdio::null())
                .stdout(File::options().write(true).open("/dev/full")?)
                .output()?;
            fails_with(&output, 1, &["cannot write", to, "No space left"])?;
        }
    }
    for args in [&["findings", &pid][..], &["why", &pid, "1"], &["ps"]] {
        let output = Command::new(GOINSPECT)
            .args(args)
            .stdin(Stdio::null())
            .stdout(File::options().write(true).open("/dev/full")?)
            .output()?;
        fails_with(&output, 1, &["cannot write", "stdout", "No space left"])?;
    }
    runs_freely(zoo.pid())?;
    zoo.quit()?;
    Ok(())
}

/// A goinspect that gets no memory ends with a word about it, wherever it is, and leaves nothing behind.
pub fn no_memory(go: &Toolchain) -> Result<(), Failed> {
    const MB: u64 = 1_000_000;
    let path = build(go, "crowd", &BuildOptions::default())?;
    let crowd = Program::start(&path, &["-n", "15000", "-stall=false"])?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("out");
    let (mut well, mut failed) = (0, 0);
    // From what it cannot even start with to more than enough.
    let mut limit = 30 * MB;
    while well == 0 && limit < 4000 * MB {
        let output = Command::new("prlimit")
            .arg(format!("--as={limit}"))
            .args([GOINSPECT, "snapshot", &crowd.pid().to_string(), "-o"])
            .arg(&file)
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            well += 1;
            let text = fs::read(&file)?;
            serde_json::from_slice::<serde_json::Value>(&text)?;
        } else {
            failed += 1;
            let told = [
                "memory allocation of",
                "Cannot allocate memory",
                "not enough memory",
            ];
            assert!(told.iter().any(|t| said.contains(t)), "{limit}: {said}");
            assert!(!file.exists(), "{limit}");
        }
        runs_freely(crowd.pid())?;
        limit += limit / 3;
    }
    println!("{failed} times without enough memory");
    assert!(well == 1 && failed >= 2);
    crowd.quit()?;
    Ok(())
}
