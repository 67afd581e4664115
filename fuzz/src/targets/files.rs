//! What is read as a file: core files, executables, recordings.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use corefile::{CoreFile, OpenOptions};
use flate2::{Compression, GzBuilder};
use goruntime::Runtime;
use model::Addr;
use report::Recording;
use target::{ReadMemory, Target};

use crate::check;
use crate::input::file;

/// What a compressed core may unpack to here: what is written is not what is looked for.
const MAX_UNPACKED: u64 = 64 << 20;

fn path(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// A core file.
pub(super) fn core(bytes: &[u8]) {
    let file = file(bytes);
    let mut options = OpenOptions {
        temp_dir: Some("/dev/shm".into()).filter(|dir: &PathBuf| dir.is_dir()),
        ..OpenOptions::default()
    };
    options.limits.unpacked_bytes = MAX_UNPACKED;
    let _ = corefile::looks_like_core(bytes);
    let core = match CoreFile::open(&path(&file), &options) {
        Ok(core) => core,
        Err(why) => return check::refusal(&why),
    };
    let _ = (core.process_name(), core.args(), core.signal());
    let _ = (core.exe_path(), core.executable(), core.entry_address());
    let _ = (core.pid(), core.mapped_files(), format!("{core:?}"));
    for told in core.diagnostics() {
        check::refusal(told);
    }
    let places = core.threads().iter().filter_map(|t| t.registers);
    let places: Vec<Addr> = places.flat_map(|r| [r.pc, r.sp]).take(50).collect();
    for at in places
        .into_iter()
        .chain([Addr(0), Addr(0x40_0ff8), Addr(u64::MAX - 3)])
    {
        for len in [1, 8, 5000] {
            let _ = core.read(at, &mut vec![0; len]);
        }
    }
}

/// A small executable, or none.
pub(super) fn elf(bytes: &[u8]) {
    match gobinary::GoBinary::identify(file(bytes)) {
        Ok((_, build)) => {
            let _ = build.main_at_version();
        }
        Err(why) => check::refusal(&why),
    }
    match Runtime::open_binary(file(bytes)) {
        Ok(mut binary) => {
            let _ = (binary.variable_at(binary.entry), binary.is_stripped());
            let _ = binary.read(binary.entry, &mut [0; 64]);
            let _ = Runtime::use_debug_file(&mut binary, file(bytes), false);
            let plugin = gobinary::GoBinary::open_plugin(file(bytes), &binary);
            assert!(plugin.is_ok(), "what is an executable is not a plugin");
        }
        Err(why) => check::refusal(&why),
    }
}

/// A recording: as a file, or, if it begins with `P`, as lines that are packed into one. The first
/// letter of each then says what the line is.
pub(super) fn recording(bytes: &[u8]) {
    let packed = bytes.strip_prefix(b"P").map(pack);
    let bytes = packed.as_deref().unwrap_or(bytes);
    let _ = report::looks_like_recording(bytes);
    let mut recording = match Recording::open(file(bytes)) {
        Ok(recording) => recording,
        Err(why) => return check::refusal(&why),
    };
    for told in recording.notes() {
        check::refusal(told);
        check::harmless("a note", told);
    }
    check::harmless("the end", recording.end().unwrap_or_default());
    let _ = recording.interval();
    let count = recording.count();
    // Forwards, and then from the last one back.
    let order = (0..count.min(8)).chain([count - 1, 0]);
    let mut before = None;
    for index in order {
        match recording.sample(index) {
            Ok(sample) => {
                check::written(&sample);
                if let Some(before) = before.replace(sample.clone()) {
                    check::compared(&before, &sample);
                }
            }
            Err(why) => check::refusal(&why),
        }
    }
}

/// Checksums are no matter: whoever writes a hostile file makes them fit.
fn pack(lines: &[u8]) -> Vec<u8> {
    let mut out = b"{\"schema\":\"goinspect.recording/1\",\"intervalNs\":1000000000}\n".to_vec();
    for line in lines.split(|byte| *byte == b'\n').take(32) {
        let Some((kind, text)) = line.split_first() else {
            continue;
        };
        let mut extra = b"GI\x09\0".to_vec();
        extra.push(*kind);
        extra.extend([0; 8]);
        let mut packer = GzBuilder::new()
            .extra(extra)
            .write(Vec::new(), Compression::fast());
        packer.write_all(text).unwrap();
        let mut member = packer.finish().unwrap();
        let length = (member.len() as u64).to_le_bytes();
        if let Some(place) = member.get_mut(17..25) {
            place.copy_from_slice(&length);
        }
        out.extend(member);
    }
    out
}
