//! Cores that are cut or damaged anywhere: whatever they say, it is no panic, no hang, and no
//! wrong bytes from where nothing was damaged.
// For what is not itself a `#[test]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use corefile::CoreFile;
use model::Addr;
use proptest::prelude::*;
use support::{AMD64, ARM64, pattern, try_open, typical};
use target::{ReadMemory, Target};

fn cores() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), any::<bool>()).prop_map(|(arm, many)| {
        let mut core = typical(if arm { ARM64 } else { AMD64 });
        core.many = many;
        core.bytes()
    })
}

/// Calls everything that reads.
fn use_all(core: &CoreFile) {
    let _ = (core.pid(), core.process_name(), core.args(), core.signal());
    let _ = (core.exe_path(), core.executable(), core.mapped_files());
    let _ = (core.threads(), core.diagnostics(), format!("{core:?}"));
    for at in [
        0,
        0x40_0ff8,
        0xc0_0000,
        0xc0_2ffc,
        0xd0_0000,
        0x7fff_0ffc,
        u64::MAX - 3,
    ] {
        for len in [1, 8, 500, 70_000] {
            let _ = core.read(Addr(at), &mut vec![0; len]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn cut_anywhere(core in cores(), cut in any::<prop::sample::Index>()) {
        let len = cut.index(core.len());
        if let Ok(core) = try_open(&core[..len]) {
            use_all(&core);
            prop_assert!(!core.diagnostics().is_empty(), "a cut is never kept secret");
            for at in (0xc0_0000..0xc0_3ff8).step_by(0x3f8) {
                let mut buf = [0; 8];
                if core.read(Addr(at), &mut buf).is_ok() {
                    prop_assert_eq!(buf.as_slice(), pattern(at, 8));
                }
            }
        }
    }

    #[test]
    fn damaged_anywhere(
        core in cores(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        in_headers in any::<bool>(),
    ) {
        let mut core = core;
        // Half of the cases in the headers and notes: memory is most of the core, and may be anything.
        let reach = if in_headers { 5000.min(core.len()) } else { core.len() };
        for (at, byte) in damage {
            core[at.index(reach)] = byte;
        }
        if let Ok(core) = try_open(&core) {
            use_all(&core);
        }
    }

    #[test]
    fn headers_of_anything(bytes in prop::collection::vec(any::<u8>(), 0..600), many in any::<bool>()) {
        let mut core = typical(AMD64).bytes();
        let from = 32;
        let len = bytes.len().min(core.len() - from);
        core[from..from + len].copy_from_slice(&bytes[..len]);
        core[54..56].copy_from_slice(&56u16.to_le_bytes());
        if many {
            core[56..58].copy_from_slice(&0xffffu16.to_le_bytes());
        }
        if let Ok(core) = try_open(&core) {
            use_all(&core);
        }
    }
}
