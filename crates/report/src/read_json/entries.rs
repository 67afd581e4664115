//! The objects of a snapshot as they stand in JSON, and what they mean to the model.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use model::{
    Addr, BuildIds, BuildInfo, CaptureInfo, Frame, FrameKind, Function, Goid, Goroutine,
    LayoutSource, Pid, Site, StackBounds, StackEnd, Status, SymbolSource, TargetInfo, TargetKind,
    TextMapping, Tid, Traceback, Trust, Unreadable,
};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde_json::value::RawValue;

use super::shared::{Shared, Strings};
use super::waiting::WaitingIn;
use crate::json::{ENDS_EARLY, LANG_C};

/// A value that JSON has as a word.
pub(super) trait Word: Sized {
    /// What it is, for whoever finds another word there.
    const WHAT: &'static str;

    fn from_word(word: &str) -> Option<Self>;
}

/// Read from a word, without a copy of it.
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: Word> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct OfWord<T>(PhantomData<T>);

        impl<T: Word> Visitor<'_> for OfWord<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::WHAT)
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Text<T>, E> {
                T::from_word(word)
                    .map(Text)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(word), &self))
            }
        }

        json.deserialize_str(OfWord(PhantomData))
    }
}

impl Word for Addr {
    const WHAT: &'static str = "an address like \"0xc000012345\"";

    fn from_word(word: &str) -> Option<Self> {
        let digits = word.strip_prefix("0x")?;
        // `from_str_radix` would take a sign.
        let all_digits = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let value = all_digits.then(|| u64::from_str_radix(digits, 16).ok())?;
        value.map(Addr)
    }
}

impl Word for Status {
    const WHAT: &'static str = "a status like \"waiting\"";

    fn from_word(word: &str) -> Option<Self> {
        Status::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

impl Word for Trust {
    const WHAT: &'static str = "\"exact\" or \"assumed\"";

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "exact" => Some(Trust::Exact),
            "assumed" => Some(Trust::Assumed),
            _ => None,
        }
    }
}

/// The only language that is told.
struct C;

impl Word for C {
    const WHAT: &'static str = "\"c\"";

    fn from_word(word: &str) -> Option<Self> {
        (word == LANG_C).then_some(C)
    }
}

/// Whether a stack ends early.
struct Early(bool);

impl Word for Early {
    const WHAT: &'static str = "\"complete\" or \"early\"";

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "complete" => Some(Early(false)),
            "early" => Some(Early(true)),
            _ => None,
        }
    }
}

impl Word for TargetKind {
    const WHAT: &'static str = "\"process\" or \"core\"";

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "process" => Some(TargetKind::Process),
            "core" => Some(TargetKind::Core),
            _ => None,
        }
    }
}

impl Word for LayoutSource {
    const WHAT: &'static str = "\"dwarf\", \"debugfile\", \"table\" or \"assumed\"";

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "dwarf" => Some(LayoutSource::Dwarf),
            "debugfile" => Some(LayoutSource::DebugFile),
            "table" => Some(LayoutSource::Table),
            "assumed" => Some(LayoutSource::Assumed),
            _ => None,
        }
    }
}

impl Word for SymbolSource {
    const WHAT: &'static str = "\"symtab\" or \"found\"";

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "symtab" => Some(SymbolSource::Symtab),
            "found" => Some(SymbolSource::Found),
            _ => None,
        }
    }
}

/// A processor. The model has their names as constants: those that Go knows
/// (`go tool dist list`), and none where it is not known: Go dumps do not tell it.
struct Goarch(&'static str);

impl Word for Goarch {
    const WHAT: &'static str = "one of Go's names of processors, like \"amd64\"";

    fn from_word(word: &str) -> Option<Self> {
        const ALL: [&str; 15] = [
            "", "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle",
            "ppc64", "ppc64le", "riscv64", "s390x", "wasm",
        ];
        ALL.into_iter().find(|&name| name == word).map(Goarch)
    }
}

#[derive(Deserialize)]
pub(super) struct TargetIn {
    kind: Text<TargetKind>,
    pid: Option<i32>,
    exe: Option<String>,
    #[serde(default)]
    module: Option<String>,
    #[serde(default)]
    text: Option<TextIn>,
    core: Option<String>,
    arch: Text<Goarch>,
    threads: usize,
}

impl From<TargetIn> for TargetInfo {
    fn from(t: TargetIn) -> Self {
        TargetInfo {
            kind: t.kind.0,
            pid: t.pid.map(Pid),
            exe: t.exe.map(Into::into),
            module: t.module.map(Into::into),
            text: t.text.map(Into::into),
            core: t.core.map(Into::into),
            arch: t.arch.0.0,
            threads: t.threads,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TextIn {
    start: Text<Addr>,
    end: Text<Addr>,
    file_offset: u64,
}

impl From<TextIn> for TextMapping {
    fn from(t: TextIn) -> Self {
        TextMapping {
            start: t.start.0,
            end: t.end.0,
            file_offset: t.file_offset,
        }
    }
}

/// A build ID: bytes as hexadecimal digits.
struct HexBytes(Vec<u8>);

impl Word for HexBytes {
    const WHAT: &'static str = "hexadecimal digits, two for each byte";

    fn from_word(word: &str) -> Option<Self> {
        let (pairs, rest) = word.as_bytes().as_chunks::<2>();
        let byte = |[high, low]: &[u8; 2]| {
            let digit = |c: u8| char::from(c).to_digit(16);
            u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
        };
        let bytes = pairs.iter().map(byte).collect::<Option<Vec<u8>>>();
        bytes.filter(|_| rest.is_empty()).map(HexBytes)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildIn {
    go_version: String,
    path: Option<String>,
    main: Option<String>,
    settings: BTreeMap<String, String>,
    #[serde(default)]
    gnu_build_id: Option<Text<HexBytes>>,
    #[serde(default)]
    go_build_id: Option<String>,
    layout: Text<LayoutSource>,
    symbols: Text<SymbolSource>,
}

impl From<BuildIn> for BuildInfo {
    fn from(b: BuildIn) -> Self {
        BuildInfo {
            go_version: b.go_version,
            path: b.path,
            main: b.main,
            settings: b.settings,
            ids: BuildIds {
                gnu: b.gnu_build_id.map(|id| id.0.0),
                go: b.go_build_id.map(String::into_bytes),
            },
            layout: b.layout.0,
            symbols: b.symbols.0,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaptureIn {
    pause_ns: Option<u64>,
    bytes_read: u64,
    pub(super) goroutines: usize,
    pub(super) unreadable: usize,
    consistent: bool,
    nanotime: Option<u64>,
}

impl From<CaptureIn> for CaptureInfo {
    fn from(c: CaptureIn) -> Self {
        CaptureInfo {
            pause: c.pause_ns.map(Duration::from_nanos),
            bytes_read: c.bytes_read,
            nanotime: c.nanotime,
            consistent: c.consistent,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct UnreadableIn {
    index: usize,
    g: Text<Addr>,
    reason: String,
}

impl From<UnreadableIn> for Unreadable {
    fn from(u: UnreadableIn) -> Self {
        Unreadable {
            index: u.index,
            g: u.g.0,
            reason: u.reason,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoroutineIn {
    pub(super) goid: u64,
    parent_goid: Option<u64>,
    g: Text<Addr>,
    status: Text<Status>,
    waitreason: Option<String>,
    waitsince: Option<u64>,
    tracking_seq: Option<u8>,
    parking_on_chan: bool,
    gopc: Option<Box<RawValue>>,
    startpc: Option<Box<RawValue>>,
    system: bool,
    thread: Option<i32>,
    locked_to_thread: bool,
    labels: Option<BTreeMap<String, String>>,
    waiting_on: Option<Vec<WaitingIn>>,
    stack: Option<StackIn>,
    frames: Box<RawValue>,
    stack_end: Text<Early>,
    notes: Vec<String>,
}

impl GoroutineIn {
    /// Or what is wrong with it.
    pub(super) fn into_goroutine(self, shared: &mut Shared) -> Result<Goroutine, String> {
        let mut notes = self.notes;
        let stack_end = match self.stack_end.0 {
            Early(false) => StackEnd::Complete,
            Early(true) => StackEnd::Early(shared.strings.share(take_reason(&mut notes))),
        };
        let mut site = |raw: Option<Box<RawValue>>, name| match raw {
            Some(raw) => shared
                .site(raw)
                .map(Some)
                .map_err(|e| format!("{name}: {e}")),
            None => Ok(None),
        };
        let gopc = site(self.gopc, "gopc")?;
        let startpc = site(self.startpc, "startpc")?;
        let frames = shared
            .frames(self.frames)
            .map_err(|e| format!("frames: {e}"))?;
        let strings = &mut shared.strings;
        let labels = self.labels.map(|labels| {
            let pair = |(k, v)| (strings.share(k), strings.share(v));
            labels.into_iter().map(pair).collect()
        });
        let waiting_on = self.waiting_on.map(|all| {
            let one = |on: WaitingIn| on.into_waiting_on(strings);
            all.into_iter().map(one).collect()
        });
        Ok(Goroutine {
            goid: Goid(self.goid),
            parent_goid: self.parent_goid.map(Goid),
            g: self.g.0,
            status: self.status.0,
            waitreason: self.waitreason.map(|reason| shared.strings.share(reason)),
            waitsince: self.waitsince,
            tracking_seq: self.tracking_seq,
            parking_on_chan: self.parking_on_chan,
            gopc,
            startpc,
            system: self.system,
            thread: self.thread.map(Tid),
            locked_to_thread: self.locked_to_thread,
            labels,
            waiting_on,
            stack: self.stack.map(|s| StackBounds {
                lo: s.lo.0,
                hi: s.hi.0,
                sp: s.sp.map(|sp| sp.0),
            }),
            frames,
            stack_end,
            traceback: Traceback::default(),
            notes,
        })
    }
}

/// JSON tells among the notes why a stack ends early: the last one that begins so, for
/// the writer adds it behind the goroutine's own.
fn take_reason(notes: &mut Vec<String>) -> String {
    let at = notes.iter().rposition(|note| note.starts_with(ENDS_EARLY));
    match at.map(|at| notes.remove(at)) {
        Some(note) => note.strip_prefix(ENDS_EARLY).unwrap_or(&note).to_owned(),
        None => "the file does not say why".to_owned(),
    }
}

#[derive(Deserialize)]
struct StackIn {
    lo: Text<Addr>,
    hi: Text<Addr>,
    sp: Option<Text<Addr>>,
}

#[derive(Deserialize)]
pub(super) struct SiteIn {
    pc: Text<Addr>,
    func: Option<String>,
    entry: Option<Text<Addr>>,
    file: Option<String>,
    line: Option<u32>,
}

impl SiteIn {
    pub(super) fn into_site(self, strings: &mut Strings) -> Site {
        let entry = self.entry;
        Site {
            pc: self.pc.0,
            function: self.func.map(|name| function(name, entry, strings)),
            file: file(self.file, strings),
            line: self.line.unwrap_or(0),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct FrameIn {
    pc: Text<Addr>,
    func: String,
    entry: Option<Text<Addr>>,
    file: Option<String>,
    line: Option<u32>,
    inlined: bool,
    trust: Text<Trust>,
    #[serde(default)]
    wrapper: bool,
    lang: Option<Text<C>>,
    object: Option<String>,
}

impl FrameIn {
    pub(super) fn into_frame(self, strings: &mut Strings) -> Frame {
        Frame {
            pc: self.pc.0,
            function: function(self.func, self.entry, strings),
            file: file(self.file, strings),
            line: self.line.unwrap_or(0),
            inlined: self.inlined,
            kind: match (self.lang, self.wrapper) {
                (Some(_), _) => FrameKind::C {
                    object: self.object.map(|name| strings.share(name)),
                },
                (None, true) => FrameKind::Wrapper,
                (None, false) => FrameKind::Normal,
            },
            trust: self.trust.0,
        }
    }
}

/// An entry that the file does not tell is the null pointer, where no function is.
fn function(name: String, entry: Option<Text<Addr>>, strings: &mut Strings) -> Function {
    Function {
        name: strings.share(name),
        entry: entry.map_or(Addr::NULL, |entry| entry.0),
    }
}

fn file(name: Option<String>, strings: &mut Strings) -> std::sync::Arc<str> {
    strings.share(name.unwrap_or_else(|| "?".to_owned()))
}
