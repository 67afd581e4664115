//! `.go.buildinfo`: the Go version, the main module and the build settings.
//!
//! Source: `debug/buildinfo/buildinfo.go` and `runtime/debug/mod.go` of Go 1.27; the format
//! with inline strings is that of Go 1.18 and later.

use std::collections::BTreeMap;

use crate::bytes::{u8_at, uvarint_at};

/// How it begins.
pub(crate) const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The header is padded to this size, and aligned to 16.
const HEADER: usize = 32;
const FLAG_INLINE_STRINGS: u8 = 0x2;

/// What the linker recorded of a build.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BuildInfo {
    /// `go1.27.3`.
    pub go_version: String,
    /// The main package's path.
    pub path: Option<String>,
    /// The main module: path and version.
    pub main: Option<(String, String)>,
    /// `-ldflags`, `vcs.revision` … by key.
    pub settings: BTreeMap<String, String>,
}

impl BuildInfo {
    /// Reads the contents of the section `.go.buildinfo`; `None` if that is not what it is.
    pub fn parse(section: &[u8]) -> Option<BuildInfo> {
        let start = (0..section.len()).step_by(16).find(|&at| {
            section
                .get(at..)
                .is_some_and(|tail| tail.starts_with(MAGIC))
        })?;
        let flags = u8_at(section, start + 15)?;
        if flags & FLAG_INLINE_STRINGS == 0 {
            return None;
        }
        let (version, after) = string_at(section, start + HEADER)?;
        let mut info = BuildInfo {
            go_version: version,
            ..BuildInfo::default()
        };
        if let Some((modinfo, _)) = string_at_bytes(section, after) {
            // The module info stands between two sentinels of 16 bytes.
            if let Some(text) = modinfo.get(16..modinfo.len().saturating_sub(16)) {
                info.read_modinfo(&String::from_utf8_lossy(text));
            }
        }
        Some(info)
    }

    /// The main module as `path@version`.
    pub fn main_at_version(&self) -> Option<String> {
        self.main
            .as_ref()
            .map(|(path, version)| match version.as_str() {
                "" => path.clone(),
                version => format!("{path}@{version}"),
            })
    }

    fn read_modinfo(&mut self, text: &str) {
        for line in text.lines() {
            let mut columns = line.split('\t');
            match (columns.next(), columns.next(), columns.next()) {
                (Some("path"), Some(path), _) => self.path = Some(path.to_owned()),
                (Some("mod"), Some(path), version) => {
                    self.main = Some((path.to_owned(), version.unwrap_or_default().to_owned()));
                }
                (Some("build"), Some(_), _) => {
                    let setting = line.strip_prefix("build\t").unwrap_or_default();
                    if let Some((key, value)) = split_setting(setting) {
                        self.settings.insert(key, value);
                    }
                }
                _ => {}
            }
        }
    }
}

/// `key=value`, either of them in quotes where it has unusual characters.
fn split_setting(setting: &str) -> Option<(String, String)> {
    let (key, value) = if setting.starts_with('"') {
        let close = setting.get(1..)?.find('"')? + 2;
        (
            setting.get(..close)?,
            setting.get(close..)?.strip_prefix('=')?,
        )
    } else {
        setting.split_once('=')?
    };
    Some((unquote(key), unquote(value)))
}

/// Undoes `strconv.Quote` as far as build settings need it: what it cannot undo it leaves.
fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return text.trim_matches('`').to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, false) => out.push(c),
            _ => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other @ ('"' | '\\')) => out.push(other),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
        }
    }
    out
}

fn string_at_bytes(data: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (len, width) = uvarint_at(data, at)?;
    let start = at.checked_add(width)?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    Some((data.get(start..end)?, end))
}

fn string_at(data: &[u8], at: usize) -> Option<(String, usize)> {
    let (bytes, end) = string_at_bytes(data, at)?;
    Some((String::from_utf8_lossy(bytes).into_owned(), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(version: &str, modinfo: &str) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([8, FLAG_INLINE_STRINGS]);
        out.resize(HEADER, 0);
        for part in [
            version.to_owned(),
            format!("{0}{modinfo}{0}", "0123456789abcdef"),
        ] {
            out.push((part.len() & 0x7f) as u8 | if part.len() > 0x7f { 0x80 } else { 0 });
            if part.len() > 0x7f {
                out.push((part.len() >> 7) as u8);
            }
            out.extend(part.bytes());
        }
        out
    }

    #[test]
    fn reads_version_module_and_settings() {
        let text = "path\texample.com/svc\nmod\texample.com/svc\tv1.2.3\t\n\
                    dep\tgolang.org/x/net\tv0.1.0\th1:x=\nbuild\t-ldflags=\"-s -w\"\nbuild\tCGO_ENABLED=0\n";
        let info = BuildInfo::parse(&section("go1.27.3", text)).unwrap();
        assert_eq!(info.go_version, "go1.27.3");
        assert_eq!(info.path.as_deref(), Some("example.com/svc"));
        assert_eq!(info.main, Some(("example.com/svc".into(), "v1.2.3".into())));
        assert_eq!(info.settings["-ldflags"], "-s -w");
        assert_eq!(info.settings["CGO_ENABLED"], "0");
    }

    #[test]
    fn cut_anywhere_it_does_not_panic() {
        let whole = section("go1.27.3", "path\tx\nbuild\t\"a\"=\"\\\"\"\n");
        for len in 0..whole.len() {
            let _ = BuildInfo::parse(&whole[..len]);
        }
    }
}
