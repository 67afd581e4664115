//! goinspect as a process of its own: run to its end, or killed at any moment.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::process::{runs_freely, tracer};

use super::health::words;

/// About how long a program is held.
const STOP: Duration = Duration::from_millis(1);

/// A goinspect that looks at `pid` again and again, in the way that users do.
pub(super) struct Runner<'a> {
    goinspect: &'a Path,
    pid: u32,
    /// How long a run takes.
    usual: Duration,
    random: u64,
}

impl<'a> Runner<'a> {
    pub(super) fn new(goinspect: &'a Path, pid: u32) -> Runner<'a> {
        Runner {
            goinspect,
            pid,
            usual: Duration::from_millis(100),
            // That it differs from run to run is what it is there for.
            random: u64::from(pid) ^ u64::from(std::process::id()) << 32,
        }
    }

    fn start(&self) -> Result<Child, String> {
        Command::new(self.goinspect)
            .args(["snapshot", &self.pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| format!("goinspect cannot be run: {why}"))
    }

    /// Runs it to its end.
    pub(super) fn run(&mut self) -> Result<(), String> {
        let began = Instant::now();
        let status = self.start()?.wait().map_err(|why| why.to_string())?;
        self.usual = began.elapsed();
        match status.success() {
            true => Ok(()),
            false => Err(format!("goinspect snapshot: {status}")),
        }
    }

    /// Kills one at a random moment of a run, or of its stop: that is but a small part of it.
    /// Returns whether the program was held then.
    pub(super) fn kill(&mut self, in_stop: bool) -> Result<bool, String> {
        let mut child = self.start()?;
        let moment = match in_stop {
            false => self.usual.mul_f64(self.fraction()),
            true => {
                while tracer(self.pid) == 0 && matches!(child.try_wait(), Ok(None)) {}
                STOP.mul_f64(self.fraction())
            }
        };
        let began = Instant::now();
        match in_stop {
            false => std::thread::sleep(moment),
            // Too short to be slept.
            true => while began.elapsed() < moment {},
        }
        let held = tracer(self.pid) != 0;
        let killed = child.kill().and_then(|()| child.wait());
        killed.map_err(|why| why.to_string())?;
        runs_freely(self.pid)
            .map_err(|why| format!("after a kill at {moment:.1?}: {}", words(why)))?;
        Ok(held)
    }

    /// From 0 to 1. The generator is that of Knuth's MMIX.
    fn fraction(&mut self) -> f64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 32) as f64 / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spread_over_a_run() {
        let mut runner = Runner::new(Path::new("goinspect"), 7);
        let mut tenths = [0; 10];
        for _ in 0..1000 {
            let fraction = runner.fraction();
            assert!((0.0..=1.0).contains(&fraction));
            tenths[((fraction * 10.0) as usize).min(9)] += 1;
        }
        assert!(tenths.iter().all(|&n| n > 50), "{tenths:?}");
    }
}
