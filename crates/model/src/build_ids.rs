//! What tells one build of a program from another.

use std::fmt;

/// The build IDs that linkers leave in a program, in notes that are loaded with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BuildIds {
    /// The GNU build ID: from the C linker, and since Go 1.24 from Go's own.
    pub gnu: Option<Vec<u8>>,
    /// Go's own build ID (`go tool buildid`): a text.
    pub go: Option<Vec<u8>>,
}

/// Type of a note of the owner `GNU` that holds a build ID (`NT_GNU_BUILD_ID`).
const NT_GNU_BUILD_ID: u32 = 3;
/// Type of a note of the owner `Go` that holds one (`cmd/link/internal/ld/elf.go`, `ELF_NOTE_GOBUILDID_TAG`).
const ELF_NOTE_GOBUILDID_TAG: u32 = 4;

impl BuildIds {
    /// Takes in an ELF note, if it holds a build ID. `owner` is its name without the final zero.
    pub fn note(&mut self, owner: &[u8], kind: u32, contents: &[u8]) {
        match (owner, kind) {
            (b"GNU", NT_GNU_BUILD_ID) => self.gnu = Some(contents.to_vec()),
            (b"Go", ELF_NOTE_GOBUILDID_TAG) => self.go = Some(contents.to_vec()),
            _ => {}
        }
    }

    /// The GNU build ID as tools print it: in hexadecimal digits.
    pub fn gnu_hex(&self) -> Option<String> {
        let hex = |id: &Vec<u8>| id.iter().map(|byte| format!("{byte:02x}")).collect();
        self.gnu.as_ref().map(hex)
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.gnu.is_none() && self.go.is_none()
    }

    /// Whether both are known to some extent, and to be of different builds.
    pub fn differ(&self, other: &BuildIds) -> bool {
        let differ =
            |a: &Option<Vec<u8>>, b: &Option<Vec<u8>>| a.is_some() && b.is_some() && a != b;
        differ(&self.gnu, &other.gnu) || differ(&self.go, &other.go)
    }
}

impl fmt::Display for BuildIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.gnu_hex(), &self.go) {
            (Some(id), _) => f.write_str(&id),
            (None, Some(id)) => f.write_str(&String::from_utf8_lossy(id)),
            (None, None) => f.write_str("none"),
        }
    }
}
