//! The snapshot JSON, version 1: `docs/SCHEMA.md` is the contract, and
//! [`SNAPSHOT_SCHEMA`] the same for machines.
//!
//! The structs here spell that contract and nothing else. They borrow from the model
//! and are made one goroutine at a time while writing, so a million goroutines need
//! no second copy in memory.

mod shared;
mod writer;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::objects::ObjectDto;
use crate::scheduler::SchedulerDto;
use crate::waiting::WaitingDto;
use model::{
    Addr, BuildInfo, CaptureInfo, Frame, FrameKind, Function, Goid, Goroutine, LayoutSource,
    Object, Site, Snapshot, StackBounds, StackEnd, SymbolSource, TargetInfo, TargetKind, Trust,
    Unreadable, WaitingOn,
};
use serde::{Serialize, Serializer};
use shared::{Frames, Goroutines};
pub(crate) use writer::write_object;
/// The JSON Schema (2020-12) that everything [`write_json`] writes conforms to.
pub const SNAPSHOT_SCHEMA: &str = include_str!("../../../docs/snapshot.schema.json");

/// What [`write_json`] writes and [`crate::read_json()`] reads: the value of `schema`.
pub(crate) const SNAPSHOT_VERSION: &str = "goinspect.snapshot/1";

/// How a note begins that tells why a stack ends early.
pub(crate) const ENDS_EARLY: &str = "stack ends early: ";

/// What `lang` of a C frame is.
pub(crate) const LANG_C: &str = "c";

/// How the object is laid out; the content is the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// On one line: one after the other they make a recording.
    Line,
    /// Indented, for people.
    Pretty,
}

/// Writes the snapshot as one JSON object and a newline.
///
/// It writes every goroutine the snapshot holds; leaving out the dead ones is for
/// who takes the snapshot. `out` need not be buffered.
pub fn write_json(snapshot: &Snapshot, style: Style, out: impl Write) -> io::Result<()> {
    write_object(&SnapshotDto::new(snapshot, style), style, out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotDto<'a> {
    schema: &'static str,
    captured_at: Option<String>,
    target: TargetDto<'a>,
    build: BuildDto<'a>,
    capture: CaptureDto,
    goroutines: Goroutines<'a>,
    objects: Option<Each<'a, Object, ObjectDto<'a>>>,
    scheduler: Option<SchedulerDto<'a>>,
    unreadable: Each<'a, Unreadable, UnreadableDto<'a>>,
    diagnostics: &'a [String],
}

#[derive(Serialize)]
pub(crate) struct TargetDto<'a> {
    kind: &'static str,
    pid: Option<i32>,
    exe: Option<Cow<'a, str>>,
    module: Option<Cow<'a, str>>,
    text: Option<TextDto>,
    core: Option<Cow<'a, str>>,
    arch: &'a str,
    threads: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TextDto {
    start: Hex,
    end: Hex,
    file_offset: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuildDto<'a> {
    go_version: &'a str,
    path: Option<&'a str>,
    main: Option<&'a str>,
    settings: &'a BTreeMap<String, String>,
    gnu_build_id: Option<String>,
    go_build_id: Option<Cow<'a, str>>,
    layout: &'static str,
    symbols: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaptureDto {
    pause_ns: Option<u64>,
    bytes_read: u64,
    goroutines: usize,
    unreadable: usize,
    consistent: bool,
    nanotime: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GoroutineDto<'a> {
    goid: u64,
    parent_goid: Option<u64>,
    g: Hex,
    status: &'static str,
    waitreason: Option<&'a str>,
    waitsince: Option<u64>,
    tracking_seq: Option<u8>,
    parking_on_chan: bool,
    gopc: Option<SiteDto<'a>>,
    startpc: Option<SiteDto<'a>>,
    system: bool,
    thread: Option<i32>,
    locked_to_thread: bool,
    labels: Option<BTreeMap<&'a str, &'a str>>,
    waiting_on: Option<Each<'a, WaitingOn, WaitingDto<'a>>>,
    stack: Option<StackDto>,
    frames: Frames<'a>,
    stack_end: &'static str,
    notes: Vec<Cow<'a, str>>,
}

#[derive(Serialize)]
pub(crate) struct SiteDto<'a> {
    pc: Hex,
    func: Option<&'a str>,
    /// Left out where it is not known, as in what [`crate::read_json()`] read from a file without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Hex>,
    file: Option<&'a str>,
    line: Option<u32>,
}

#[derive(Serialize)]
struct StackDto {
    lo: Hex,
    hi: Hex,
    sp: Option<Hex>,
    used: Option<u64>,
}

#[derive(Serialize)]
pub(crate) struct FrameDto<'a> {
    pc: Hex,
    func: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Hex>,
    file: Option<&'a str>,
    line: Option<u32>,
    inlined: bool,
    trust: &'static str,
    /// Only written for the few frames where it is true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    wrapper: bool,
    /// Only written for what is not Go.
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<&'static str>,
    /// Only written with `lang`.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Option<&'a str>>,
}

#[derive(Serialize)]
pub(crate) struct UnreadableDto<'a> {
    index: usize,
    g: Hex,
    reason: &'a str,
}

impl<'a> SnapshotDto<'a> {
    fn new(s: &'a Snapshot, style: Style) -> Self {
        SnapshotDto {
            schema: SNAPSHOT_VERSION,
            captured_at: rfc3339(s.captured_at),
            target: TargetDto::new(&s.target),
            build: BuildDto::new(&s.build),
            capture: CaptureDto::new(&s.capture, s.goroutines.len(), s.unreadable.len()),
            goroutines: Goroutines {
                all: &s.goroutines,
                style,
            },
            objects: s.objects.as_deref().map(|list| Each(list, ObjectDto::new)),
            scheduler: s.scheduler.as_ref().map(SchedulerDto::new),
            unreadable: Each(&s.unreadable, UnreadableDto::new),
            diagnostics: &s.diagnostics,
        }
    }
}

impl<'a> TargetDto<'a> {
    pub(crate) fn new(t: &'a TargetInfo) -> Self {
        TargetDto {
            kind: match t.kind {
                TargetKind::Process => "process",
                TargetKind::Core => "core",
            },
            pid: t.pid.map(|pid| pid.0),
            exe: t.exe.as_deref().map(Path::to_string_lossy),
            module: t.module.as_deref().map(Path::to_string_lossy),
            text: t.text.map(|text| TextDto {
                start: Hex(text.start),
                end: Hex(text.end),
                file_offset: text.file_offset,
            }),
            core: t.core.as_deref().map(Path::to_string_lossy),
            arch: t.arch,
            threads: t.threads,
        }
    }
}

impl<'a> BuildDto<'a> {
    pub(crate) fn new(b: &'a BuildInfo) -> Self {
        BuildDto {
            go_version: &b.go_version,
            path: b.path.as_deref(),
            main: b.main.as_deref(),
            settings: &b.settings,
            gnu_build_id: b.ids.gnu_hex(),
            go_build_id: b.ids.go.as_deref().map(String::from_utf8_lossy),
            layout: match b.layout {
                LayoutSource::Dwarf => "dwarf",
                LayoutSource::DebugFile => "debugfile",
                LayoutSource::Table => "table",
                LayoutSource::Assumed => "assumed",
            },
            symbols: match b.symbols {
                SymbolSource::Symtab => "symtab",
                SymbolSource::Found => "found",
            },
        }
    }
}

impl CaptureDto {
    pub(crate) fn new(c: &CaptureInfo, goroutines: usize, unreadable: usize) -> Self {
        CaptureDto {
            // 64 bits of nanoseconds are 584 years.
            pause_ns: c
                .pause
                .map(|p| u64::try_from(p.as_nanos()).unwrap_or(u64::MAX)),
            bytes_read: c.bytes_read,
            goroutines,
            unreadable,
            consistent: c.consistent,
            nanotime: c.nanotime,
        }
    }
}

impl<'a> GoroutineDto<'a> {
    pub(crate) fn new(g: &'a Goroutine) -> Self {
        let mut notes: Vec<Cow<'a, str>> = g.notes.iter().map(|n| n.as_str().into()).collect();
        let stack_end = match &g.stack_end {
            StackEnd::Complete => "complete",
            StackEnd::Early(why) => {
                notes.push(format!("{ENDS_EARLY}{why}").into());
                "early"
            }
        };
        GoroutineDto {
            goid: g.goid.0,
            parent_goid: g.parent_goid.map(|Goid(id)| id),
            g: Hex(g.g),
            status: g.status.as_str(),
            waitreason: g.waitreason.as_deref(),
            waitsince: g.waitsince,
            tracking_seq: g.tracking_seq,
            parking_on_chan: g.parking_on_chan,
            gopc: g.gopc.as_ref().map(SiteDto::new),
            startpc: g.startpc.as_ref().map(SiteDto::new),
            system: g.system,
            thread: g.thread.map(|tid| tid.0),
            locked_to_thread: g.locked_to_thread,
            labels: g.labels.as_deref().map(|pairs| labels(pairs, &mut notes)),
            waiting_on: g
                .waiting_on
                .as_deref()
                .map(|all| Each(all, WaitingDto::new)),
            stack: g.stack.map(StackDto::new),
            frames: Frames::Each(Each(&g.frames, FrameDto::new)),
            stack_end,
            notes,
        }
    }
}

impl<'a> SiteDto<'a> {
    pub(crate) fn new(s: &'a Site) -> Self {
        SiteDto {
            pc: Hex(s.pc),
            func: s.function.as_ref().map(|f| &*f.name),
            entry: s.function.as_ref().and_then(known_entry),
            file: known_file(&s.file),
            line: known_line(s.line),
        }
    }
}

impl StackDto {
    fn new(s: StackBounds) -> Self {
        StackDto {
            lo: Hex(s.lo),
            hi: Hex(s.hi),
            sp: s.sp.map(Hex),
            used: s.used(),
        }
    }
}

impl<'a> FrameDto<'a> {
    pub(crate) fn new(f: &'a Frame) -> Self {
        FrameDto {
            pc: Hex(f.pc),
            func: &f.function.name,
            entry: known_entry(&f.function),
            file: known_file(&f.file),
            line: known_line(f.line),
            inlined: f.inlined,
            trust: match f.trust {
                Trust::Exact => "exact",
                Trust::Assumed => "assumed",
            },
            wrapper: f.kind == FrameKind::Wrapper,
            lang: f.is_c().then_some(LANG_C),
            object: f.is_c().then(|| f.object()),
        }
    }
}

impl<'a> UnreadableDto<'a> {
    pub(crate) fn new(u: &'a Unreadable) -> Self {
        UnreadableDto {
            index: u.index,
            g: Hex(u.g),
            reason: &u.reason,
        }
    }
}

/// The labels by key. The runtime holds a key once, but bytes that are not UTF-8 may
/// have made two keys equal, and a damaged target may hold anything. Then the last
/// one counts, as in `pprof.Labels`, and a note says so.
fn labels<'a>(
    pairs: &'a [(Arc<str>, Arc<str>)],
    notes: &mut Vec<Cow<'a, str>>,
) -> BTreeMap<&'a str, &'a str> {
    let mut by_key = BTreeMap::new();
    let mut repeated = BTreeSet::new();
    for (key, value) in pairs {
        if by_key.insert(&**key, &**value).is_some() {
            repeated.insert(&**key);
        }
    }
    for key in repeated {
        notes.push(format!("label {key:?} was set more than once: the last value is shown").into());
    }
    by_key
}

/// No function starts at address 0.
fn known_entry(function: &Function) -> Option<Hex> {
    (!function.entry.is_null()).then_some(Hex(function.entry))
}

/// The model prints an unknown file as Go does; in JSON what is unknown is `null`.
fn known_file(file: &str) -> Option<&str> {
    (file != "?").then_some(file)
}

fn known_line(line: u32) -> Option<u32> {
    (line != 0).then_some(line)
}

/// UTC with nine digits of fraction. `None` for a time that RFC 3339 has no words for:
/// its years have four digits (a core file's time may be anything).
pub(crate) fn rfc3339(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    let text = format!("{time:.9}");
    // jiff writes years before 0 with a sign and six digits.
    (!text.starts_with('-')).then_some(text)
}

/// An address: a string, because JSON's numbers end at 2⁵³ for many readers.
pub(crate) struct Hex(pub(crate) Addr);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A list whose elements are turned into `D` only while they are written.
pub(crate) struct Each<'a, T, D>(pub(crate) &'a [T], pub(crate) fn(&'a T) -> D);

impl<T, D: Serialize> Serialize for Each<'_, T, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(self.1))
    }
}
