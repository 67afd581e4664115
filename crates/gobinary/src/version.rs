//! Go versions, and the only place where they are compared.

use std::fmt;

/// A Go release, as far as it matters: `go1.27.3` is 1.27.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GoVersion {
    /// The 1 of 1.27.
    pub major: u32,
    /// The 27 of 1.27.
    pub minor: u32,
}

impl GoVersion {
    /// The oldest version whose programs are read.
    pub const OLDEST: GoVersion = GoVersion {
        major: 1,
        minor: 21,
    };
    /// The newest version that the tests have seen.
    pub const NEWEST_TESTED: GoVersion = GoVersion {
        major: 1,
        minor: 27,
    };

    /// Whether pprof labels are a list (`runtime/pprof/label.go` of Go 1.24) and no map.
    pub fn has_label_lists(self) -> bool {
        self >= GoVersion {
            major: 1,
            minor: 24,
        }
    }

    /// Reads `go1.27.3`, `go1.28rc1`, `devel go1.28-0123abc Mon …`, `go1.22.1 X:boringcrypto`.
    pub fn parse(text: &str) -> Option<GoVersion> {
        let rest = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix("go1."))?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(GoVersion {
            major: 1,
            minor: digits.parse().ok()?,
        })
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Go {}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_go_version_prints() {
        let minor = |s| GoVersion::parse(s).map(|v| v.minor);
        assert_eq!(minor("go1.27.3"), Some(27));
        assert_eq!(minor("go1.21"), Some(21));
        assert_eq!(minor("go1.28rc1"), Some(28));
        assert_eq!(minor("devel go1.28-0123abc Mon Jan 2"), Some(28));
        assert_eq!(minor("go1.24.4 X:nodwarf5"), Some(24));
        assert_eq!(minor("gccgo 12"), None);
        assert_eq!(minor("go2"), None);
    }
}
