//! Naming what is not a core file, so that who opened the wrong file sees which it was.

/// What a file that begins with `start` is, with its article.
pub(crate) fn describe(start: &[u8]) -> String {
    const KNOWN: &[(&[u8], &str)] = &[
        (b"\xcf\xfa\xed\xfe", "a Mach-O file (macOS)"),
        (b"\xce\xfa\xed\xfe", "a Mach-O file (macOS)"),
        (b"MDMP", "a Windows minidump"),
        (b"MZ", "a Windows program"),
        (b"PK\x03\x04", "a zip archive"),
        (
            b"BZh",
            "compressed with bzip2, which goinspect does not read",
        ),
        (b"#!", "a script"),
        (b"KDUMP", "a dump of the Linux kernel"),
        // runtime/heapdump.go
        (
            b"go1.7 heap dump\n",
            "a Go heap dump (runtime/debug.WriteHeapDump), which holds no stacks",
        ),
        (b"go 1.", "a Go execution trace"),
    ];
    if start.is_empty() {
        return "empty".to_owned();
    }
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| start.starts_with(magic)) {
        return (*what).to_owned();
    }
    if start
        .iter()
        .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
    {
        return "text".to_owned();
    }
    if start.iter().all(|&b| b == 0) {
        return "not an ELF file (it begins with zeros)".to_owned();
    }
    let first: Vec<String> = start.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("not an ELF file (it begins with {})", first.join(" "))
}

/// Go's name for an ELF machine, where it has one (`e_machine`, `elf.h`).
pub(crate) fn machine(number: u16) -> String {
    match number {
        3 => "386".into(),
        8 => "mips".into(),
        20 => "ppc".into(),
        21 => "ppc64".into(),
        22 => "s390x".into(),
        40 => "arm".into(),
        62 => "amd64".into(),
        183 => "arm64".into(),
        243 => "riscv64".into(),
        258 => "loong64".into(),
        other => format!("ELF machine {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_is() {
        for (start, what) in [
            (&b""[..], "empty"),
            (b"MDMP\x93\xa7", "a Windows minidump"),
            (b"goroutine 1 [running]:\n", "text"),
            (b"\0\0\0\0", "not an ELF file (it begins with zeros)"),
            (
                b"\xde\xad\xbe\xef",
                "not an ELF file (it begins with de ad be ef)",
            ),
        ] {
            assert_eq!(describe(start), what);
        }
    }
}
