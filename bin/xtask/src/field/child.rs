//! A stranger's program as our child, which never outlives us.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait between two looks at something that will happen.
const POLL: Duration = Duration::from_millis(20);

/// A running program. Dropping it kills it and all that it started.
pub(super) struct Running {
    child: Child,
    /// What it writes, stdout and stderr alike.
    log: PathBuf,
}

impl Running {
    /// Starts `command` in a process group of its own, with its output in the file `log`.
    pub(super) fn start(command: &Command, log: &Path) -> Result<Running, String> {
        let file = File::create(log).map_err(|why| format!("{}: {why}", log.display()))?;
        let both = file.try_clone().map_err(|why| why.to_string())?;
        // However we end, the kernel ends it, too (PR_SET_PDEATHSIG).
        let mut wrapped = Command::new("setpriv");
        wrapped.args(["--pdeathsig", "KILL", "--"]);
        wrapped.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        let child = wrapped
            .process_group(0)
            // Open and silent: some programs end with their stdin.
            .stdin(Stdio::piped())
            .stdout(both)
            .stderr(file)
            .spawn()
            .map_err(|why| format!("cannot run setpriv: {why}"))?;
        Ok(Running {
            child,
            log: log.to_owned(),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All it has written.
    pub(super) fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until something holds; `Err` if the program ends before, or it takes too long.
    pub(super) fn wait_until(
        &mut self,
        what: &str,
        within: Duration,
        mut holds: impl FnMut(&Running) -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + within;
        while !holds(self) {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended ({status}): {}", self.last_words()));
            }
            if Instant::now() > deadline {
                let words = self.last_words();
                return Err(format!("not {what} after {within:?}: {words}"));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Sends it a signal, by name.
    pub(super) fn signal(&self, name: &str) -> Result<(), String> {
        send(name, &self.pid().to_string()).map_err(|why| format!("kill: {why}"))
    }

    /// Waits for its end.
    pub(super) fn wait_for_end(&mut self, within: Duration) -> Result<(), String> {
        let deadline = Instant::now() + within;
        loop {
            match self.child.try_wait() {
                Ok(Some(_)) => return Ok(()),
                Err(why) => return Err(why.to_string()),
                Ok(None) if Instant::now() > deadline => {
                    return Err(format!("it still runs {within:?} after its last signal"));
                }
                Ok(None) => thread::sleep(POLL),
            }
        }
    }

    fn last_words(&self) -> String {
        let log = self.log();
        let last = log.lines().rev().find(|line| !line.trim().is_empty());
        last.unwrap_or("it said nothing").to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The group is still its own, for the child is not reaped yet or was its leader; an
        // error means that nothing of it is left.
        let _ = send("KILL", &format!("-{}", self.pid()));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An error of a command that has failed.
pub(super) fn succeeded(status: ExitStatus) -> io::Result<()> {
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(status.to_string())),
    }
}

fn send(signal: &str, to: &str) -> io::Result<()> {
    let status = Command::new("kill")
        .args(["-s", signal, "--", to])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    succeeded(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (Running, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let running = Running::start(&command, &folder.path().join("log")).unwrap();
        (running, folder)
    }

    fn is_gone(pid: u32) -> bool {
        fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
    }

    #[test]
    fn dropping_ends_it_and_what_it_started() {
        let (mut running, _folder) = shell("sleep 1000 & echo $!; wait");
        running
            .wait_until("told", Duration::from_secs(30), |r| r.log().ends_with('\n'))
            .unwrap();
        let (pid, started) = (running.pid(), running.log().trim().parse().unwrap());
        drop(running);
        assert!(is_gone(pid));
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_gone(started) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        assert!(is_gone(started));
    }

    #[test]
    fn an_early_end_is_told_with_its_last_words() {
        let (mut running, _folder) = shell("echo no luck; exit 3");
        let told = running.wait_until("ready", Duration::from_secs(30), |_| false);
        let told = told.unwrap_err();
        assert!(told.contains("3") && told.contains("no luck"), "{told}");
    }

    #[test]
    fn signals_go_to_it() {
        let (mut running, _folder) =
            shell("trap 'echo heard; exit' QUIT; echo up; while :; do sleep 0.1; done");
        running
            .wait_until("up", Duration::from_secs(30), |r| r.log().contains("up"))
            .unwrap();
        running.signal("QUIT").unwrap();
        running.wait_for_end(Duration::from_secs(30)).unwrap();
        assert!(running.log().contains("heard"));
    }
}
