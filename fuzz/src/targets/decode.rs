//! The runtime's structures, in memory that is almost a real program's.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use goruntime::{Decoded, Runtime};
use model::{
    BuildIds, BuildInfo, CaptureInfo, LayoutSource, Pid, Snapshot, SymbolSource, TargetInfo,
    TargetKind,
};

use crate::check;
use crate::input::Input;
use crate::patches::Places;
use crate::recorded::{Memory, PatchedFile, Recorded, decode, load};

/// A recording, what can be changed of it, and what is made of it as it is.
struct Base {
    recorded: Recorded,
    memory: Places,
    exe: Places,
    runtime: Arc<Runtime>,
}

static BASES: LazyLock<Vec<Base>> = LazyLock::new(|| {
    let packed: [&[u8]; 2] = [
        include_bytes!("../../seeds/mixed-symbols.z"),
        include_bytes!("../../seeds/mixed-stripped.z"),
    ];
    let base = |packed| {
        let recorded = Recorded::read(packed).unwrap();
        let memory = Memory::of(&recorded);
        let runtime =
            Arc::new(load(crate::input::file(&recorded.exe), recorded.entry, &memory).unwrap());
        Base {
            memory: Places::of(recorded.pieces.iter().map(|(at, b)| (*at, b.as_slice()))),
            exe: Places::of([(0, recorded.exe.as_slice())].into_iter()),
            runtime,
            recorded,
        }
    };
    packed.into_iter().map(base).collect()
});

fn base(choice: u8) -> &'static Base {
    &BASES[usize::from(choice) % BASES.len()]
}

/// The first byte chooses the program, whether the runtime is found anew in the changed memory, whether that is
/// decoded without being copied, and whether what comes of it is written; then come changes.
pub(super) fn memory(bytes: &[u8]) {
    let mut input = Input(bytes);
    let choice = input.u8();
    let base = base(choice & 1);
    let mut memory = Memory::of(&base.recorded);
    let patches = base.memory.read(&mut input, |at| memory.word(at));
    memory.patch(patches);
    let runtime = match choice & 2 != 0 {
        true => match load(
            crate::input::file(&base.recorded.exe),
            base.recorded.entry,
            &memory,
        ) {
            Ok(runtime) => Arc::new(runtime),
            Err(why) => return check::refusal(&why),
        },
        false => Arc::clone(&base.runtime),
    };
    match decode(&runtime, &memory, choice & 4 != 0) {
        Ok(decoded) if choice & 8 == 0 => shown(decoded),
        // Writing takes most of the time.
        Ok(_) => {}
        Err(why) => check::refusal(&why),
    }
}

/// The first byte chooses the program, and whether what is decoded is written; then come changes of its executable.
pub(super) fn executable(bytes: &[u8]) {
    thread_local! {
        static FILES: Vec<PatchedFile> =
            BASES.iter().map(|base| PatchedFile::new(&base.recorded.exe)).collect();
    }
    let mut input = Input(bytes);
    let choice = input.u8();
    let base = base(choice & 1);
    let exe = &base.recorded.exe;
    let word = |at: u64| {
        let at = at as usize;
        let word = exe.get(at..at + 8).and_then(|word| word.try_into().ok());
        word.map_or(0, u64::from_le_bytes)
    };
    let patches = base.exe.read(&mut input, word);
    let memory = Memory::of(&base.recorded);
    FILES.with(|files| {
        let file = &files[usize::from(choice & 1) % files.len()];
        file.with(exe, &patches, |file| {
            match load(file, base.recorded.entry, &memory) {
                Ok(runtime) => {
                    let binary = runtime.binary();
                    let _ = (binary.build.main_at_version(), binary.is_stripped());
                    let _ = binary.variable_at(binary.entry);
                    match decode(&Arc::new(runtime), &memory, true) {
                        Ok(decoded) if choice & 8 == 0 => shown(decoded),
                        Ok(_) => {}
                        Err(why) => check::refusal(&why),
                    }
                }
                Err(why) => check::refusal(&why),
            }
        });
    });
}

/// What was decoded can be shown.
fn shown(decoded: Decoded) {
    let snapshot = Snapshot {
        captured_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000),
        target: TargetInfo {
            kind: TargetKind::Process,
            pid: Some(Pid(42)),
            exe: Some("/bin/mixed".into()),
            module: None,
            text: None,
            core: None,
            arch: "amd64",
            threads: 9,
        },
        build: BuildInfo {
            go_version: "go1.27.3".into(),
            path: None,
            main: None,
            settings: Default::default(),
            ids: BuildIds::default(),
            layout: LayoutSource::Dwarf,
            symbols: SymbolSource::Symtab,
        },
        capture: CaptureInfo {
            pause: Some(Duration::from_millis(1)),
            bytes_read: 1,
            nanotime: None,
            consistent: true,
        },
        goroutines: decoded.goroutines,
        objects: decoded.objects,
        ms: decoded.ms,
        scheduler: None,
        traceback_labels: true,
        unreadable: decoded.unreadable,
        diagnostics: decoded.diagnostics,
    };
    check::written(&snapshot);
}
