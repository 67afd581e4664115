//! The Go version of a program whose build information was removed: `runtime.buildVersion`.
//!
//! Source: `runtime/extern.go`; the linker sets it (`cmd/link/internal/ld/main.go`, Go 1.19 to 1.27), and
//! `schedinit` keeps it in every program. Its symbol leads there. In a stripped program it is the one string
//! variable that holds a Go version; where several hold different ones, none is believed.

use std::collections::BTreeSet;

use model::{GoVersion, LinkAddr};

use crate::bytes::u64_at;
use crate::elf::Elf;

const SYMBOL: &str = "runtime.buildVersion";
/// No version with its experiments is longer.
const MAX_LEN: u64 = 100;

/// `go1.27.3`, if the program has one such string.
pub(crate) fn find(elf: &Elf<'_>) -> Option<String> {
    if let Some(variable) = elf.symbols(&[SYMBOL]).get(SYMBOL) {
        return string(elf, elf.bytes(variable.at, 16)?);
    }
    let mut found = BTreeSet::new();
    for data in elf.writable_data() {
        let (words, _) = data.as_chunks::<8>();
        let headers = words.windows(2).map(<[[u8; 8]]>::as_flattened);
        found.extend(headers.filter_map(|header| string(elf, header)));
    }
    let version = found.pop_first()?;
    found.is_empty().then_some(version)
}

/// The version that a string header points to.
fn string(elf: &Elf<'_>, header: &[u8]) -> Option<String> {
    let (at, len) = (u64_at(header, 0)?, u64_at(header, 8)?);
    if !(1..=MAX_LEN).contains(&len) {
        return None;
    }
    let text = std::str::from_utf8(elf.bytes(LinkAddr(at), len)?).ok()?;
    is_version(text).then(|| text.to_owned())
}

/// A whole version: `go1.27.3`, `go1.28rc1`, `go1.22.1 X:boringcrypto`, `devel go1.28-0123abc Mon …`.
fn is_version(text: &str) -> bool {
    let starts = text.starts_with("go1.") || text.starts_with("devel go1.");
    starts && GoVersion::parse(text).is_some() && !text.contains(['\n', '/', '\0'])
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use object::ReadCache;

    use super::*;
    use crate::elf::testing::{Load, elf_file};

    const AT: u64 = 0x40_0000;

    /// A file with strings, and in its data headers that point to them.
    fn found(strings: &[&str]) -> Option<String> {
        let text: String = strings.concat();
        let (mut data, mut at) = (vec![7u8; 16], AT);
        for string in strings {
            data.extend(at.to_le_bytes());
            data.extend((string.len() as u64).to_le_bytes());
            at += string.len() as u64;
        }
        let segments = [
            Load {
                at: AT,
                writable: false,
                data: text.into_bytes(),
            },
            Load {
                at: 0x50_0000,
                writable: true,
                data,
            },
        ];
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&elf_file(&segments)).unwrap();
        find_in(file)
    }

    fn find_in(file: File) -> Option<String> {
        let cache = ReadCache::new(file);
        find(&Elf::parse(&cache).unwrap())
    }

    #[test]
    fn the_one_string_that_is_a_version() {
        let found = found(&["some text", "go1.26.5", "go", "fips140only_go1.26.go"]);
        assert_eq!(found.as_deref(), Some("go1.26.5"));
    }

    #[test]
    fn the_same_twice_is_one() {
        assert_eq!(
            found(&["go1.26.5", "go1.26.5"]).as_deref(),
            Some("go1.26.5")
        );
    }

    #[test]
    fn of_two_versions_none_is_believed() {
        assert_eq!(found(&["go1.26.5", "go1.21"]), None);
        assert_eq!(found(&["some text"]), None);
    }

    #[test]
    fn what_is_a_version() {
        for yes in [
            "go1.27.3",
            "go1.28rc1",
            "go1.22.1 X:boringcrypto",
            "devel go1.28-0123abc Mon Jan",
        ] {
            assert!(is_version(yes), "{yes}");
        }
        for no in ["go1.x", "go2", "golang", "pkg/go1.27.3", "go1.26/go", ""] {
            assert!(!is_version(no), "{no}");
        }
    }
}
