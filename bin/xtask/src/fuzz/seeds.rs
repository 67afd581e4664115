//! The committed seeds, from real programs.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode};

use fixtures::{BuildOptions, CrashOptions, Program, Toolchain, build, crash};
use gobinary::Pclntab;
use goruntime::Runtime;
use goruntime::contract::{CLAUSES, Clause};

use super::record::{self, Failed};
use crate::{ChoreError, cargo, progress};

/// Has something of everything.
const PROGRAM: &str = "mixed";
/// Of a core its headers and notes, but no more than this.
const CORE_HEAD: usize = 20 << 10;
pub(super) fn make(folder: &Path) -> Result<ExitCode, ChoreError> {
    match all(folder) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(why) => {
            progress(&format!("the seeds could not be made: {why}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn all(folder: &Path) -> Result<(), Failed> {
    let go = Toolchain::obtain("1.27")?;
    let flags = |flags: &str| BuildOptions::with_flags([flags.to_owned()]);
    let whole = build(&go, PROGRAM, &BuildOptions::default())?;
    let put = |name: &str, bytes: &[u8]| -> Result<(), Failed> {
        progress(&format!("{name}: {} bytes", bytes.len()));
        let path = folder.join(name);
        fs::create_dir_all(path.parent().ok_or("it has no folder")?)?;
        Ok(fs::write(path, bytes)?)
    };
    for (name, options) in [
        ("mixed-symbols.z", flags("-ldflags=-w")),
        ("mixed-stripped.z", flags("-ldflags=-s -w")),
    ] {
        let exe = build(&go, PROGRAM, &options)?;
        let program = Program::start(&exe, &[])?;
        let mut recorded = record::record(&exe, program.pid())?;
        drop(program);
        record::shrink(&mut recorded);
        let mut packed = Vec::new();
        recorded.write(&mut packed)?;
        put(name, &packed)?;
    }
    put("pclntab.z", &pclntab(&whole)?)?;
    put("pclntab/nothing", &[1, 0, 0, 0, 1])?;
    put("decode/nothing", &[0])?;
    put("decode/stripped", &[7, 6, 1, 2, 3, 4, 5, 6])?;
    put("decode/quick", &[8, 6, 1, 2, 3, 4, 5, 6])?;
    put("executable/quick", &[8, 0])?;
    put("executable/nothing", &[0])?;
    put("executable/stripped", &[1])?;

    let exe = fs::read(&whole)?;
    let magic = b"\xff Go buildinf:";
    let at = exe.windows(magic.len()).position(|bytes| bytes == magic);
    let rest = exe.get(at.unwrap_or_default()..).unwrap_or_default();
    put("buildinfo/mixed", rest.get(..600).unwrap_or(rest))?;
    put("dwarf/mixed", &dwarf(&whole)?)?;

    let zoo = build(&go, "zoo", &BuildOptions::default())?;
    let crashed = crash(&zoo, &["-nospin"], &CrashOptions::default())?;
    let mut core = fs::read(&crashed.core)?;
    core.truncate(CORE_HEAD);
    put("core/zoo", &core)?;
    for packer in ["gzip", "zstd", "lz4", "xz"] {
        put(&format!("core/zoo.{packer}"), &packed(packer, &core)?)?;
    }
    let program = Program::start(&whole, &[])?;
    let object = |flags: u8, at: u32, bytes: &[u8]| -> Vec<u8> {
        let [a, b, c, _] = at.to_le_bytes();
        let mut seed = vec![flags, a, b, c, 16];
        for word in 0..16u32 {
            let kind = word % 4;
            let value = kind << 22 | (at + 64 * word);
            seed.extend(value.to_le_bytes().get(..3).unwrap_or_default());
        }
        seed.extend(bytes);
        seed
    };
    let vdso = record::vdso(program.pid())?;
    put("cframes/vdso", &object(0, 0xa00, &vdso))?;
    put("cframes/vdso-interrupted", &object(6, 0xc10, &vdso))?;
    let library = library()?;
    put("cframes/library", &object(2, 0x1020, &library))?;

    put("elf/mixed", &::fuzz::executable_with(&[]))?;
    put("elf/library", &library)?;
    for (i, filter) in FILTERS.iter().enumerate() {
        put(&format!("filter/{i}"), filter.as_bytes())?;
    }

    let goinspect = cargo::build_release("goinspect")?;
    let inspect = |args: &[&str]| -> Result<Vec<u8>, Failed> {
        let output = Command::new(&goinspect).args(args).output()?;
        Ok(output.stdout)
    };
    let pid = program.pid().to_string();
    let json = inspect(&["snapshot", &pid])?;
    put("snapshot/mixed.json", &json)?;
    let few = inspect(&["snapshot", &pid, "--filter=label:kind=c"])?;
    put("snapshot/few.json", &few)?;
    let keys = b"/status:waiting\n2jl\n\x1b5jyz\t?";
    put(
        "screen/few",
        &[&[100, 40, keys.len() as u8], &keys[..], &few].concat(),
    )?;
    for level in ["all", "system"] {
        let text = inspect(&["snapshot", &pid, "--format=traceback", "--traceback", level])?;
        put(&format!("dump/{level}"), &text)?;
    }
    let file = folder.join("recording/few");
    fs::create_dir_all(folder.join("recording"))?;
    let out = file.to_string_lossy();
    inspect(&[
        "record",
        &pid,
        "-o",
        &out,
        "--force",
        "--interval=100ms",
        "--duration=350ms",
        "--filter=label:kind=c",
    ])?;
    put("recording/lines", &lines(&fs::read(&file)?)?)?;
    Ok(())
}

/// What can be asked for.
const FILTERS: [&str; 6] = [
    "status:waiting -reason:\"chan receive\" label:team=shop",
    "goid:18 age:>1m -age:<2h30m system:no",
    "func:main.worker top:gopark Serve",
    "on:0xc00009e060 on:mutex on:\"10.0.0.7:5432\"",
    "created:main.main label:kind -label:kind=a",
    "\"a \\\" b\":c",
];

/// The lines of a recording, each after the letter that says what it is.
fn lines(recording: &[u8]) -> Result<Vec<u8>, Failed> {
    let first = recording.iter().position(|byte| *byte == b'\n');
    let mut at = first.ok_or("it has no first line")? + 1;
    let mut lines = b"P".to_vec();
    while let Some(member) = recording.get(at..).filter(|rest| !rest.is_empty()) {
        let length = member.get(17..25).ok_or("a member is cut off")?;
        at += u64::from_le_bytes(length.try_into()?) as usize;
        lines.extend(member.get(16));
        std::io::copy(&mut flate2::read::GzDecoder::new(member), &mut lines)?;
    }
    Ok(lines)
}

/// A pclntab in which only what some functions need is left.
fn pclntab(exe: &Path) -> Result<Vec<u8>, Failed> {
    let binary = Runtime::open_binary(File::open(exe)?)?;
    let at = binary.pclntab_at;
    let segment = |s: &&gobinary::Segment| s.at <= at && at.0 - s.at.0 < s.size;
    let segment = binary.segments().iter().find(segment).ok_or("no pclntab")?;
    let mut table = vec![0; (segment.size - (at.0 - segment.at.0)) as usize];
    binary.read(at, &mut table).ok_or("no pclntab")?;
    let said = |table: &[u8]| {
        let table = Pclntab::parse(table.to_vec()).ok()?;
        Some(::fuzz::asked_of_pclntab(&table))
    };
    let expected = said(&table);
    ::fuzz::shrink(&mut table, 128, &mut |table| said(table) == expected);
    let end = table
        .iter()
        .rposition(|byte| *byte != 0)
        .unwrap_or_default();
    table.truncate(end + 64);
    packed_zlib(&table)
}

fn packed_zlib(bytes: &[u8]) -> Result<Vec<u8>, Failed> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes)?;
    Ok(packer.finish()?)
}

/// The unit that has the runtime's types, as far as they go.
fn dwarf(exe: &Path) -> Result<Vec<u8>, Failed> {
    let folder = tempfile::tempdir()?;
    let section = |name: &str| -> Result<Vec<u8>, Failed> {
        let file = folder.path().join("section");
        let plain = folder.path().join("plain");
        let status = Command::new("objcopy")
            .arg("--decompress-debug-sections")
            .args([exe, &plain])
            .status()?;
        let dumped = Command::new("objcopy")
            .arg(format!("--dump-section={name}={}", file.display()))
            .args([plain.as_path(), Path::new("/dev/null")])
            .status()?;
        if !status.success() || !dumped.success() {
            return Err("objcopy failed".into());
        }
        Ok(fs::read(file)?)
    };
    let (abbrev, info) = (section(".debug_abbrev")?, section(".debug_info")?);
    let seed = |at: usize, info: &[u8]| -> Vec<u8> {
        let mut seed = (abbrev.len() as u16).to_le_bytes().to_vec();
        seed.extend((at as u32).to_le_bytes().iter().take(3));
        seed.extend(&abbrev);
        // The unit is as long as what is left of it.
        seed.extend((info.len() as u32 - 4).to_le_bytes());
        seed.extend(info.iter().skip(4));
        seed
    };
    let known = |seed: &[u8]| -> Result<usize, Failed> {
        let mut file = tempfile::tempfile()?;
        file.write_all(&::fuzz::executable_with(seed))?;
        let Ok(binary) = Runtime::open_binary(file) else {
            return Ok(0);
        };
        let is_known = |clause: &&Clause| binary.types.scalar(clause.strukt, clause.path).is_ok();
        Ok(CLAUSES.iter().filter(is_known).count())
    };
    let mut best: (usize, usize, &[u8]) = (0, 0, &[]);
    let mut rest = info.as_slice();
    while let Some(length) = rest.first_chunk() {
        let length = 4 + u32::from_le_bytes(*length) as usize;
        let (unit, others) = rest.split_at_checked(length).ok_or("a unit is cut off")?;
        let at = info.len() - rest.len();
        rest = others;
        best = best.max((known(&seed(at, unit))?, at, unit));
    }
    // Functions come behind types.
    let (clauses, at, mut unit) = best;
    while let Some(shorter) = unit.get(..unit.len().saturating_sub(1024))
        && shorter.len() > 4096
        && known(&seed(at, shorter))? == clauses
    {
        unit = shorter;
    }
    progress(&format!("DWARF has {clauses} of {} fields", CLAUSES.len()));
    Ok(seed(at, unit))
}

fn packed(packer: &str, bytes: &[u8]) -> Result<Vec<u8>, Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("core");
    fs::write(&file, bytes)?;
    let output = Command::new(packer)
        .args(["-c", "-q"])
        .arg(&file)
        .output()?;
    Ok(output.stdout)
}

/// A small library with unwind tables and debug information.
fn library() -> Result<Vec<u8>, Failed> {
    const SOURCE: &str = "static int inner(int *p, int n) { return n ? p[n] + inner(p, n - 1) : 0; }\n\
        int outer(int n) { int a[64]; for (int i = 0; i < 64; i++) a[i] = n * i; return inner(a, n & 63); }\n\
        struct s { long a; struct s *next; } head;\n\
        long walk(struct s *s) { long n = 0; while (s) { n += s->a * outer(n); s = s->next; } return n; }\n";
    let folder = tempfile::tempdir()?;
    let (source, library) = (folder.path().join("x.c"), folder.path().join("x.so"));
    fs::write(&source, SOURCE)?;
    Command::new("cc")
        .args([
            "-O1",
            "-g1",
            "-shared",
            "-fPIC",
            "-nostdlib",
            "-Wl,-z,max-page-size=4096",
            "-o",
        ])
        .args([&library, &source])
        .status()?;
    Ok(fs::read(library)?)
}
