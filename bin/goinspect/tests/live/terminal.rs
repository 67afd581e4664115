//! The terminal UI in a real terminal (tmux).

use std::process::{Command, Stdio};

use fixtures::trials::Failed;
use fixtures::{BuildOptions, CrashOptions, Program, Toolchain, build, crash};

use crate::process::{runs_freely, until};
use crate::run::{GOINSPECT, goinspect};

/// A tmux server of its own with one window; killed at the end.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn open(name: &str, command: &str) -> Result<Terminal, Failed> {
        let socket = format!("goinspect-{name}-{}", std::process::id());
        let terminal = Terminal { socket };
        let status = terminal
            .tmux(&[
                "-f",
                "/dev/null",
                "new-session",
                "-d",
                "-x",
                "120",
                "-y",
                "40",
                command,
            ])
            .status()?;
        assert!(status.success());
        Ok(terminal)
    }

    fn tmux(&self, args: &[&str]) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-L")
            .arg(&self.socket)
            .args(args)
            .env("TERM", "xterm-256color")
            .stdin(Stdio::null());
        tmux
    }

    fn keys(&self, keys: &[&str]) -> Result<(), Failed> {
        let mut args = vec!["send-keys"];
        args.extend(keys);
        assert!(self.tmux(&args).status()?.success());
        Ok(())
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
            .output()
            .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
            .unwrap_or_default()
    }

    /// Waits until the screen shows all of `words`.
    fn shows(&self, words: &[&str]) -> Result<String, Failed> {
        let found = until("", || {
            let screen = self.screen();
            words
                .iter()
                .all(|word| screen.contains(word))
                .then_some(screen)
        });
        found.map_err(|_| format!("{words:?} did not appear on:\n{}", self.screen()).into())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]).stderr(Stdio::null()).status();
    }
}

/// A shell that says when goinspect has left, and with which code.
fn shell(pid: u32) -> String {
    format!("sh -c '{GOINSPECT} attach {pid}; echo left with $?; exec cat'")
}

pub fn shows_finds_and_leaves(go: &Toolchain) -> Result<(), Failed> {
    let zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &[])?;
    let name = format!("shows-{}", go.language().replace('.', "-"));
    let terminal = Terminal::open(&name, &shell(zoo.pid()))?;
    terminal.shows(&[&zoo.pid().to_string(), go.version(), "main."])?;
    terminal.keys(&["?"])?;
    terminal.shows(&["quit"])?;
    // Not Esc: with a key right behind it, it would be another key.
    terminal.keys(&["?"])?;
    terminal.keys(&["/", "waitNilSend", "Enter"])?;
    let screen = terminal.shows(&["waitNilSend", "chan send (nil chan)"])?;
    assert!(
        !screen.contains("waitNilRecv"),
        "the filter left more than it should:\n{screen}"
    );
    terminal.keys(&["q"])?;
    terminal.shows(&["left with 0"])?;
    runs_freely(zoo.pid())?;
    zoo.quit()?;
    Ok(())
}

/// The last state stays on the screen when the program ends.
pub fn target_ends(go: &Toolchain) -> Result<(), Failed> {
    let zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &[])?;
    let name = format!("ends-{}", go.language().replace('.', "-"));
    let terminal = Terminal::open(&name, &shell(zoo.pid()))?;
    terminal.shows(&[go.version(), "main."])?;
    zoo.quit()?;
    terminal.shows(&["ended", "main."])?;
    terminal.keys(&["C-c"])?;
    terminal.shows(&["left with 0"])?;
    Ok(())
}

/// Whoever knows nothing of the program finds its leak and its deadlock by keys, and the terminal is what it was afterwards.
pub fn finds_the_leak_and_the_deadlock(go: &Toolchain) -> Result<(), Failed> {
    let demo = build(go, "demo", &BuildOptions::default())?;
    let demo = Program::start(&demo, &["-deadlock-after", "1s"])?;
    let name = format!("demo-{}", go.language().replace('.', "-"));
    let terminal = Terminal::open(&name, &shell(demo.pid()))?;
    // There is a sample to be marked.
    terminal.shows(&["[1 Goroutines]", "main."])?;
    // The leak: a group that grows.
    terminal.keys(&["m", "2"])?;
    terminal.shows(&["[2 Groups]", "deliverReceipt", "since mark"])?;
    // The deadlock: a finding, the lock that it is about, and who has that.
    terminal.keys(&["5"])?;
    terminal.shows(&["[5 Findings", "error", "wait to lock the mutex"])?;
    // The selection stays with what was found before.
    terminal.keys(&["g"])?;
    terminal.shows(&["error, suspected", "wait to lock the mutex", "stuck"])?;
    terminal.keys(&["Enter"])?;
    terminal.shows(&["cause", "startPromotion", "priceOf"])?;
    terminal.keys(&["j", "j", "Enter", "Enter"])?;
    terminal.shows(&["⌫ mutex", "waiting (lock)", "Refer to it"])?;
    terminal.keys(&["BSpace"])?;
    terminal.shows(&["waits to lock mutex", "who may serve it"])?;
    // Another size, and back from the shell.
    let resize = ["resize-window", "-x", "80", "-y", "24"];
    assert!(terminal.tmux(&resize).status()?.success());
    terminal.keys(&["3"])?;
    terminal.shows(&["[3 Tree]", "WHO STARTED WHOM"])?;
    terminal.keys(&["q"])?;
    terminal.shows(&["left with 0"])?;
    runs_freely(demo.pid())?;
    demo.quit()?;
    Ok(())
}

/// Ctrl-Z gives the terminal back to the shell, `fg` takes it again; the program runs on all the while.
pub fn is_suspended_and_resumed(go: &Toolchain) -> Result<(), Failed> {
    let zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &[])?;
    let terminal = Terminal::open("suspend", "bash --norc --noprofile -i")?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let settings = |name: &str| -> Result<(), Failed> {
        terminal.keys(&["-l", &format!("stty -g >{}; echo {name} noted", file(name))])?;
        terminal.keys(&["Enter"])?;
        // Not the command itself, which is there too.
        terminal.shows(&[&format!("\n{name} noted")])?;
        Ok(())
    };
    settings("before")?;
    let command = format!("{GOINSPECT} attach {} --interval 100ms", zoo.pid());
    terminal.keys(&["-l", &command])?;
    terminal.keys(&["Enter"])?;
    terminal.shows(&["[1 Goroutines]"])?;
    terminal.keys(&["C-z"])?;
    terminal.shows(&["Stopped"])?;
    runs_freely(zoo.pid())?;
    terminal.keys(&["-l", "fg"])?;
    terminal.keys(&["Enter"])?;
    terminal.shows(&["[1 Goroutines]", "q quit"])?;
    // What is on the screen is saved, once.
    for said in ["wrote", "exists: nothing was written"] {
        terminal.keys(&["w"])?;
        terminal.shows(&["write to goinspect-"])?;
        terminal.keys(&["C-u"])?;
        terminal.keys(&["-l", &file("saved")])?;
        terminal.keys(&["Enter"])?;
        terminal.shows(&[said])?;
    }
    terminal.keys(&["q"])?;
    // What is typed before the shell is back may be lost.
    terminal.shows(&["--interval 100ms\nbash"])?;
    terminal.keys(&["-l", "echo left with $?"])?;
    terminal.keys(&["Enter"])?;
    terminal.shows(&["left with 0"])?;
    settings("after")?;
    let read = |name: &str| std::fs::read_to_string(file(name));
    assert_eq!(read("before")?, read("after")?);
    let saved = goinspect(&["snapshot", &file("saved"), "--format", "summary"]);
    assert!(saved.status.success(), "{saved:?}");
    zoo.quit()?;
    Ok(())
}

/// A core file is shown as it is; it takes no samples, and leaves as a process does.
pub fn shows_a_core(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::default())?;
    let crash = crash(&zoo, &["-nospin"], &CrashOptions::default())?;
    let command = format!("{GOINSPECT} core {}", crash.core.display());
    let terminal = Terminal::open("core", &format!("{command}; echo left with $?; read line"))?;
    terminal.shows(&["CORE FILE", "a core file holds one state only", "main.open"])?;
    terminal.keys(&["/"])?;
    terminal.keys(&["-l", "waitNilReceive"])?;
    terminal.keys(&["Enter"])?;
    terminal.shows(&["1 of 1"])?;
    terminal.keys(&["q"])?;
    terminal.shows(&["left with 0"])?;
    Ok(())
}

/// A recording plays to its end; any of its samples looks as it does alone.
pub fn replays_a_recording(go: &Toolchain) -> Result<(), Failed> {
    let zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &["-nospin"])?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (recording, saved) = (file("recording"), file("saved"));
    let pid = zoo.pid().to_string();
    let record = [
        "record",
        &pid,
        "-o",
        &recording,
        "--interval",
        "20ms",
        "--duration",
        "300ms",
    ];
    assert!(goinspect(&record).status.success());
    zoo.quit()?;
    let first = format!("{recording}@1");
    assert!(
        goinspect(&["snapshot", &first, "-o", &saved])
            .status
            .success()
    );
    let attach = |name: &str, target: &str| {
        let command = format!("{GOINSPECT} attach {target}; echo left with $?; read line");
        Terminal::open(name, &command)
    };

    let alone = attach("saved", &saved)?;
    let alone = alone.shows(&["a saved snapshot holds one state only", "main.open"])?;
    let terminal = attach("replay", &recording)?;
    // It plays to the end, and begins anew.
    terminal.shows(&["PAUSED", "sample ", "(d)"])?;
    terminal.keys(&["("])?;
    let screen = terminal.shows(&["sample 1 of ", "main.open"])?;
    // Below the tabs, one of which counts findings as soon as there are any.
    let rows = |screen: &str| -> Vec<String> {
        screen.lines().skip(3).take(15).map(str::to_owned).collect()
    };
    assert_eq!(rows(&screen), rows(&alone));
    terminal.keys(&["]"])?;
    terminal.shows(&["sample 2 of ", "+0 new", "-0 gone"])?;
    terminal.keys(&[")"])?;
    terminal.shows(&["(d)"])?;
    terminal.keys(&["d"])?;
    terminal.shows(&["the recording ended: its time was over"])?;
    terminal.keys(&["d"])?;
    terminal.keys(&["q"])?;
    terminal.shows(&["left with 0"])?;

    // What is damaged is told, and does not hide the rest.
    let mut bytes = std::fs::read(&recording)?;
    let at = bytes.len() - 300;
    bytes[at] ^= 0xff;
    let damaged = file("damaged");
    std::fs::write(&damaged, bytes)?;
    let terminal = attach("damaged", &damaged)?;
    terminal.shows(&["error: sample ", "is damaged", "main.open"])?;
    terminal.keys(&["("])?;
    terminal.shows(&["sample 1 of ", "main.open"])?;
    terminal.keys(&["q"])?;
    terminal.shows(&["left with 0"])?;

    // One that is named is stood at.
    let terminal = attach("sample", &format!("{recording}@2"))?;
    terminal.shows(&["sample 2 of ", "PAUSED"])?;
    terminal.keys(&["q"])?;
    terminal.shows(&["left with 0"])?;
    Ok(())
}

/// A profile is binary: a terminal is spared it.
pub fn refuses_a_profile() -> Result<(), Failed> {
    let command = format!("{GOINSPECT} snapshot 1 --format pprof; echo exit $?; read line");
    let terminal = Terminal::open("profile", &command)?;
    terminal.shows(&[
        "error: a pprof profile is binary",
        "hint: ",
        "-o FILE",
        "exit 2",
    ])?;
    Ok(())
}
