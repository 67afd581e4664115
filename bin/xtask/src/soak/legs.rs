//! The programs that are sampled, and how each is built.

use std::path::Path;
use std::process::Command;

use fixtures::build::c_host;
use fixtures::toolchain::{RELEASES, newest};
use fixtures::{BuildOptions, FixtureError, Program, Toolchain, build};

/// One program of one Go version, built in one way.
pub(super) struct Leg {
    program: &'static str,
    /// How it is built and started, in a word.
    how: &'static str,
    args: &'static [&'static str],
    options: BuildOptions,
    kind: Kind,
    /// The Go version.
    pub(super) go: &'static str,
    /// Its share of all samples, in relation to the others'.
    pub(super) share: usize,
    /// How many goroutines a sample may have.
    pub(super) goroutines: Goroutines,
}

/// What is known of how many goroutines of its own a program has.
#[derive(Clone, Copy)]
pub(super) enum Goroutines {
    /// They neither begin nor end: as many as the program itself counts.
    AsCounted,
    /// Never more than so many.
    Below(usize),
}

enum Kind {
    Executable,
    /// `zoo` as a library in a C program.
    InC,
}

/// What is built and started in different ways.
struct Recipe {
    program: &'static str,
    how: &'static str,
    args: &'static [&'static str],
    options: fn() -> BuildOptions,
    kind: Kind,
    share: usize,
    goroutines: Goroutines,
}

const STRIPPED: &str = "-ldflags=-s -w";

/// Those whose working depends on the Go version most, with each of them.
fn for_each() -> Vec<Recipe> {
    vec![
        recipe("churn", "", &[], BuildOptions::default, 8, MOVING),
        recipe("touchy", "with C", &[], with_cgo, 4, MOVING),
    ]
}

/// All others, with the newest and an old one.
fn for_some() -> Vec<Recipe> {
    use Goroutines::AsCounted;
    let plain = BuildOptions::default;
    vec![
        recipe("zoo", "", &["-nospin"], plain, 4, AsCounted),
        recipe(
            "zoo",
            "across C",
            &["-cross"],
            BuildOptions::with_c,
            3,
            AsCounted,
        ),
        recipe(
            "zoo",
            "PIE, stripped",
            &["-woken"],
            || BuildOptions::with_flags(["-buildmode=pie", STRIPPED]),
            3,
            AsCounted,
        ),
        recipe("restless", "", &[], plain, 4, AsCounted),
        recipe(
            "crowd",
            "1000",
            &["-n", "1000", "-stall=false"],
            plain,
            3,
            AsCounted,
        ),
        recipe(
            "crowd",
            "20000",
            &["-n", "20000", "-stall=false"],
            plain,
            1,
            AsCounted,
        ),
        recipe(
            "bugs",
            "",
            &["-case", "lock-order"],
            plain,
            2,
            Goroutines::Below(1000),
        ),
        recipe("demo", "", &["-deadlock-after", "3s"], plain, 3, LEAKING),
        recipe(
            "churn",
            "stripped",
            &[],
            || BuildOptions::with_flags([STRIPPED]),
            4,
            MOVING,
        ),
        recipe("touchy", "stopped, too", &["-jobs"], with_cgo, 3, MOVING),
        recipe(
            "touchy",
            "without C, stripped",
            &["-jobs"],
            || BuildOptions::with_flags([STRIPPED]),
            2,
            MOVING,
        ),
        recipe("cstack", "", &[], with_cgo, 2, AsCounted),
        Recipe {
            kind: Kind::InC,
            ..recipe(
                "zoo",
                "in C",
                &["-nospin"],
                || BuildOptions::hosted("c-shared"),
                2,
                AsCounted,
            )
        },
    ]
}

const MOVING: Goroutines = Goroutines::Below(5000);
/// The demo leaks goroutines: that is its point.
const LEAKING: Goroutines = Goroutines::Below(100_000);

fn with_cgo() -> BuildOptions {
    BuildOptions {
        cgo: true,
        ..BuildOptions::default()
    }
}

fn recipe(
    program: &'static str,
    how: &'static str,
    args: &'static [&'static str],
    options: fn() -> BuildOptions,
    share: usize,
    goroutines: Goroutines,
) -> Recipe {
    Recipe {
        program,
        how,
        args,
        options,
        kind: Kind::Executable,
        share,
        goroutines,
    }
}

/// All of them.
pub(super) fn legs() -> Vec<Leg> {
    // Not the oldest: it is of Debian, and has the fewest programs.
    const OLD: &str = "1.21.13";
    let each = RELEASES
        .into_iter()
        .flat_map(|go| for_each().into_iter().map(move |recipe| recipe.with(go)));
    let some = [newest(), OLD]
        .into_iter()
        .flat_map(|go| for_some().into_iter().map(move |recipe| recipe.with(go)));
    each.chain(some).collect()
}

impl Recipe {
    fn with(self, go: &'static str) -> Leg {
        Leg {
            program: self.program,
            how: self.how,
            args: self.args,
            options: (self.options)(),
            kind: self.kind,
            go,
            share: self.share,
            goroutines: self.goroutines,
        }
    }
}

impl Leg {
    /// Program and way of building.
    pub(super) fn title(&self) -> String {
        match self.how {
            "" => self.program.to_owned(),
            how => format!("{}, {how}", self.program),
        }
    }

    /// The same with the Go version.
    pub(super) fn name(&self) -> String {
        format!("{}, Go {}", self.title(), self.go)
    }

    /// Builds and starts it.
    pub(super) fn start(&self, folder: &Path) -> Result<Program, FixtureError> {
        let toolchain = Toolchain::obtain(self.go)?;
        let built = build(&toolchain, self.program, &self.options)?;
        match self.kind {
            Kind::Executable => Program::start(&built, self.args),
            Kind::InC => {
                let mut command = Command::new(c_host(folder, None)?);
                command.args(self.args).env("HOST_LIBRARY", built);
                Program::spawn(command)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_of_its_own() {
        let mut names: Vec<String> = legs().iter().map(Leg::name).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
