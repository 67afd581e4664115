//! Running a tool, and what it used.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often to look at what it uses.
const POLL: Duration = Duration::from_millis(5);
/// What takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(300);
/// The unit of times in `/proc/PID/stat` (`USER_HZ` of the kernel).
const TICK: Duration = Duration::from_millis(10);

/// What a tool used.
#[derive(Default)]
pub(super) struct Used {
    /// Processor time, of it and the children that it waited for.
    pub(super) cpu: Option<Duration>,
    /// The most memory that it had, in bytes, as of the last look before its end.
    pub(super) memory: Option<u64>,
}

/// Runs it, without its output, to its end.
pub(super) fn run(command: &mut Command) -> Result<Used, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|why| format!("cannot run {name}: {why}"))?;
    let folder = format!("/proc/{}", child.id());
    let deadline = Instant::now() + DEADLINE;
    let mut memory = None;
    // It stays a zombie, with its times, until it is waited for.
    let cpu = loop {
        let stat = fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
        match of_stat(&stat) {
            Some((false, _)) if Instant::now() < deadline => {}
            Some((false, _)) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it still ran after {DEADLINE:?}"));
            }
            Some((true, cpu)) => break Some(cpu),
            None => break None,
        }
        let status = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
        memory = peak(&status).or(memory);
        thread::sleep(POLL);
    };
    let status = child.wait().map_err(|why| why.to_string())?;
    match status.success() {
        true => Ok(Used { cpu, memory }),
        false => Err(format!("{name}: {status}")),
    }
}

/// Whether a process has ended, and its processor time (proc_pid_stat(5)).
fn of_stat(stat: &str) -> Option<(bool, Duration)> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace();
    let has_ended = matches!(fields.next()?, "Z" | "X");
    // utime, stime, cutime, cstime are fields 14 to 17; the state was the third.
    let ticks: u32 = fields.skip(10).take(4).flat_map(str::parse::<u32>).sum();
    Some((has_ended, TICK * ticks))
}

fn peak(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15";
        assert_eq!(
            of_stat(stat),
            Some((true, Duration::from_millis(10 * (11 + 12 + 13 + 14))))
        );
        assert_eq!(of_stat(""), None);
    }

    #[test]
    fn a_tool_that_fails_is_told() {
        let told = run(Command::new("sh").args(["-c", "exit 3"]))
            .err()
            .unwrap();
        assert!(told.contains('3'), "{told}");
        assert!(run(&mut Command::new("/nonexistent")).is_err());
    }

    #[test]
    fn processor_time_is_counted() {
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let used = run(Command::new("sh").args(["-c", script])).unwrap();
        assert!(used.cpu.unwrap() > Duration::ZERO);
    }
}
