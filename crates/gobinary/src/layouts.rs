//! The layouts of the runtime's structures by Go version, for executables that have none of their
//! own: `layouts/go1.N-ARCH.txt`, one file a version and processor, written by `cargo xtask
//! layouts` from the DWARF of programs that this Go version built.
//!
//! A file names structs with their sizes, and below each the fields that are relied on, by their
//! whole paths, with offset and width in bytes.

use model::Arch;

use crate::GoVersion;
use crate::types::{Field, Shape, Type, TypeTable};

macro_rules! tables {
    ($($number:literal)*) => {
        &[$(
            (concat!("go1.", $number), Arch::Amd64, include_str!(concat!("../layouts/go1.", $number, "-amd64.txt"))),
            (concat!("go1.", $number), Arch::Arm64, include_str!(concat!("../layouts/go1.", $number, "-arm64.txt"))),
        )*]
    };
}

/// The committed tables in the order of their versions. A new Go version is one number here.
const TABLES: &[(&str, Arch, &str)] = tables! { 19 21 22 23 24 25 26 27 };

/// The layouts of a Go version: its own, or those of the nearest version that is older (of the
/// oldest, if there is none). Which it was is returned, too.
pub fn layouts_for(version: GoVersion, arch: Arch) -> Option<(GoVersion, TypeTable)> {
    let of_arch = || {
        let of_arch = TABLES.iter().filter(|table| table.1 == arch);
        of_arch.filter_map(|(name, _, text)| Some((GoVersion::parse(name)?, text)))
    };
    let (version, text) = of_arch()
        .take_while(|table| table.0 <= version)
        .last()
        .or_else(|| of_arch().next())?;
    Some((version, parse(text)?))
}

/// Writes the layouts of `types` as a table: of each struct those fields among `clauses`
/// (struct, path) that it has.
pub fn write_layouts<'a>(
    types: &TypeTable,
    structs: &[&str],
    clauses: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> String {
    let mut text = String::new();
    for name in structs {
        let Some(strukt) = types.lookup(name) else {
            continue;
        };
        text.push_str(&format!("{name} {}\n", strukt.size));
        for (_, path) in clauses.clone().filter(|(owner, _)| owner == name) {
            if let Ok(field) = types.scalar(name, path) {
                let sign = if field.signed { " signed" } else { "" };
                text.push_str(&format!(
                    "    {path} {} {}{sign}\n",
                    field.offset, field.width
                ));
            }
        }
    }
    text
}

/// Reads a table; `None` if it is not one.
fn parse(text: &str) -> Option<TypeTable> {
    let mut table = TypeTable::default();
    let mut strukt: Option<Type> = None;
    let finish = |table: &mut TypeTable, strukt: Option<Type>| {
        if let Some(strukt) = strukt {
            let name = strukt.name.clone();
            let id = table.add(strukt);
            table.publish(&name, id);
        }
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let number = words.next()?.parse().ok()?;
        if !line.starts_with(' ') {
            let next = Type {
                name,
                size: number,
                shape: Shape::Struct { fields: Vec::new() },
            };
            finish(&mut table, strukt.replace(next));
            continue;
        }
        let size = words.next()?.parse().ok()?;
        let signed = words.next() == Some("signed");
        let ty = table.add(Type {
            name: "number".to_owned(),
            size,
            shape: Shape::Int { signed },
        });
        let Shape::Struct { fields } = &mut strukt.as_mut()?.shape else {
            return None;
        };
        fields.push(Field {
            name,
            offset: number,
            ty,
        });
    }
    finish(&mut table, strukt);
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_readable_and_complete() {
        for (version, arch, text) in TABLES {
            let table = parse(text).unwrap_or_else(|| panic!("{version} {arch:?}"));
            for (strukt, path) in [
                ("runtime.g", "stack.lo"),
                ("runtime.moduledata", "pcHeader"),
            ] {
                let field = table.scalar(strukt, path).unwrap();
                assert_eq!((field.offset, field.width), (0, 8), "{version} {arch:?}");
            }
        }
    }

    #[test]
    fn the_nearest_older_version_serves() {
        let of = |minor| {
            let (version, _) = layouts_for(GoVersion::new(1, minor), Arch::Amd64).unwrap();
            version.minor
        };
        assert_eq!(
            (of(18), of(20), of(22), of(27), of(99)),
            (19, 19, 22, 27, 27)
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = "runtime.g 440\n    stack.lo 0 8\n    goid 152 8 signed\n";
        let table = parse(text).unwrap();
        let clauses = [
            ("runtime.g", "stack.lo"),
            ("runtime.g", "goid"),
            ("runtime.g", "gone"),
        ];
        assert_eq!(
            write_layouts(&table, &["runtime.g", "runtime.m"], clauses.into_iter()),
            text
        );
        assert!(parse("runtime.g\n").is_none());
        assert!(parse("    stack.lo 0 8\n").is_none());
    }
}
