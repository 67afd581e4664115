//! Holds the runtime contract against each toolchain: what drifted reads
//! `runtime.g.atomicstatus: no such field`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use std::fs::File;
use std::process::{Command, ExitCode};

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Requirement, Toolchain, Trials, build};
use gobinary::{GoBinary, GoVersion};
use goruntime::Runtime;
use goruntime::contract::{
    CLAUSES, FING_RUNNING, FING_STATUS, IS_IDLE_IN_SYNCTEST, OPTIONAL_STRUCTS, STRUCTS, VARIABLES,
};

/// Callbacks from C are only in programs that have C.
const C_COMPILER: &[Requirement] = &[Requirement::Program("cc")];

fn main() -> ExitCode {
    let mut trials = Trials::new();
    trials.for_each_go("contract::holds", &[], |go| {
        holds(go, &BuildOptions::default())
    });
    trials.for_each_go("contract::holds_on_arm64", &[], |go| {
        holds(
            go,
            &BuildOptions {
                goarch: Some("arm64".into()),
                ..BuildOptions::default()
            },
        )
    });
    trials.for_each_go("contract::holds_with_uncompressed_dwarf", &[], |go| {
        holds(
            go,
            &BuildOptions::with_flags(["-ldflags=-compressdwarf=false"]),
        )
    });
    trials.for_each_go(
        "contract::optional_parts_are_where_they_should_be",
        &[],
        optional_parts,
    );
    trials.for_each_go("contract::tables_are_true", &[], tables_are_true);
    trials.for_each_go(
        "contract::special_functions_have_their_names",
        C_COMPILER,
        special_functions,
    );
    trials.for_each_go("pclntab::equals_the_symbol_table", &[], equals_symbol_table);
    trials.run()
}

fn open(go: &Toolchain, options: &BuildOptions) -> Result<GoBinary, Failed> {
    Ok(Runtime::open_binary(File::open(build(
        go, "zoo", options,
    )?)?)?)
}

/// Every struct, field and variable that is not optional is there.
fn holds(go: &Toolchain, options: &BuildOptions) -> Result<(), Failed> {
    let binary = open(go, options)?;
    let mut drifted = Vec::new();
    for strukt in STRUCTS.iter().filter(|s| !OPTIONAL_STRUCTS.contains(s)) {
        if binary.types.lookup(strukt).is_none() {
            drifted.push(format!("{strukt}: no such type"));
        }
    }
    for clause in CLAUSES
        .iter()
        .filter(|c| !c.optional && !OPTIONAL_STRUCTS.contains(&c.strukt))
    {
        if let Err(error) = binary.types.scalar(clause.strukt, clause.path) {
            drifted.push(error.to_string());
        }
    }
    for variable in VARIABLES.iter().filter(|v| !v.optional) {
        if let Err(error) = binary.variable(variable.name) {
            drifted.push(error.to_string());
        }
    }
    if drifted.is_empty() {
        Ok(())
    } else {
        Err(drifted.join("\n").into())
    }
}

/// What contract.rs says of the versions that have an optional part is so.
fn optional_parts(go: &Toolchain) -> Result<(), Failed> {
    let binary = open(go, &BuildOptions::default())?;
    let since = |minor| binary.version >= GoVersion { major: 1, minor };
    let has = |strukt, path| binary.types.scalar(strukt, path).is_ok();
    assert_eq!(has("runtime.g", "parentGoid"), since(21));
    assert_eq!(has("runtime.g", "runningCleanups"), since(25));
    // Labels are read through the map where they are maps.
    assert_eq!(has("runtime.hmap", "count"), !since(24));
    assert_eq!(binary.version.has_label_lists(), since(24));
    assert_eq!(has("runtime.g", "bubble"), since(25));
    assert_eq!(has("runtime.synctestBubble", "id"), since(25));
    assert_eq!(has("runtime.g", "syncGroup"), since(24) && !since(25));
    assert_eq!(
        has("runtime.synctestGroup", "root"),
        since(24) && !since(25)
    );
    assert_eq!(has("runtime.dbgVar", "atomic"), since(21));
    assert_eq!(has("runtime.schedt", "runqsize"), !since(25));
    assert_eq!(has("runtime.schedt", "runq.size"), since(25));
    assert!(has("runtime.g", "schedlink") && has("runtime.m", "p"));
    assert!(has("runtime.p", "runnext") && has("runtime.mstats", "numgc"));
    assert!(has("runtime.g", "ancestors") && has("runtime.ancestorInfo", "goid"));
    for variable in VARIABLES {
        let expected = match variable.name {
            IS_IDLE_IN_SYNCTEST => since(24),
            FING_STATUS => since(20),
            FING_RUNNING => !since(20),
            _ => true,
        };
        let found = binary.variable(variable.name).is_ok();
        assert_eq!(found, expected, "{}", variable.name);
    }
    Ok(())
}

/// The committed layouts are those of this toolchain's programs.
fn tables_are_true(go: &Toolchain) -> Result<(), Failed> {
    for goarch in ["amd64", "arm64"] {
        let binary = open(
            go,
            &BuildOptions {
                goarch: Some(goarch.into()),
                ..BuildOptions::default()
            },
        )?;
        let (version, table) = gobinary::layouts_for(binary.version, binary.arch).unwrap();
        assert_eq!(version, binary.version);
        let clauses = CLAUSES.iter().map(|clause| (clause.strukt, clause.path));
        let write = |types| gobinary::write_layouts(types, STRUCTS, clauses.clone());
        let (committed, own) = (write(&table), write(&binary.types));
        if committed != own {
            let why = "run `cargo xtask layouts` and look at what has changed";
            return Err(format!("the table for {goarch} is out of date: {why}\n{own}").into());
        }
    }
    Ok(())
}

/// The functions that the unwinder and `isSystemGoroutine` know by name are called so.
fn special_functions(go: &Toolchain) -> Result<(), Failed> {
    let binary = open(
        go,
        &BuildOptions {
            cgo: true,
            ..BuildOptions::default()
        },
    )?;
    let table = &binary.pclntab;
    let funcs: Vec<_> = (0..table.len()).map(|i| table.func(i).unwrap()).collect();
    let find = |name: &str| funcs.iter().find(|f| f.name() == name);
    let since = |minor| binary.version >= GoVersion { major: 1, minor };
    let mut names = vec![
        "runtime.main",
        "runtime.sigpanic",
        "runtime.asyncPreempt",
        "runtime.morestack",
        "runtime.systemstack",
        "runtime.cgocallback",
        "runtime.gogo",
        "gogo",
        "runtime.goexit",
        "runtime.mcall",
        "runtime.debugCallV2",
        "runtime.sigtramp",
        "runtime.cgoSigtramp",
        "gosave_systemstack_switch",
    ];
    names.push(if since(25) {
        "runtime.runFinalizers"
    } else {
        "runtime.runfinq"
    });
    if since(25) {
        names.push("runtime.runCleanups");
    }
    if since(23) {
        names.push("runtime.corostart");
    }
    for name in names {
        // An assembly function's ABI is part of its symbol, but not of its name here.
        assert!(find(name).is_some(), "{name} is missing");
    }
    assert!(find("runtime.goexit").unwrap().is_top_frame());
    assert!(find("gogo").unwrap().writes_sp());
    assert!(find("runtime.mcall").unwrap().writes_sp());
    // FuncIDWrapper is the highest of all. The method of a pointer whose method is that of the
    // value is such a wrapper.
    let highest = funcs.iter().map(|f| f.func_id).max().unwrap();
    let wrapper = find("internal/abi.(*Kind).String")
        .or_else(|| find("reflect.(*Kind).String"))
        .ok_or("no wrapper to compare with")?;
    assert_eq!(wrapper.func_id, highest);
    assert!(funcs.iter().filter(|f| f.func_id == highest).count() > 50);
    Ok(())
}

/// The symbol table, as nm prints it, has the same functions at the same addresses.
fn equals_symbol_table(go: &Toolchain) -> Result<(), Failed> {
    let path = build(go, "zoo", &BuildOptions::default())?;
    let nm = go.command().args(["tool", "nm"]).arg(&path).output();
    // Later toolchains come without the tools' binaries and build them when they are asked for.
    let text = match nm {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)?,
        _ => String::from_utf8(Command::new("nm").arg(&path).output()?.stdout)?,
    };
    let binary = Runtime::open_binary(File::open(&path)?)?;
    let symbols: Vec<(u64, &str)> = text
        .lines()
        .filter_map(|line| {
            // A name may have spaces in it.
            let mut columns = line.trim_start().splitn(3, ' ');
            let address = u64::from_str_radix(columns.next()?, 16).ok()?;
            let kind = columns.next()?;
            ["t", "T"]
                .contains(&kind)
                .then_some((address, columns.next()?.trim_start()))
        })
        .collect();
    let text_start = symbols
        .iter()
        .find(|(_, name)| *name == "runtime.text")
        .ok_or("no runtime.text")?
        .0;
    let mut compared = 0;
    for (address, name) in symbols
        .iter()
        .filter(|(_, name)| name.starts_with("main.") || name.starts_with("net/http."))
    {
        let offset = u32::try_from(address - text_start)?;
        let func = binary
            .pclntab
            .find(offset)
            .ok_or_else(|| format!("{name} is not found"))?;
        let found = func.name();
        assert_eq!(func.entry, offset, "{name}");
        // Up to Go 1.20 the linker shortens type arguments.
        let shortened = match (name.find('['), name.rfind(']')) {
            (Some(from), Some(to)) if found.contains("[...]") => {
                format!("{}[...]{}", &name[..from], &name[to + 1..])
            }
            _ => (*name).to_owned(),
        };
        assert!(
            found == shortened || name.strip_suffix(".abi0") == Some(&found),
            "{found} is not {name}"
        );
        compared += 1;
    }
    assert!(compared > 500, "only {compared} functions were compared");
    Ok(())
}
