//! Go code that is not the executable: libraries in C programs, and plugins.

use std::path::PathBuf;
use std::process::Command;

use fixtures::build::c_host;
use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};

use crate::debug_file::tool;
use crate::run::{fails_with, goinspect, snapshot};
use crate::traceback::{equals_it_from_gcore, equals_its_own_text};

/// `zoo` as a library.
fn library(go: &Toolchain, mode: &str, stripped: bool) -> Result<PathBuf, Failed> {
    let mut options = BuildOptions::hosted(mode);
    if stripped {
        options.flags.push("-ldflags=-s -w".to_owned());
    }
    Ok(build(go, "zoo", &options)?)
}

/// A C program that loads a Go library.
pub fn library_in_c(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let host = c_host(folder.path(), None)?;
    for stripped in [false, true] {
        let library = library(go, "c-shared", stripped)?;
        let mut command = Command::new(&host);
        command.arg("-nospin").env("HOST_LIBRARY", &library);
        let zoo = Program::spawn(command)?;
        let taken = snapshot(zoo.pid(), &[])?;
        assert_eq!(taken["target"]["module"], *library.to_string_lossy());
        assert_eq!(taken["target"]["exe"], *host.to_string_lossy());
        equals_its_own_text(go, zoo)?;
    }
    Ok(())
}

/// Its core: Go prints no crash text where it is a library.
pub fn library_in_c_from_gcore(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(c_host(folder.path(), None)?);
    command
        .arg("-nospin")
        .env("HOST_LIBRARY", library(go, "c-shared", true)?);
    equals_it_from_gcore(go, Program::spawn(command)?)
}

/// A C program that a Go library was linked into.
pub fn archive_in_c(go: &Toolchain) -> Result<(), Failed> {
    for stripped in [false, true] {
        let folder = tempfile::tempdir()?;
        let archive = folder.path().join("libzoo.a");
        std::fs::copy(library(go, "c-archive", stripped)?, &archive)?;
        let host = c_host(folder.path(), Some(&archive))?;
        if stripped {
            tool("strip", &[&host])?;
        }
        let zoo = Program::start(&host, &["-nospin"])?;
        equals_its_own_text(go, zoo)?;
    }
    Ok(())
}

/// Two Go libraries in one C program: each has goroutines of its own, and one must be chosen.
pub fn two_runtimes(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let host = c_host(folder.path(), None)?;
    let library = library(go, "c-shared", false)?;
    let other = folder.path().join("libother.so");
    std::fs::copy(&library, &other)?;
    let mut command = Command::new(&host);
    command
        .arg("-nospin")
        .env("HOST_LIBRARY", &library)
        .env("HOST_OTHER", &other);
    let zoo = Program::spawn(command)?;
    let pid = zoo.pid().to_string();
    let output = goinspect(&["snapshot", &pid]);
    fails_with(
        &output,
        2,
        &["several Go runtimes", "libother.so", "--module"],
    )?;
    let parked = |taken: &serde_json::Value| {
        let all = taken["goroutines"].as_array().unwrap().iter();
        all.filter(|g| g["frames"].to_string().contains("main.hostedPark"))
            .count()
    };
    let others = snapshot(zoo.pid(), &["--module", "libother.so"])?;
    assert_eq!(parked(&others), 7);
    let name = library.file_name().unwrap().to_string_lossy();
    let zoos = snapshot(zoo.pid(), &["--module", &name])?;
    assert_eq!(parked(&zoos), 0);
    assert!(zoos["goroutines"].as_array().unwrap().len() > 100);
    let output = goinspect(&["snapshot", &pid, "--module", "libnone.so"]);
    fails_with(&output, 3, &["libnone.so", "libother.so"])?;
    zoo.quit()?;
    Ok(())
}

/// A program that loads a plugin, before goinspect looks or while it does.
pub fn plugin(go: &Toolchain) -> Result<(), Failed> {
    for strip in [&[][..], &["-ldflags=-s -w"]] {
        let options = |more: &[&str]| BuildOptions {
            cgo: true,
            ..BuildOptions::with_flags(more.iter().chain(strip).copied())
        };
        let plug = build(go, "plug", &options(&["-buildmode=plugin"]))?;
        let mut command = Command::new(build(go, "plugged", &options(&[]))?);
        command.env("PLUGIN", &plug);
        let mut plugged = Program::spawn(command)?;
        assert_eq!(plugged.ask("load")?, "120");
        equals_its_own_text(go, plugged)?;
    }
    Ok(())
}
