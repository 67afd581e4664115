//! Frames: one line of a stack, and how far it can be trusted.

use std::sync::Arc;

use crate::{Addr, Dialect};

/// A function as the target's pclntab names it, or a C function as its symbols do.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Function {
    /// The full name, as the linker wrote it: `net/http.(*conn).serve`,
    /// type arguments of generics included. For C what the debug information or a symbol says,
    /// C++ in readable form; for a function that has no name its place, `libfoo.so+0x1230`.
    pub name: Arc<str>,
    /// Where the physical function starts at run time. For an inlined call this
    /// is the start of the function it was inlined into.
    pub entry: Addr,
}

/// What sort of function a frame belongs to.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum FrameKind {
    /// A function that somebody wrote.
    #[default]
    Normal,
    /// A wrapper made by the compiler (`abi.FuncIDWrapper`); Go's traceback hides it.
    Wrapper,
    /// Called by way of cgo or in the vDSO: C, or what else no Go compiler made. Go's traceback
    /// has no such frames.
    C {
        /// The file that it is part of, without directories: `libc.so.6`, the executable, or
        /// `[vdso]`. `None` for code that is in no file.
        object: Option<Arc<str>>,
    },
}

/// How a frame was found, and so how far it can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Trust {
    /// Found by the runtime's own rules from a state that is known to be right:
    /// what the scheduler saved, or the registers of the stopped thread. For C by the unwind
    /// tables of its object.
    Exact,
    /// Found by the runtime's own rules, but the state they started from is an
    /// older one that the runtime left behind; the goroutine may have moved on. For C by
    /// frame pointers, where there are no unwind tables: calls in between may be missing.
    Assumed,
}

/// One function call on a stack; an inlined call is a frame of its own.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Frame {
    /// The frame's program counter as a traceback prints it: a return address for
    /// all but the innermost frame and frames that were interrupted.
    pub pc: Addr,
    /// The function.
    pub function: Function,
    /// Its source file as recorded by the compiler; `?` where it is unknown, as Go prints it.
    pub file: Arc<str>,
    /// The line of the call (or of the interruption), 1-based; 0 where it is unknown.
    pub line: u32,
    /// Whether this call was inlined into the frame below.
    pub inlined: bool,
    /// What sort of function it is.
    pub kind: FrameKind,
    /// How it was found.
    pub trust: Trust,
}

/// How the note of a goroutine begins that tells why not all of its C frames are there.
pub const C_FRAMES_MISSING: &str = "C frames are missing: ";

impl Frame {
    /// Whether it is a wrapper that Go leaves out of tracebacks and profiles; `callee` is the
    /// name of the function that it called. Source: `runtime/traceback.go`, `elideWrapperCalling`.
    pub fn is_elided(&self, callee: Option<&str>) -> bool {
        let callee_keeps_wrappers = matches!(
            callee,
            Some("runtime.gopanic" | "runtime.sigpanic" | "runtime.panicwrap")
        );
        self.kind == FrameKind::Wrapper && !callee_keeps_wrappers
    }

    /// Whether it is C's.
    pub fn is_c(&self) -> bool {
        matches!(self.kind, FrameKind::C { .. })
    }

    /// The file that a C function is part of.
    pub fn object(&self) -> Option<&str> {
        match &self.kind {
            FrameKind::C { object } => object.as_deref(),
            FrameKind::Normal | FrameKind::Wrapper => None,
        }
    }

    /// Whether it belongs to the C library or to what cgo puts between Go and C: what stands
    /// around the waiting of C code, as `runtime` and `sync` do in Go.
    pub(crate) fn is_around_c(&self) -> bool {
        const OBJECTS: [&str; 13] = [
            "libc.so",
            "libc-2.",
            "libc.musl-",
            "ld-linux-",
            "ld-2.",
            "ld-musl-",
            "libpthread",
            "librt.",
            "librt-",
            "libresolv",
            "libnss_",
            "libm.so",
            "[vdso]",
        ];
        let object = self.object().unwrap_or_default();
        let name = &*self.function.name;
        self.is_c()
            && (OBJECTS.iter().any(|prefix| object.starts_with(prefix))
                || name.starts_with("_cgo_")
                || name.starts_with("x_cgo_"))
    }
}

/// A place in the source that a program counter stands for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Site {
    /// The program counter as the runtime holds it.
    pub pc: Addr,
    /// The function, or `None` where no function of the program contains the address.
    pub function: Option<Function>,
    /// The file; `?` where it is unknown.
    pub file: Arc<str>,
    /// The line, 1-based; 0 where it is unknown.
    pub line: u32,
}

/// Whether Go's own traceback would show this frame by default.
///
/// `innermost` says that no frame has been shown yet, `callee` is the name of the
/// function that this frame called. Source: `runtime/traceback.go`, `showfuncinfo`.
fn is_shown_by_go(frame: &Frame, innermost: bool, callee: Option<&str>, dialect: &Dialect) -> bool {
    !frame.is_elided(callee) && is_name_shown_by_go(&frame.function.name, innermost, dialect)
}

/// The indices of the frames that Go's traceback would show; of all that are Go's if it would show none.
pub fn shown_by_go(frames: &[Frame], dialect: &Dialect) -> Vec<usize> {
    let mut shown = Vec::new();
    let mut callee = None;
    let go = || frames.iter().enumerate().filter(|(_, frame)| !frame.is_c());
    for (i, frame) in go() {
        if is_shown_by_go(frame, shown.is_empty(), callee, dialect) {
            shown.push(i);
        }
        callee = Some(&*frame.function.name);
    }
    if shown.is_empty() {
        return go().map(|(i, _)| i).collect();
    }
    shown
}

/// The same with the C frames among them: what people are shown.
pub fn shown_with_c(frames: &[Frame], dialect: &Dialect) -> Vec<usize> {
    let mut shown = shown_by_go(frames, dialect);
    let go = shown.len();
    let c = frames.iter().enumerate().filter(|(_, frame)| frame.is_c());
    shown.extend(c.map(|(i, _)| i));
    if shown.len() > go {
        shown.sort_unstable();
    }
    shown
}

/// The same by the name alone, for functions that are no wrappers.
pub fn is_name_shown_by_go(name: &str, innermost: bool, dialect: &Dialect) -> bool {
    // What tells the reader that the goroutine runs finalizers or cleanups.
    let runs_finalizers = matches!(name, "runtime.runFinalizers" | "runtime.runCleanups");
    if runs_finalizers && dialect.shows_finalizers {
        return true;
    }
    if name == "runtime.gopanic" && !innermost {
        return true;
    }
    name.contains('.')
        && (!name.starts_with("runtime.")
            || is_exported_runtime(name, dialect.shows_exported_methods))
}

/// `runtime/traceback.go`, `isExportedRuntime`: exported functions, and exported methods of
/// exported types. Before Go 1.23 only the first letter behind `runtime.` counted.
fn is_exported_runtime(name: &str, methods: bool) -> bool {
    let Some(rest) = name.strip_prefix("runtime.") else {
        return false;
    };
    let starts_upper = |s: &str| s.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
    match rest.rsplit_once('.').filter(|_| methods) {
        None => starts_upper(rest),
        Some((receiver, method)) => {
            let receiver = receiver
                .strip_prefix("(*")
                .and_then(|r| r.strip_suffix(')'))
                .unwrap_or(receiver);
            starts_upper(method) && starts_upper(receiver)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c(name: &str, object: Option<&str>) -> Frame {
        let mut frame = crate::testing::frames(&[name])[0].clone();
        let object = object.map(Into::into);
        frame.kind = FrameKind::C { object };
        frame
    }

    #[test]
    fn go_shows_no_c() {
        let go = crate::testing::frames(&["runtime.cgocall", "main._Cfunc_f", "runtime.goexit"]);
        let inner = [c("read", Some("libc.so.6")), c("f", None)];
        let frames = [&inner[..], &go[..]].concat();
        let dialect = crate::GoVersion::NEWEST_TESTED.dialect();
        assert_eq!(shown_by_go(&frames, &dialect), [3]);
        assert_eq!(shown_with_c(&frames, &dialect), [0, 1, 3]);
        // Where Go hides all, it shows all.
        let frames = [&inner[..], &go[..1]].concat();
        assert_eq!(shown_by_go(&frames, &dialect), [2]);
        assert_eq!(shown_with_c(&frames, &dialect), [0, 1, 2]);
    }

    #[test]
    fn the_c_library_stands_around() {
        for (name, object, around) in [
            ("read", Some("libc.so.6"), true),
            ("read", Some("ld-musl-x86_64.so.1"), true),
            ("__vdso_gettimeofday", Some("[vdso]"), true),
            ("_cgo_4f9_Cfunc_f", Some("svc"), true),
            ("f", Some("svc"), false),
            ("f", Some("libcurl.so.4"), false),
            ("0x7f0012", None, false),
        ] {
            assert_eq!(c(name, object).is_around_c(), around, "{name} {object:?}");
        }
        assert!(!crate::testing::frames(&["_cgo_f"])[0].is_around_c());
    }

    #[test]
    fn exported_runtime_names() {
        for (name, exported, before_1_23) in [
            ("runtime.Gosched", true, true),
            ("runtime.(*Func).Entry", true, false),
            ("runtime.Frames.Next", true, true),
            ("runtime.GOMAXPROCS.func1", false, true),
            ("runtime.gopark", false, false),
            ("runtime.(*mheap).Alloc", false, false),
            ("runtime.main.func1", false, false),
            ("main.main", false, false),
        ] {
            assert_eq!(is_exported_runtime(name, true), exported, "{name}");
            assert_eq!(is_exported_runtime(name, false), before_1_23, "{name}");
        }
    }
}
