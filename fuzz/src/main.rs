//! What libFuzzer drives. `GOINSPECT_FUZZ_TARGET` names the target; see `docs/FUZZING.md`.
#![no_main]
#![allow(clippy::panic, reason = "a fuzzer is told of what it found by a panic")]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("GOINSPECT_FUZZ_TARGET").unwrap_or_default();
    fuzz::target(&name).unwrap_or_else(|| panic!("there is no target {name:?}"))
});

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
