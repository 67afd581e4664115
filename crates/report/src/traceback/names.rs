//! Function names as a traceback prints them.

use std::borrow::Cow;

use model::{Dialect, Escaped};

/// `runtime/traceback.go`, `printFuncName`: type arguments become `[...]`.
pub fn name_for_print<'a>(name: &'a str, dialect: &Dialect) -> Cow<'a, str> {
    if name == "runtime.gopanic" {
        return Cow::Borrowed("panic");
    }
    match shortened(name, dialect) {
        Some(short) => Cow::Owned(Escaped(&short).to_string()),
        None => Escaped(name).text(),
    }
}

/// `funcNamePiecesForPrint`; `None` where the name stays as it is.
fn shortened(name: &str, dialect: &Dialect) -> Option<String> {
    let (before, rest) = name.split_once('[')?;
    let (interior, behind) = rest.rsplit_once(']')?;
    if !dialect.generic_methods || !interior.contains('[') {
        return Some(format!("{before}[...]{behind}"));
    }
    // A generic method of a generic type has two pairs of brackets side by side.
    let mut depth = 1;
    let mut closed = None;
    for (at, c) in interior.char_indices() {
        match c {
            '[' => {
                depth += 1;
                if let (1, Some(closed)) = (depth, closed) {
                    let between = interior.get(closed + 1..at).unwrap_or_default();
                    return Some(format!("{before}[...]{between}[...]{behind}"));
                }
            }
            ']' => {
                depth -= 1;
                match depth {
                    0 => closed = Some(at),
                    // Malformed: the whole name is printed.
                    ..0 => return None,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    (depth == 1 && closed.is_none()).then(|| format!("{before}[...]{behind}"))
}

#[cfg(test)]
mod tests {
    use model::GoVersion;

    use super::*;

    #[test]
    fn type_arguments_are_shortened() {
        let new = GoVersion::NEWEST_TESTED.dialect();
        let old = GoVersion::OLDEST.dialect();
        for (name, in_new, in_old) in [
            ("main.f", "main.f", "main.f"),
            ("runtime.gopanic", "panic", "panic"),
            ("main.F[go.shape.int]", "main.F[...]", "main.F[...]"),
            (
                "main.F[[]int].func1",
                "main.F[...].func1",
                "main.F[...].func1",
            ),
            (
                "main.(*T[a.B[int]]).M",
                "main.(*T[...]).M",
                "main.(*T[...]).M",
            ),
            (
                "main.(*T[int]).M[string].func2",
                "main.(*T[...]).M[...].func2",
                "main.(*T[...].func2",
            ),
            ("main.a]b", "main.a]b", "main.a]b"),
            ("main.a[b", "main.a[b", "main.a[b"),
            ("main.F[a]]b[c]", "main.F[a]]b[c]", "main.F[...]"),
        ] {
            assert_eq!(name_for_print(name, &new), in_new, "{name}");
            assert_eq!(name_for_print(name, &old), in_old, "{name}");
        }
    }
}
