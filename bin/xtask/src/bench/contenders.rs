//! Who is measured, and what each of them does.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fixtures::{Program, Requirement, Toolchain};

use super::tool::{self, Used};
use crate::ChoreError;

/// From here on the other debuggers take minutes.
const TOO_MANY_FOR_DEBUGGERS: usize = 1_000_000;

/// One who looks at all goroutines.
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// At most so many rounds.
    pub(super) rounds: usize,
    /// Whether it takes less than a second, so that it can be done every second.
    pub(super) repeatable: bool,
    /// Why it cannot be measured.
    pub(super) missing: Option<String>,
    what: What,
}

enum What {
    /// Nobody looks: what the machine alone does to the program.
    Nothing,
    /// A command for the program itself.
    Ask(&'static str),
    /// A tool; `PID` in its arguments stands for the program's.
    Run(Vec<String>),
}

impl Contender {
    /// Has it look once; `Err` inside says why it could not.
    pub(super) fn act(&self, program: &mut Program) -> Result<Result<Used, String>, ChoreError> {
        match &self.what {
            What::Nothing => std::thread::sleep(Duration::from_millis(300)),
            What::Ask(command) => {
                program.ask(command)?;
            }
            What::Run(words) => {
                let pid = program.pid().to_string();
                let mut words = words.iter();
                let mut command = Command::new(words.next().map_or("", String::as_str));
                command.args(words.map(|word| word.replace("PID", &pid)));
                return Ok(tool::run(&mut command));
            }
        }
        Ok(Ok(Used::default()))
    }
}

/// All of them, those that are not installed included.
pub(super) fn contenders(
    goinspect: &Path,
    toolchain: &Toolchain,
    goroutines: usize,
) -> Vec<Contender> {
    let is_small = goroutines < TOO_MANY_FOR_DEBUGGERS;
    let own = |name, what| Contender {
        name,
        rounds: usize::MAX,
        repeatable: is_small,
        missing: None,
        what,
    };
    let run = |words: &[&str]| What::Run(words.iter().map(|&word| word.to_owned()).collect());
    let debugger = |name, program, what| Contender {
        name,
        rounds: if goroutines < 100_000 { 3 } else { 1 },
        repeatable: false,
        missing: if is_small {
            Requirement::Program(program).missing()
        } else {
            Some("it would take minutes".to_owned())
        },
        what,
    };
    let goinspect = goinspect.to_string_lossy();
    // GOROOT/bin/go
    let goroot = toolchain.go().parent().and_then(Path::parent);
    let script = goroot.map(|root| root.join("src/runtime/runtime-gdb.py"));
    let script = format!("source {}", script.unwrap_or_default().display());
    vec![
        own("nothing", What::Nothing),
        own("goinspect, JSON", run(&[&goinspect, "snapshot", "PID"])),
        own("pprof debug=0", What::Ask("dump 0")),
        own("pprof debug=1", What::Ask("dump 1")),
        own("pprof debug=2", What::Ask("dump 2")),
        debugger(
            "gdb, `info goroutines`",
            "gdb",
            run(&[
                "gdb",
                "-nx",
                "-batch",
                "-p",
                "PID",
                "-ex",
                &script,
                "-ex",
                "info goroutines",
            ]),
        ),
        debugger(
            "Delve, `goroutines -t`",
            "dlv",
            run(&[
                "sh",
                "-c",
                "printf 'goroutines -t\\nexit -c\\n' | dlv attach PID --allow-non-terminal-interactive",
            ]),
        ),
    ]
}
