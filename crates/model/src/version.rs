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
    pub const OLDEST: GoVersion = GoVersion::new(1, 19);
    /// The newest version that the tests have seen.
    pub const NEWEST_TESTED: GoVersion = GoVersion::new(1, 27);

    /// `major.minor`.
    pub const fn new(major: u32, minor: u32) -> GoVersion {
        GoVersion { major, minor }
    }

    /// Whether pprof labels are a list (`runtime/pprof/label.go` of Go 1.24) and no map.
    pub fn has_label_lists(self) -> bool {
        self >= GoVersion::new(1, 24)
    }

    /// Whether a goroutine in a synctest bubble is called durably blocked by its last wait
    /// reason even while it does not wait (`runtime/traceback.go` of Go 1.25, `goroutineheader`).
    pub fn calls_any_status_durable(self) -> bool {
        self == GoVersion::new(1, 25)
    }

    /// How this version words its tracebacks.
    pub fn dialect(self) -> Dialect {
        let since = |minor| self >= GoVersion::new(1, minor);
        Dialect {
            headers_name_m: since(22),
            shows_exported_methods: since(23),
            shows_finalizers: since(25),
            durable_suffix: since(25),
            bubble: if since(25) {
                "synctest bubble"
            } else {
                "synctest group"
            },
            labels: match (since(26), since(27)) {
                (_, true) => LabelPlace::BehindBrackets,
                (true, _) => LabelPlace::InBrackets,
                _ => LabelPlace::Nowhere,
            },
            generic_methods: since(27),
            elides_the_middle: since(21),
        }
    }

    /// Whether the liveness of a frame's arguments is that at the outermost call inlined there, and not at the
    /// innermost (`runtime/traceback.go`, `gentraceback` before Go 1.21).
    pub fn liveness_is_the_callers(self) -> bool {
        self < GoVersion::new(1, 21)
    }

    /// Reads `go1.27.3`, `go1.28rc1`, `devel go1.28-0123abc Mon …`, `go1.22.1 X:boringcrypto`.
    pub fn parse(text: &str) -> Option<GoVersion> {
        let rest = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix("go1."))?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(GoVersion::new(1, digits.parse().ok()?))
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Go {}.{}", self.major, self.minor)
    }
}

/// What differs from version to version in the text of Go's traceback (`runtime/traceback.go`,
/// compared from Go 1.19 to 1.27).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dialect {
    /// `gp=… m=…` in the headers at the level `system`: since Go 1.22.
    pub headers_name_m: bool,
    /// Exported methods of the runtime's exported types are shown: since Go 1.23.
    pub shows_exported_methods: bool,
    /// The frame that runs finalizers or cleanups is shown: since Go 1.25.
    pub shows_finalizers: bool,
    /// ` (durable)` behind a durable wait whose reason does not say so: since Go 1.25.
    pub durable_suffix: bool,
    /// What stands before a bubble's ID.
    pub bubble: &'static str,
    /// Where pprof labels stand in a header, if `GODEBUG=tracebacklabels=1` (which is the
    /// default since Go 1.27).
    pub labels: LabelPlace,
    /// Names with two pairs of brackets are shortened at both, `(*T[...]).M[...]`: since Go 1.27.
    pub generic_methods: bool,
    /// Of a deep stack the frames in the middle are left out, and not the outermost: since Go 1.21.
    pub elides_the_middle: bool,
}

/// Where pprof labels stand in a goroutine's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LabelPlace {
    /// They are not printed: before Go 1.26.
    Nowhere,
    /// `[select labels:{"k": "v"}]:` in Go 1.26.
    InBrackets,
    /// `[select] {k: v}:` since Go 1.27.
    BehindBrackets,
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
