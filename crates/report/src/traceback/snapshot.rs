//! A dump as a snapshot, as far as a text can tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use model::{
    Addr, BuildIds, BuildInfo, CaptureInfo, Frame, FrameKind, Function, GoVersion, Goid, Goroutine,
    LayoutSource, Site, Snapshot, StackEnd, Status, SymbolSource, TargetInfo, TargetKind,
    Traceback, Trust, shown_by_go,
};

use super::block::{Block, Call, CreatedBy, Line, MName};
use super::compose::{Level, compose};
use super::parse::Dump;

/// The goroutines of a dump. Of a stack only the frames that Go shows by default are kept, and
/// program counters count from the function's beginning, so that two dumps can be compared whatever
/// their level and wherever the program was loaded. `taken` is when the text was written.
///
/// What stands in a text twice (in a crash text a goroutine that runs on another thread) is
/// taken where it has its stack. System stacks (goroutine 0) are left out.
pub fn snapshot_of(dump: &Dump<'_>, taken: SystemTime) -> Snapshot {
    let mut goroutines: BTreeMap<u64, Arc<Goroutine>> = BTreeMap::new();
    let mut order = Vec::new();
    for block in dump.blocks.iter().filter(|block| block.goid != 0) {
        let known = goroutines.get(&block.goid);
        if known.is_none() {
            order.push(block.goid);
        }
        if known.is_none_or(|known| known.frames.is_empty()) {
            goroutines.insert(block.goid, Arc::new(goroutine(block)));
        }
    }
    Snapshot {
        captured_at: taken,
        target: TargetInfo {
            kind: TargetKind::Process,
            pid: None,
            exe: None,
            module: None,
            text: None,
            core: None,
            arch: "",
            threads: 0,
        },
        build: BuildInfo {
            go_version: String::new(),
            path: None,
            main: None,
            settings: BTreeMap::new(),
            ids: BuildIds::default(),
            layout: LayoutSource::Dwarf,
            symbols: SymbolSource::Symtab,
        },
        capture: CaptureInfo {
            pause: None,
            bytes_read: 0,
            nanotime: None,
            consistent: true,
        },
        goroutines: order
            .iter()
            .filter_map(|goid| goroutines.get(goid).cloned())
            .collect(),
        objects: None,
        ms: Vec::new(),
        scheduler: None,
        traceback_labels: false,
        unreadable: Vec::new(),
        diagnostics: vec!["read from a text: runtime frames are left out, as Go does".to_owned()],
    }
}

/// What a dump like `like` would hold of a snapshot, so that the two can be compared: each
/// goroutine at the level at which it stands there, long stacks without their middle.
pub fn reduced(snapshot: &Snapshot, like: &Dump<'_>) -> Snapshot {
    let level_of = |block: &Block<'_>| {
        let has_words = |line: &Line<'_>| matches!(line, Line::Call(call) if call.words.is_some());
        match block.lines.iter().any(has_words) {
            true => Level::System,
            false => Level::All,
        }
    };
    let mut levels: BTreeMap<u64, Level> = BTreeMap::new();
    for block in &like.blocks {
        let level = levels.entry(block.goid).or_default();
        if level_of(block) == Level::System {
            *level = Level::System;
        }
    }
    let everything = levels.values().all(|&level| level == Level::System);
    let otherwise = if everything {
        Level::System
    } else {
        Level::All
    };
    let blocks = snapshot.goroutines.iter().filter_map(|g| {
        let level = levels.get(&g.goid.0).copied();
        let is_told = level.is_some() || !g.system || everything;
        is_told.then(|| compose(snapshot, g, level.unwrap_or(otherwise), true))
    });
    let dump = Dump {
        preamble: Vec::new(),
        blocks: blocks.collect(),
    };
    Snapshot {
        target: snapshot.target.clone(),
        build: snapshot.build.clone(),
        ..snapshot_of(&dump, snapshot.captured_at)
    }
}

fn goroutine(block: &Block<'_>) -> Goroutine {
    let words = ["(scan)", "(leaked)"]
        .iter()
        .fold(&*block.state, |state, mark| {
            state.strip_suffix(mark).map_or(state, str::trim_end)
        });
    let status = Status::ALL.into_iter().find(|s| s.as_str() == words);
    let waits = status.is_none().then(|| Arc::from(words));
    let leaked = block.state.contains("(leaked)");
    let frames: Vec<Frame> = block.lines.iter().filter_map(frame).collect();
    let system = is_system(&frames);
    let shown = shown_by_go(&frames, &GoVersion::NEWEST_TESTED.dialect());
    let missing = block.lines.iter().find_map(|line| match line {
        Line::Elided(count) => Some(format!("{count} frames were elided in the text")),
        Line::Unavailable => Some("it was running on another thread".to_owned()),
        Line::Call(_) | Line::Other(_) => None,
    });
    let frames: Arc<[Frame]> = shown
        .iter()
        .filter_map(|&i| frames.get(i).cloned())
        .collect();
    let start = frames.last().map(|frame| Site {
        pc: Addr(0),
        function: Some(frame.function.clone()),
        file: Arc::clone(&frame.file),
        line: frame.line,
    });
    let labels = block.labels.as_ref().map(|labels| {
        let pairs = labels.pairs.iter();
        pairs
            .map(|(k, v)| (Arc::from(&**k), Arc::from(&**v)))
            .collect()
    });
    Goroutine {
        goid: Goid(block.goid),
        parent_goid: block
            .created_by
            .as_ref()
            .and_then(|created| created.goid)
            .map(Goid),
        g: block.g.unwrap_or(Addr(0)),
        status: match status {
            _ if leaked => Status::Leaked,
            Some(status) => status,
            None => Status::Waiting,
        },
        waitreason: waits,
        waitsince: None,
        tracking_seq: None,
        parking_on_chan: false,
        gopc: block.created_by.as_ref().map(site),
        startpc: start,
        system,
        thread: None,
        locked_to_thread: block.locked,
        labels: labels.or_else(|| Some(Vec::new())),
        // The text does not tell.
        waiting_on: None,
        stack: None,
        frames,
        stack_end: match &missing {
            Some(why) => StackEnd::Early(Arc::from(why.as_str())),
            None => StackEnd::Complete,
        },
        traceback: Traceback {
            m: match block.m {
                MName::On { id, at } => Some(model::MRef { id, at }),
                MName::Nil | MName::Untold => None,
            },
            ..Traceback::default()
        },
        notes: Vec::new(),
    }
}

/// `runtime/traceback.go`, `isSystemGoroutine`, as far as the frames tell with which function
/// it began: in texts of the level `system` they do, and in others there are no such goroutines.
fn is_system(frames: &[Frame]) -> bool {
    let mut names = frames.iter().rev().map(|frame| &*frame.function.name);
    let start = names.find(|&name| name != "runtime.goexit").unwrap_or("");
    let own = || {
        frames
            .iter()
            .any(|frame| !frame.function.name.starts_with("runtime."))
    };
    match start {
        "runtime.main" | "runtime.corostart" => false,
        "runtime.runFinalizers" | "runtime.runfinq" | "runtime.runCleanups" => !own(),
        name => name.starts_with("runtime."),
    }
}

fn frame(line: &Line<'_>) -> Option<Frame> {
    let Line::Call(Call {
        name,
        file,
        line,
        offset,
        args,
        ..
    }) = line
    else {
        return None;
    };
    // Texts of the level `system` have the compiler's wrappers among the rest.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_wrapper = file == "<autogenerated>"
        || name.ends_with("-fm")
        || last.starts_with("gowrap")
        || last.starts_with("deferwrap");
    Some(Frame {
        pc: Addr(offset.unwrap_or(0)),
        function: function(name),
        file: Arc::from(&**file),
        line: *line,
        inlined: offset.is_none() && args == "...",
        kind: match is_wrapper {
            true => FrameKind::Wrapper,
            false => FrameKind::Normal,
        },
        trust: Trust::Exact,
    })
}

fn function(name: &str) -> Function {
    let name = if name == "panic" {
        "runtime.gopanic"
    } else {
        name
    };
    Function {
        name: Arc::from(name),
        entry: Addr(0),
    }
}

fn site(created: &CreatedBy<'_>) -> Site {
    Site {
        pc: Addr(created.offset.unwrap_or(0)),
        function: Some(function(&created.name)),
        file: Arc::from(&*created.file),
        line: created.line,
    }
}
