//! Compressed cores.
// For what is not itself a `#[test]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::io::Write;

use corefile::{CoreError, CoreFile, OpenOptions};
use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
use model::Addr;
use proptest::prelude::*;
use support::{AMD64, RW, file, pattern, try_open, typical};
use target::{ReadMemory, Target};

const HEAP: u64 = 0x1_0000_0000;

/// Some megabytes, half of them zeros: more than the window of any of the formats.
fn core() -> Vec<u8> {
    let mut heap = pattern(HEAP, 3 << 20);
    heap.extend(vec![0; 3 << 20]);
    typical(AMD64).load(HEAP, RW, &heap, 6 << 20).bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(0);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

type Pack = fn(&[u8]) -> Vec<u8>;
const FORMATS: [(&str, Pack); 4] = [("gzip", gzip), ("lz4", lz4), ("xz", xz), ("zstd", zstd)];

fn heap_is_whole(core: &CoreFile) {
    let mut heap = vec![0xff; 6 << 20];
    core.read(Addr(HEAP), &mut heap).unwrap();
    assert!(heap[..3 << 20] == pattern(HEAP, 3 << 20));
    assert!(heap[3 << 20..].iter().all(|&b| b == 0));
}

#[test]
fn a_compressed_core_is_the_same_core() {
    let core = core();
    for (name, pack) in FORMATS {
        let opened = try_open(&pack(&core)).unwrap();
        assert_eq!(opened.diagnostics(), &[] as &[String], "{name}");
        assert_eq!(opened.threads().len(), 2, "{name}");
        heap_is_whole(&opened);
    }
}

#[test]
fn a_core_in_several_pieces_is_one_core() {
    let core = core();
    let (a, b) = core.split_at(1 << 20);
    for (name, pack) in FORMATS {
        let opened = try_open(&[pack(a), pack(b)].concat()).unwrap();
        assert_eq!(opened.diagnostics(), &[] as &[String], "{name}");
        heap_is_whole(&opened);
    }
    // As parallel compressors of zstd write it: a frame to be skipped before each.
    let skip = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    let packed = [&skip, zstd(a).as_slice(), &skip, &zstd(b)].concat();
    heap_is_whole(&try_open(&packed).unwrap());
}

#[test]
fn what_is_left_of_a_cut_one_is_used_and_said_so() {
    let core = core();
    for (name, pack) in FORMATS {
        let packed = pack(&core);
        let opened = try_open(&packed[..packed.len() * 2 / 3]).unwrap();
        let said = opened.diagnostics();
        let expected = format!(
            "the compressed core is cut short or damaged (the {name} data end too early); the first "
        );
        assert!(said[0].starts_with(&expected), "{name}: {said:?}");
        assert!(said[1].starts_with("the core ends at "), "{name}: {said:?}");
        let mut start = vec![0; 1 << 20];
        opened.read(Addr(HEAP), &mut start).unwrap();
        assert!(start == pattern(HEAP, 1 << 20), "{name}");
    }
}

/// The last bytes have nothing of the core any more, but without them nobody knows that.
#[test]
fn one_byte_less_is_said() {
    let core = core();
    for (name, pack) in FORMATS {
        let packed = pack(&core);
        let opened = try_open(&packed[..packed.len() - 1]).unwrap();
        assert_eq!(
            opened.diagnostics().len(),
            1,
            "{name}: {:?}",
            opened.diagnostics()
        );
        heap_is_whole(&opened);
    }
}

/// `lz4_flex` itself takes this for the end of the data.
#[test]
fn an_lz4_frame_that_ends_between_two_blocks_is_cut() {
    let packed = lz4(&core());
    let mut at = 7;
    for _ in 0..5 {
        let size: [u8; 4] = packed[at..at + 4].try_into().unwrap();
        at += 4 + (u32::from_le_bytes(size) & 0x7fff_ffff) as usize;
    }
    let opened = try_open(&packed[..at]).unwrap();
    assert!(
        opened.diagnostics()[0].contains("the lz4 data end too early"),
        "{:?}",
        opened.diagnostics()
    );
}

#[test]
fn damage_that_only_a_checksum_shows_is_said() {
    let core = core();
    for (name, pack) in FORMATS {
        let mut packed = pack(&core);
        // The checksum itself: the last 8 bytes of gzip (with the length), the last 4 of zstd.
        let at = match name {
            "gzip" => packed.len() - 8,
            "zstd" => packed.len() - 1,
            _ => continue,
        };
        packed[at] ^= 1;
        let opened = try_open(&packed).unwrap();
        assert_eq!(opened.diagnostics().len(), 1, "{name}");
        assert!(
            opened.diagnostics()[0].contains("cannot be decompressed further"),
            "{name}"
        );
        heap_is_whole(&opened);
    }
}

#[test]
fn what_is_no_core_is_named_when_it_is_decompressed() {
    for (name, pack) in FORMATS {
        let error = try_open(&pack(b"a log file\n")).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("is not a core file: it is text"),
            "{name}: {error}"
        );
        let error = try_open(&pack(b"a log file\n")[..8]).unwrap_err();
        assert!(
            matches!(error, CoreError::Damaged { .. }),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_limit_and_a_folder_that_is_not_there() {
    let packed = file(&zstd(&core()));
    let mut options = OpenOptions::default();
    options.limits.unpacked_bytes = 5_000_000;
    let error = CoreFile::open(packed.path(), &options).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("has more than 5.0 MB when decompressed"),
        "{error}"
    );
    // Zeros take no room; other bytes do.
    let bomb = |byte| file(&zstd(&vec![byte; 5_000_000]));
    let mut options = OpenOptions::default();
    options.limits.unpacked_free = 2_000_000;
    let message = |byte| {
        let error = CoreFile::open(bomb(byte).path(), &options).unwrap_err();
        error.to_string()
    };
    assert!(!message(0).contains("when decompressed"), "{}", message(0));
    assert!(message(7).contains(" when decompressed"), "{}", message(7));
    let options = OpenOptions {
        temp_dir: Some("/no/such/folder".into()),
        ..OpenOptions::default()
    };
    let error = CoreFile::open(packed.path(), &options).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("temporary file in /no/such/folder: "),
        "{error}"
    );
}

#[test]
fn nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let packed = file(&gzip(&core()));
    let options = OpenOptions {
        temp_dir: Some(folder.path().to_owned()),
        ..OpenOptions::default()
    };
    let core = CoreFile::open(packed.path(), &options).unwrap();
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    heap_is_whole(&core);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn cut_or_damaged_anywhere(
        format in 0..FORMATS.len(),
        cut in any::<Option<prop::sample::Index>>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut packed = FORMATS[format].1(&typical(AMD64).bytes());
        if let Some(cut) = cut {
            packed.truncate(cut.index(packed.len()).max(1));
        }
        for (at, byte) in damage {
            let at = at.index(packed.len());
            packed[at] = byte;
        }
        if let Ok(core) = try_open(&packed) {
            let _ = core.read(Addr(0xc0_0000), &mut [0; 64]);
        }
    }
}
