//! One program: started, put under load, looked at, and asked at its end.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use report::parse_dump;
use serde_json::Value;

use super::child::Running;
use super::fetch::Fetched;
use super::judge::{self, Findings};
use super::load;
use super::programs::{Program, Ready};

/// How many snapshots are taken under load.
const SNAPSHOTS: usize = 20;
/// How many are taken of the quiet program to tell who stays where it is, and how far apart.
const STILL: usize = 3;
const APART: Duration = Duration::from_secs(1);
/// Far longer than any of these programs needs to start, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a program and judges what goinspect says of it. `Err`: it could not be run, or goinspect failed.
pub(super) fn trial(
    program: &Program,
    fetched: &Fetched,
    goinspect: &Path,
    folder: &Path,
) -> Result<Findings, String> {
    let place = Place::new(program, fetched, folder)?;
    let (mut running, executable) = place.start(program)?;
    match program.ready {
        Ready::Port => running.wait_until("ready", PATIENCE, |_| load::is_open(place.port))?,
        Ready::Says(words) => {
            running.wait_until("ready", PATIENCE, |running| running.log().contains(words))?;
        }
    }
    let pid = running.pid().to_string();
    let json = || -> Result<Value, String> {
        let text = run(goinspect, &["snapshot", &pid, "--format", "json"])?;
        serde_json::from_str(&text).map_err(|why| why.to_string())
    };

    let (served, snapshots) =
        load::under(&program.load, place.port, &|w: &str| place.fill(w), || {
            (0..SNAPSHOTS).map(|_| json()).collect::<Vec<_>>()
        });
    let snapshots = snapshots.into_iter().collect::<Result<Vec<_>, _>>()?;

    let mut texts = Vec::new();
    let mut quiet = None;
    for i in 0..STILL {
        // Not to wait for something: what moves in between is not still.
        thread::sleep(APART);
        if i + 1 == STILL {
            quiet = Some(json()?);
        }
        let args = [
            "snapshot",
            &pid,
            "--format",
            "traceback",
            "--traceback",
            "system",
            "--elide",
        ];
        texts.push(run(goinspect, &args)?);
    }
    let before = running.log().len();
    running.signal(program.last_signal)?;
    running.wait_for_end(PATIENCE)?;
    let log = running.log();
    let last_words = log.get(before..).unwrap_or_default();
    // They stay for whoever looks into the differences.
    let keep = |name: &str, text: &str| {
        let path = place.dir.join(name);
        fs::write(&path, text).map_err(|why| format!("{}: {why}", path.display()))
    };
    keep("go.txt", last_words)?;
    for (i, text) in texts.iter().enumerate() {
        keep(&format!("goinspect-{i}.txt"), text)?;
    }
    for (i, snapshot) in snapshots.iter().chain(&quiet).enumerate() {
        keep(&format!("snapshot-{i}.json"), &snapshot.to_string())?;
    }

    let stills: Vec<_> = texts.iter().map(|text| parse_dump(text)).collect();
    let head = fs::read(&executable).map_err(|why| format!("{}: {why}", executable.display()))?;
    Ok(Findings {
        sums: judge::sums(&snapshots, quiet.as_ref()),
        elf: judge::elf_kind(&head),
        served,
        oracle: judge::compare(&stills, &parse_dump(last_words)),
        signal: program.last_signal,
    })
}

/// Where a program runs.
struct Place {
    dir: PathBuf,
    root: PathBuf,
    port: u16,
    port2: u16,
}

impl Place {
    fn new(program: &Program, fetched: &Fetched, folder: &Path) -> Result<Place, String> {
        let dir = folder.join("run").join(program.name);
        let _ = fs::remove_dir_all(&dir);
        let absolute = |path: &Path| {
            fs::create_dir_all(path)
                .and_then(|()| fs::canonicalize(path))
                .map_err(|why| format!("{}: {why}", path.display()))
        };
        let [port, port2] = free_ports().map_err(|why| format!("no free port: {why}"))?;
        let place = Place {
            dir: absolute(&dir)?,
            root: absolute(&fetched.root)?,
            port,
            port2,
        };
        for (name, text) in program.files {
            let path = place.dir.join(name);
            let parent = path.parent().unwrap_or(&place.dir);
            fs::create_dir_all(parent)
                .and_then(|()| fs::write(&path, place.fill(text)))
                .map_err(|why| format!("{}: {why}", path.display()))?;
        }
        Ok(place)
    }

    fn fill(&self, words: &str) -> String {
        words
            .replace("{port}", &self.port.to_string())
            .replace("{port2}", &self.port2.to_string())
            .replace("{dir}", &self.dir.display().to_string())
            .replace("{root}", &self.root.display().to_string())
    }

    fn start(&self, program: &Program) -> Result<(Running, PathBuf), String> {
        let executable = self.root.join(program.binary);
        let mut command = match program.as_root {
            false => Command::new(&executable),
            true => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "--propagation", "private", "sh", "-c"]);
                command.args(["mount -t tmpfs field /run && exec \"$@\"", "sh"]);
                command.arg(&executable);
                command
            }
        };
        command
            .args(program.args.iter().map(|word| self.fill(word)))
            .env("GOTRACEBACK", "system")
            .current_dir(&self.dir);
        for (name, value) in program.env {
            command.env(name, self.fill(value));
        }
        let running = Running::start(&command, &self.dir.join("log"))?;
        Ok((running, executable))
    }
}

/// Two ports that were free just now.
fn free_ports() -> std::io::Result<[u16; 2]> {
    let one = TcpListener::bind("127.0.0.1:0")?;
    let two = TcpListener::bind("127.0.0.1:0")?;
    Ok([one.local_addr()?.port(), two.local_addr()?.port()])
}

fn run(goinspect: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new(goinspect)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|why| format!("cannot run goinspect: {why}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("goinspect: {}", stderr.trim()));
    }
    String::from_utf8(output.stdout).map_err(|why| why.to_string())
}
