//! Snapshots made by hand, like those of a real program.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use model::{
    Addr, BuildInfo, CaptureInfo, Frame, FrameKind, Function, Goid, Goroutine, LayoutSource, Pid,
    Site, Snapshot, StackEnd, Status, SymbolSource, TargetInfo, TargetKind, Tid, Traceback, Trust,
};

use crate::keymap::Key;
pub(crate) use crate::screen::{Screen, options};
use crate::update::Effect;

mod story;
mod tangle;

pub(crate) use story::story;
pub(crate) use tangle::tangle;

const SECOND: u64 = 1_000_000_000;
/// The target's clock at sample 0.
const START: u64 = 9_000 * SECOND;

/// A goroutine in the making.
pub(crate) struct G(pub Goroutine);

/// `file:line function`, innermost first; `+` before the function for inlined, `^` for wrapper, `$` for
/// C (`object:0` where there is no debug information).
pub(crate) fn stack(calls: &[&str]) -> Arc<[Frame]> {
    calls
        .iter()
        .zip(1u64..)
        .map(|(call, i)| frame(call, i))
        .collect()
}

fn frame(call: &str, i: u64) -> Frame {
    let (place, name) = call.split_once(' ').unwrap();
    let (file, line) = place.rsplit_once(':').unwrap();
    let inlined = name.starts_with('+');
    let wrapper = name.starts_with('^');
    let c = name.starts_with('$');
    let name = name.trim_start_matches(['+', '^', '$']);
    let line: u32 = line.parse().unwrap();
    Frame {
        pc: Addr(0x40_0000 + 0x1000 * i + u64::from(line)),
        function: Function {
            name: name.into(),
            entry: Addr(0x40_0000 + 0x1000 * i),
        },
        file: file.into(),
        line,
        inlined,
        kind: match (c, wrapper) {
            (true, _) => FrameKind::C {
                object: Some(if line == 0 { file.into() } else { "svc".into() }),
            },
            (false, true) => FrameKind::Wrapper,
            (false, false) => FrameKind::Normal,
        },
        trust: Trust::Exact,
    }
}

fn site(call: &str) -> Site {
    let frame = frame(call, 1);
    Site {
        pc: frame.pc,
        function: Some(frame.function),
        file: frame.file,
        line: frame.line,
    }
}

pub(crate) fn g(goid: u64, state: &str, calls: &[&str]) -> G {
    let status = Status::ALL.into_iter().find(|s| s.as_str() == state);
    G(Goroutine {
        goid: Goid(goid),
        parent_goid: None,
        g: Addr(0xc000_0000_0000 + goid * 0x1c0),
        status: status.unwrap_or(Status::Waiting),
        waitreason: if status.is_none() {
            Some(state.into())
        } else {
            None
        },
        waitsince: None,
        tracking_seq: None,
        parking_on_chan: false,
        gopc: None,
        startpc: calls.last().map(|call| site(call)),
        system: false,
        thread: None,
        locked_to_thread: false,
        labels: Some(Vec::new()),
        waiting_on: Some(Box::default()),
        stack: None,
        frames: stack(calls),
        stack_end: StackEnd::Complete,
        traceback: Traceback::default(),
        notes: Vec::new(),
    })
}

impl G {
    pub fn by(mut self, parent: u64, call: &str) -> G {
        self.0.parent_goid = Some(Goid(parent));
        self.0.gopc = Some(site(call));
        self
    }

    /// As the garbage collector noted it, that long before sample 0.
    pub fn waits(mut self, seconds: u64) -> G {
        self.0.waitsince = Some(START - seconds * SECOND);
        self
    }

    pub fn label(mut self, key: &str, value: &str) -> G {
        let labels = self.0.labels.get_or_insert_default();
        labels.push((key.into(), value.into()));
        self
    }

    pub fn system(mut self) -> G {
        self.0.system = true;
        self
    }

    pub fn thread(mut self, tid: i32) -> G {
        self.0.thread = Some(Tid(tid));
        self
    }

    pub fn note(mut self, note: &str) -> G {
        self.0.notes.push(note.into());
        self
    }
}

/// The `second`th sample, taken that long after the first one.
pub(crate) fn snapshot(second: u64, goroutines: impl IntoIterator<Item = G>) -> Snapshot {
    Snapshot {
        captured_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + second),
        target: TargetInfo {
            kind: TargetKind::Process,
            pid: Some(Pid(48_211)),
            exe: Some(PathBuf::from("/usr/local/bin/checkout")),
            module: None,
            text: None,
            core: None,
            arch: "amd64",
            threads: 17,
        },
        build: BuildInfo {
            go_version: "go1.26.1".into(),
            path: Some("example.com/shop/checkout".into()),
            main: Some("example.com/shop@v1.42.0".into()),
            settings: BTreeMap::new(),
            ids: model::BuildIds::default(),
            layout: LayoutSource::Dwarf,
            symbols: SymbolSource::Symtab,
        },
        capture: CaptureInfo {
            pause: Some(Duration::from_micros(3_240)),
            bytes_read: 1_843_200,
            nanotime: Some(START + second * SECOND),
            consistent: true,
        },
        goroutines: goroutines.into_iter().map(|g| Arc::new(g.0)).collect(),
        objects: None,
        ms: Vec::new(),
        scheduler: None,
        traceback_labels: false,
        unreadable: Vec::new(),
        diagnostics: Vec::new(),
    }
}

impl Screen {
    /// With all of the story told.
    pub fn story(width: u16, height: u16) -> Screen {
        let mut screen = Screen::new(width, height);
        for snapshot in story() {
            screen.sample(snapshot);
        }
        screen
    }

    /// Types characters.
    pub(crate) fn keys(&mut self, keys: &str) -> Option<Effect> {
        keys.chars()
            .map(|c| self.key(Key::Char(c)))
            .last()
            .flatten()
    }

    /// The goids in the list, in its order.
    pub fn goids(&self) -> Vec<u64> {
        let items =
            (0..self.model.list.len()).filter_map(|i| self.model.list.item(&self.model.watch, i));
        items
            .filter_map(|item| match item {
                crate::list::Item::Goroutine(row) => Some(row.goroutine.goid.0),
                crate::list::Item::Unreadable(_) => None,
            })
            .collect()
    }
}
