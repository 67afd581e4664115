//! The tables of an executable, each by itself.

use std::sync::LazyLock;

use gobinary::{BuildInfo, Pclntab};
use goruntime::Runtime;
use goruntime::contract::CLAUSES;

use crate::check;
use crate::input::{Input, file};
use crate::patches::Places;

/// The section `.go.buildinfo`.
pub(super) fn build_info(bytes: &[u8]) {
    if let Some(info) = BuildInfo::parse(bytes) {
        let _ = (info.main_at_version(), format!("{info:?}"));
    }
}

/// A real pclntab: of most of its functions only what finding them needs is left.
static PCLNTAB: LazyLock<(Vec<u8>, Places)> = LazyLock::new(|| {
    let packed = &include_bytes!("../../seeds/pclntab.z")[..];
    let mut table = Vec::new();
    std::io::copy(&mut flate2::read::ZlibDecoder::new(packed), &mut table).unwrap();
    let places = Places::of([(0, table.as_slice())].into_iter());
    (table, places)
});

/// pclntab: changes of a real one; or, if it begins with `R`, a raw one.
pub(super) fn pclntab(bytes: &[u8]) {
    let table = match bytes.strip_prefix(b"R") {
        Some(raw) => raw.to_vec(),
        None => {
            let (table, places) = &*PCLNTAB;
            let mut table = table.clone();
            let original = &PCLNTAB.0;
            let word = |at: u64| {
                let word = original.get(at as usize..at as usize + 8);
                let word = word.and_then(|word| word.try_into().ok());
                word.map_or(0, u64::from_le_bytes)
            };
            for (at, new) in places.read(&mut Input(bytes), word) {
                if let Some(place) = table.get_mut(at as usize..at as usize + 8) {
                    place.copy_from_slice(&new.to_le_bytes());
                }
            }
            table
        }
    };
    match Pclntab::parse(table) {
        Ok(table) => {
            let _ = ask(&table);
        }
        Err(why) => check::refusal(&why),
    }
}

/// Asks everything of the first functions. What is said of the unchanged table is what was kept of it.
pub(crate) fn ask(table: &Pclntab) -> Vec<String> {
    let mut said = Vec::new();
    for index in (0..table.len().min(60)).chain([table.len().wrapping_sub(1), table.len()]) {
        let Some(func) = table.func(index) else {
            continue;
        };
        let end = table.func_end(index).unwrap_or(func.entry);
        said.push(format!("{} {end}", func.name()));
        for at in [func.entry, func.entry.wrapping_add(9), end.wrapping_sub(1)] {
            let found = table.find(at).map(|func| func.entry);
            let line = func.file_line(at);
            let inlined = (func.inline_index(at), func.inline_tree());
            said.push(format!(
                "{found:?} {line:?} {inlined:?} {:?}",
                func.sp_delta(at)
            ));
        }
        said.push(format!("{} {}", func.is_top_frame(), func.has_frame_info()));
    }
    said
}

/// Types in DWARF: two bytes for how long the abbreviations are, three for how far behind others the unit
/// lies (references count from the beginning), the abbreviations, and then the unit.
pub(super) fn dwarf(bytes: &[u8]) {
    match Runtime::open_binary(file(&executable_with(bytes))) {
        Ok(binary) => {
            for clause in CLAUSES {
                let _ = binary.types.scalar(clause.strukt, clause.path);
            }
            let _ = format!("{:?}", binary.types).len();
        }
        Err(why) => check::refusal(&why),
    }
}

/// An executable that has them, and what else a Go program needs.
pub(super) fn executable_with(bytes: &[u8]) -> Vec<u8> {
    let mut input = Input(bytes);
    let len = usize::from(input.u16());
    let before = input.u24().min(1 << 20);
    let abbrev = input.take(len);
    let mut info = Vec::new();
    if before > 12 {
        // A unit without entries.
        info.extend((before - 4).to_le_bytes());
        info.extend([5, 0, 1, 8, 0, 0, 0, 0]);
        info.resize(before as usize, 0);
    }
    info.extend(input.0);
    let mut build_info = b"\xff Go buildinf:\x08\x02".to_vec();
    build_info.resize(32, 0);
    build_info.extend(b"\x08go1.27.3\0");
    let mut table = 0xffff_fff1u32.to_le_bytes().to_vec();
    table.extend([0, 0, 1, 8]);
    table.extend([0; 64]);
    let sections: [(&str, &[u8]); 5] = [
        (".go.buildinfo", &build_info),
        (".gopclntab", &table),
        (".debug_abbrev", abbrev),
        (".debug_info", &info),
        (".shstrtab", &[]),
    ];
    let mut names = vec![0];
    let mut headers = vec![[0u64; 8]];
    let mut body = Vec::new();
    for (name, bytes) in sections {
        let at = names.len() as u64;
        names.extend(name.as_bytes());
        names.push(0);
        let is_names = name == ".shstrtab";
        let bytes = if is_names { &names } else { bytes };
        let offset = 64 + body.len() as u64;
        let kind = if is_names { 3 } else { 1 };
        headers.push([at | kind << 32, 0, 0, offset, bytes.len() as u64, 0, 1, 0]);
        body.extend_from_slice(bytes);
    }
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    out.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [0, 0, 64 + body.len() as u64] {
        out.extend(word.to_le_bytes());
    }
    out.extend([0; 4]);
    let count = headers.len() as u16;
    for half in [64, 56, 0, 64, count, count - 1] {
        out.extend(half.to_le_bytes());
    }
    out.extend(body);
    out.extend(headers.iter().flatten().flat_map(|word| word.to_le_bytes()));
    out
}
