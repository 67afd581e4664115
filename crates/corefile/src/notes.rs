//! What a core's notes say: the process, its threads, the signal, the mapped files.
//!
//! Sources: `fs/binfmt_elf.c` (`fill_note_info`: the thread that caused the core comes first),
//! gdb's `linux-tdep.c` (`linux_make_corefile_notes`), qemu's `linux-user/elfload.c`.

use model::{Arch, Tid};
use rustc_hash::FxHashSet;
use target::Thread;

use crate::blocks::Blocks;
use crate::bytes::i32_at;
use crate::elf::ProgramHeader;
use crate::note::{self, Note, Stopped};
use crate::options::Limits;
use crate::records::{self, MappedFile, Prpsinfo};

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_SIGINFO: u32 = 0x5349_4749;
const NT_FILE: u32 = 0x4649_4c45;

/// The signal that a core was written for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signal {
    /// Its number on Linux (`SIGABRT` is 6 on every processor that goinspect knows).
    pub number: i32,
    /// `si_code`, where the core has it: positive where the kernel sent the signal,
    /// `SI_USER` (0) or negative where a process did.
    pub code: Option<i32>,
    /// The thread that took it.
    pub tid: Tid,
}

/// All that was learnt from notes.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) threads: Vec<Thread>,
    pub(crate) process: Option<Prpsinfo>,
    pub(crate) files: Vec<MappedFile>,
    pub(crate) auxv: Vec<u8>,
    pub(crate) signal: Option<Signal>,
    pub(crate) problems: Vec<String>,
}

/// Reads the notes of all note segments.
pub(crate) fn read(
    core: &Blocks,
    segments: &[ProgramHeader],
    arch: Arch,
    limits: &Limits,
) -> Notes {
    let mut reader = Reader {
        core,
        arch,
        limits,
        notes: Notes::default(),
        seen: FxHashSet::default(),
        count: Counts::default(),
    };
    let mut budget = limits.notes;
    let mut stops = Vec::new();
    for segment in segments {
        let at = |offset: u64| segment.offset.checked_add(offset);
        let read = |offset, buf: &mut [u8]| core.read(at(offset)?, buf);
        let mut visit = |note: Note| {
            if note.is_by("CORE") && at(note.at).is_some() {
                reader.take(segment.offset, note);
            }
        };
        // Notes of cores are aligned to 4, whatever the segment says.
        let result = note::walk(segment.filesz, 4, &mut budget, &read, &mut visit);
        stops.extend(result.err());
    }
    if segments.is_empty() {
        let what = "the core has no notes: its threads and their registers are unknown";
        reader.notes.problems.push(what.to_owned());
    }
    reader.finish(&stops)
}

struct Reader<'a> {
    core: &'a Blocks,
    arch: Arch,
    limits: &'a Limits,
    notes: Notes,
    seen: FxHashSet<Tid>,
    count: Counts,
}

/// How often what went wrong: a core may have it wrong in thousands of places.
#[derive(Default)]
struct Counts {
    unreadable: usize,
    malformed: usize,
    twice: usize,
    too_many_threads: usize,
    without_registers: usize,
    files_cut: bool,
}

impl Reader<'_> {
    fn take(&mut self, segment: u64, note: Note) {
        if !matches!(
            note.kind,
            NT_PRSTATUS | NT_PRPSINFO | NT_AUXV | NT_SIGINFO | NT_FILE
        ) {
            return;
        }
        let Some(record) = self.contents(segment, note) else {
            self.count.unreadable += 1;
            return;
        };
        let understood = match note.kind {
            NT_PRSTATUS => self.thread(&record),
            NT_PRPSINFO => records::prpsinfo(&record)
                .map(|process| self.notes.process.get_or_insert(process))
                .is_some(),
            NT_SIGINFO => self.siginfo(&record),
            NT_AUXV => {
                if self.notes.auxv.is_empty() {
                    self.notes.auxv = record;
                }
                true
            }
            _ => {
                let (files, whole) = records::mapped_files(&record);
                self.notes.files.extend(files);
                self.count.files_cut |= !whole;
                true
            }
        };
        if !understood {
            self.count.malformed += 1;
        }
    }

    fn contents(&self, segment: u64, note: Note) -> Option<Vec<u8>> {
        // What cannot be there is not allocated for.
        let at = segment.checked_add(note.at)?;
        if note.len > self.limits.note_bytes || at.checked_add(note.len)? > self.core.len() {
            return None;
        }
        let mut record = vec![0; note.len as usize];
        self.core.read(at, &mut record)?;
        Some(record)
    }

    fn thread(&mut self, record: &[u8]) -> bool {
        let Some(status) = records::prstatus(record, self.arch) else {
            return false;
        };
        let thread = status.thread;
        if self.notes.threads.len() >= self.limits.threads {
            self.count.too_many_threads += 1;
            return true;
        }
        if !self.seen.insert(thread.tid) {
            self.count.twice += 1;
            return true;
        }
        if self.notes.threads.is_empty() && status.signal != 0 {
            self.notes.signal = Some(Signal {
                number: status.signal,
                code: None,
                tid: thread.tid,
            });
        }
        self.count.without_registers += usize::from(thread.registers.is_none());
        self.notes.threads.push(thread);
        true
    }

    /// `si_signo`, `si_errno`, `si_code` (`asm-generic/siginfo.h`). The kernel writes one, behind
    /// the first thread; gdb writes one for each thread. The first is the one that counts.
    fn siginfo(&mut self, record: &[u8]) -> bool {
        let (Some(number), Some(code)) = (i32_at(record, 0), i32_at(record, 8)) else {
            return false;
        };
        if let [first] = self.notes.threads.as_slice()
            && number != 0
        {
            self.notes.signal = Some(Signal {
                number,
                code: Some(code),
                tid: first.tid,
            });
        }
        true
    }

    fn finish(mut self, stops: &[Stopped]) -> Notes {
        let count = &self.count;
        let problems = &mut self.notes.problems;
        let mut say = |condition: bool, what: String| {
            if condition {
                problems.push(what);
            }
        };
        say(
            stops.contains(&Stopped::Unreadable) || count.unreadable > 0,
            "the core's notes are incomplete: threads may be missing".to_owned(),
        );
        say(
            stops.contains(&Stopped::TooLong),
            "the core's notes are damaged: one claims to be longer than all of them, and what follows it is unknown"
                .to_owned(),
        );
        say(
            stops.contains(&Stopped::TooMany),
            format!(
                "the core has more than {} notes; the rest was not looked at",
                self.limits.notes
            ),
        );
        say(
            count.malformed > 0,
            format!(
                "{} of the core's notes are too short and were left out",
                count.malformed
            ),
        );
        say(
            count.twice > 0,
            format!(
                "the core lists {} threads twice; the first entry was used",
                count.twice
            ),
        );
        say(
            count.too_many_threads > 0,
            format!(
                "the core has {} threads more than the {} that are looked at",
                count.too_many_threads, self.limits.threads
            ),
        );
        say(
            count.without_registers > 0,
            format!(
                "the core has no usable registers for {} threads",
                count.without_registers
            ),
        );
        say(
            count.files_cut,
            "the core's list of mapped files is incomplete".to_owned(),
        );
        self.notes
    }
}
