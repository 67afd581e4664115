//! Core files that were cut short or damaged: never a panic or a hang, and an honest report.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Crash, CrashOptions, Toolchain, build, crash};
use model::{Snapshot, StackEnd};
use sampler::{Error, ErrorKind, Options, Wanted, read_core};

const ROUNDS: usize = 1000;
/// Headers and notes lie here.
const HEAD: u64 = 256 << 10;
const PAGE: usize = 4096;

/// Where to cut and what to damage: the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

fn read(core: &Path) -> Result<Snapshot, Error> {
    let wanted = Wanted {
        dead: true,
        places: true,
        objects: true,
        ms: true,
        scheduler: true,
    };
    let options = Options {
        wanted,
        ..Options::default()
    };
    read_core(core, &options)
}

fn crashed(go: &Toolchain) -> Result<(Crash, Snapshot), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::default())?;
    let crash = crash(&zoo, &["-nospin"], &CrashOptions::default())?;
    let whole = read(&crash.core)?;
    let [death] = whole.diagnostics.as_slice() else {
        return Err(format!("{:?}", whole.diagnostics).into());
    };
    assert!(death.contains("died of SIGABRT in thread"), "{death}");
    assert!(death.contains("which ran goroutine 1"), "{death}");
    assert!(whole.unreadable.is_empty(), "{:?}", whole.unreadable);
    Ok((crash, whole))
}

/// What is shown can be written in every format.
fn write(snapshot: &Snapshot) -> Result<(), Failed> {
    let mut sink = std::io::sink();
    report::write_json(snapshot, report::Style::Line, &mut sink)?;
    report::write_summary(snapshot, &mut sink, &report::SummaryOptions::default())?;
    let options = report::TracebackOptions {
        level: report::Level::System,
        elide: false,
    };
    report::write_traceback(snapshot, &mut sink, &options)?;
    Ok(())
}

/// An error that a user could read: about the file, and not about goinspect.
fn is_honest(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::Damaged | ErrorKind::NotFound | ErrorKind::NotSupported
    ) && !error.message.is_empty()
}

/// Cut at a thousand lengths: what is there is shown, that something is missing is said.
pub fn cut_short(go: &Toolchain) -> Result<(), Failed> {
    let (crash, whole) = crashed(go)?;
    let len = fs::metadata(&crash.core)?.len();
    let mut dice = Dice(1);
    let mut lengths: Vec<u64> = (0..ROUNDS)
        .map(|i| dice.roll(if i % 3 == 0 { HEAD } else { len }))
        .collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let file = File::options().write(true).open(&crash.core)?;
    let (mut shown, mut refused) = (0, 0);
    for &len in &lengths {
        file.set_len(len)?;
        match read(&crash.core) {
            Ok(snapshot) => {
                shown += 1;
                let cut = snapshot
                    .diagnostics
                    .iter()
                    .any(|line| line.contains("are missing"));
                assert!(cut, "{len} bytes: {:?}", snapshot.diagnostics);
                let entries = snapshot.goroutines.len() + snapshot.unreadable.len();
                assert_eq!(entries, whole.goroutines.len(), "{len} bytes");
                agree(&snapshot, &whole)?;
                write(&snapshot)?;
            }
            Err(error) if is_honest(&error) => refused += 1,
            Err(error) => return Err(format!("{len} bytes: {error:?}").into()),
        }
    }
    println!("{shown} cut cores were shown, {refused} refused");
    assert!(shown > 100 && refused > 100);
    Ok(())
}

/// What is shown of a cut core is so in the whole one: a stack is the same, or ends early.
fn agree(cut: &Snapshot, whole: &Snapshot) -> Result<(), Failed> {
    for g in &cut.goroutines {
        let same = whole
            .goroutines
            .iter()
            .find(|known| known.goid == g.goid && known.g == g.g);
        let Some(known) = same else {
            return Err(format!("goroutine {} was made up", g.goid).into());
        };
        let shown = g.frames.len();
        let known = known.frames.get(..shown).unwrap_or_default();
        let early = matches!(g.stack_end, StackEnd::Early(_));
        // Of a running one, what stands on the system stack may be lost.
        let runs = g.status == model::Status::Running;
        if !runs && g.frames.as_ref() != known {
            return Err(format!(
                "goroutine {} has another stack (ends early: {early})",
                g.goid
            )
            .into());
        }
    }
    Ok(())
}

/// Hundreds of damages, each by itself.
pub fn corrupted(go: &Toolchain) -> Result<(), Failed> {
    let (crash, _) = crashed(go)?;
    let file = File::options().read(true).write(true).open(&crash.core)?;
    let pages = used_pages(&file)?;
    let mut dice = Dice(2);
    let (mut shown, mut refused) = (0, 0);
    for round in 0..ROUNDS / 2 {
        let mut undo = Vec::new();
        for _ in 0..1 + dice.roll(64) {
            let at = match round % 3 {
                0 => dice.roll(HEAD),
                _ => pages[dice.roll(pages.len() as u64) as usize] + dice.roll(PAGE as u64),
            };
            let mut old = [0; 8];
            file.read_exact_at(&mut old, at)?;
            let new = match dice.roll(4) {
                0 => u64::MAX,
                1 => dice.roll(u64::MAX),
                2 => u64::from_le_bytes(old) ^ 1 << dice.roll(64),
                _ => 0,
            };
            file.write_all_at(&new.to_le_bytes(), at)?;
            undo.push((at, old));
        }
        match read(&crash.core) {
            Ok(snapshot) => {
                shown += 1;
                write(&snapshot)?;
            }
            Err(error) if is_honest(&error) => refused += 1,
            Err(error) => return Err(format!("round {round}: {error:?}").into()),
        }
        for (at, old) in undo.into_iter().rev() {
            file.write_all_at(&old, at)?;
        }
    }
    println!("{shown} damaged cores were shown, {refused} refused");
    // How many are refused depends on where the dice fall.
    assert!(shown > 100 && refused > 0);
    Ok(())
}

/// Where there is anything but zeros.
fn used_pages(file: &File) -> Result<Vec<u64>, Failed> {
    let len = file.metadata()?.len();
    let mut page = [0; PAGE];
    let mut used = Vec::new();
    // The last page is left out: a damage takes eight bytes.
    for at in (0..len.saturating_sub(2 * PAGE as u64)).step_by(PAGE) {
        file.read_exact_at(&mut page, at)?;
        if page.iter().any(|&byte| byte != 0) {
            used.push(at);
        }
    }
    Ok(used)
}
